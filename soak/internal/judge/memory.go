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
		if e.Ledger.EndedEarly(s) {
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

// rotationsAMonth: one each four hours. The interval of a rotation times so
// many is what a month of them can come to.
const rotationsAMonth = 180

// memoryPerRotation compares what the live heap gains with each event of the
// phase of events with the limit: it fails when the whole interval lies over the
// limit, passes when the whole interval lies under it, and is inconclusive in
// between (step 11 of the rule). The first event is left out: before it lies
// what a young process still gives back, behind it what a first time fills for
// all the others.
func memoryPerRotation(e *Evidence, limit soak.Limit) measurement {
	m := measurement{evidence: soak.SamplesFile}
	var phase []soak.Sample
	for _, s := range e.Samples {
		if s.Phase == soak.PhaseEvents {
			phase = append(phase, s)
		}
	}
	var events []time.Time
	for _, s := range e.Ledger.Sessions {
		if len(phase) > 0 && e.Ledger.EndedEarly(s) && s.Closed.After(phase[0].At) && s.Closed.Before(phase[len(phase)-1].At) {
			events = append(events, s.Closed)
		}
	}
	slices.SortFunc(events, time.Time.Compare)
	if len(events) > 0 { // the first one is where it begins
		phase = slices.DeleteFunc(phase, func(s soak.Sample) bool { return s.At.Before(events[0]) })
		events = events[1:]
	}
	var over time.Duration
	if n := len(phase); n > 0 && !e.Plan.Virtual { // of a day in virtual time the process lives seconds
		over = phase[n-1].At.Sub(phase[0].At)
	}
	g, ok := leak.PerEvent(phase, events, over)
	if !ok {
		m.unfit = true
		m.why = fmt.Sprintf("%d sessions ended in the phase of events, and the live heap was read too seldom between them", len(events))
		return m
	}
	m.value, m.low, m.high = number(g.Bytes/kibibyte), number(g.Low/kibibyte), number(g.High/kibibyte)
	what := fmt.Sprintf("%+.1f KiB (%+.1f to %+.1f) for each of %d ends of a session that were brought about, by %d levels of the live heap after collection; %+.1f to %+.1f MB in %d of them, a month's rotations",
		g.Bytes/kibibyte, g.Low/kibibyte, g.High/kibibyte, len(events), g.Levels, g.Low*rotationsAMonth/megabyte, g.High*rotationsAMonth/megabyte, rotationsAMonth)
	if limit.Max != nil {
		most := *limit.Max * kibibyte
		m.decided, m.missed = true, g.Low > most
		if m.unfit = g.High > most && !m.missed; m.unfit {
			what += "; the interval straddles the limit: bring about more events"
		}
	}
	m.why = reasoned(limit, what)
	return m
}

// reasoned is what was measured, and the plan's reason for not gating on it.
func reasoned(limit soak.Limit, what string) string {
	if limit.Why == "" {
		return what
	}
	return what + "; " + limit.Why
}
