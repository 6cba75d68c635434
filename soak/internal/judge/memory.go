package judge

import (
	"fmt"
	"slices"
	"time"

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

// settled is when the subject is old enough for its memory to be judged: the
// process that runs at the end, if an injection killed one before.
func settled(e *Evidence) time.Time {
	if e.Plan.Settle == 0 || len(e.Samples) == 0 {
		return time.Time{}
	}
	born := e.Samples[0].At
	for _, in := range e.Plan.Injections {
		if in.Fault == "kill" && in.Ended.After(born) {
			born = in.Ended
		}
	}
	return born.Add(e.Plan.Settle.D())
}

// grown is the growth after warm-up, or why there is none.
func grown(e *Evidence) (leak.Growth, *measurement) {
	g := leak.Measure(e.Samples, settled(e))
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

// memoryPerEvent is what a rotation or a reconnect leaves behind: in the phase
// in which rotations are brought about closely, where the plan has one; else
// the growth divided by the sessions that ended meanwhile.
func memoryPerEvent(e *Evidence, limit soak.Limit) measurement {
	if slices.ContainsFunc(e.Plan.Phases, func(p soak.Phase) bool { return p.Events > 0 }) {
		return memoryPerRotation(e, limit)
	}
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

func memoryPerRotation(e *Evidence, limit soak.Limit) measurement {
	var began, over time.Time
	for _, s := range e.Samples {
		if s.Phase == soak.PhaseEvents {
			if began.IsZero() {
				began = s.At
			}
			over = s.At
		}
	}
	var events int
	for _, s := range e.Ledger.Sessions {
		if ended(e, s) && s.Closed.After(began) && s.Closed.Before(over) {
			events++
		}
	}
	bytes, ok := leak.PerEvent(e.Samples, events)
	if !ok {
		return measurement{unfit: true, why: fmt.Sprintf("%d sessions ended in the phase of events, and too few samples of the live heap", events), evidence: soak.SamplesFile}
	}
	return measurement{
		value:    number(max(bytes, 0) / kibibyte),
		why:      reasoned(limit, fmt.Sprintf("%+.1f KiB for each of %d ends of a session that were brought about, by the live heap after collection", bytes/kibibyte, events)),
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
