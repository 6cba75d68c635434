package judge

import (
	"fmt"

	"steadfeed/soak"
	"steadfeed/soak/internal/leak"
)

const (
	megabyte = 1e6
	kibibyte = 1024
)

const noSamples = "there is no sample of the subject's memory"

func memoryLimit(e *Evidence, _ soak.Limit) measurement {
	var top soak.Sample
	for _, s := range e.Samples {
		if s.RSSBytes > top.RSSBytes {
			top = s
		}
	}
	if top.RSSBytes == 0 {
		return measurement{unfit: true, why: noSamples, evidence: soak.SamplesFile}
	}
	return measurement{
		value:    number(float64(top.RSSBytes) / megabyte),
		why:      fmt.Sprintf("highest resident memory of %s samples, at %s", group(int64(len(e.Samples))), clock(top.At)),
		evidence: soak.SamplesFile,
	}
}

// grown is the growth after warm-up, or why there is none.
func grown(e *Evidence) (leak.Growth, *measurement) {
	g := leak.Measure(e.Samples)
	if g.Samples < 2 {
		return g, &measurement{unfit: true, why: noSamples + " after warm-up", evidence: soak.SamplesFile}
	}
	return g, nil
}

func memoryGrowth(e *Evidence, limit soak.Limit) measurement {
	g, unfit := grown(e)
	if unfit != nil {
		return *unfit
	}
	return measurement{
		value: number(g.Bytes() / megabyte),
		why: reasoned(limit, fmt.Sprintf("from %.2f to %.2f MB in %s after warm-up, medians of the first and last samples; line of least squares %+.2f MB/h, R² %.2f",
			g.First/megabyte, g.Last/megabyte, span(g.Over.Seconds()), g.PerHour/megabyte, g.Certainty)),
		evidence: soak.SamplesFile,
	}
}

func memoryScore(e *Evidence, limit soak.Limit) measurement {
	g, unfit := grown(e)
	if unfit != nil {
		return *unfit
	}
	return measurement{value: number(g.Score()), why: limit.Why, evidence: soak.SamplesFile}
}

// memoryPerEvent divides the growth by the sessions that ended meanwhile.
func memoryPerEvent(e *Evidence, limit soak.Limit) measurement {
	g, unfit := grown(e)
	if unfit != nil {
		return *unfit
	}
	var events int
	for _, s := range e.Ledger.Sessions {
		if ended(e, s) {
			events++
		}
	}
	if events == 0 {
		return measurement{unfit: true, why: "no session ended, so there is no event to divide by", evidence: soak.LedgerFile}
	}
	return measurement{
		value:    number(g.Bytes() / kibibyte / float64(events)),
		why:      reasoned(limit, fmt.Sprintf("%.2f MB over %d ends of a session", g.Bytes()/megabyte, events)),
		evidence: soak.SamplesFile,
	}
}

// reasoned is what was measured, and the plan's reason for not gating on it.
func reasoned(limit soak.Limit, what string) string {
	if limit.Why == "" {
		return what
	}
	return what + "; " + limit.Why
}
