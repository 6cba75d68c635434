package judge

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"steadfeed/soak"
)

// clockStep is how far the wall clock may jump against the steady one: every
// lag is a difference of wall clock readings.
const clockStep = 1.0

func duration(e *Evidence, _ soak.Limit) measurement {
	planned, was := e.Plan.Length().Seconds(), e.traffic().Seconds()
	if planned <= 0 {
		return measurement{unfit: true, why: "the plan has no length", evidence: soak.PlanFile}
	}
	return measurement{
		value:    number(100 * max(was, 0) / planned),
		why:      fmt.Sprintf("%s of traffic, planned %s", span(max(was, 0)), span(planned)),
		evidence: soak.LedgerFile,
	}
}

func samples(e *Evidence, _ soak.Limit) measurement {
	expected := e.Plan.Samples()
	if expected == 0 {
		return measurement{unfit: true, why: "the plan takes no samples", evidence: soak.PlanFile}
	}
	var got, silent int64
	for _, s := range e.Samples {
		if s.RSSBytes > 0 {
			got++
		}
		if s.MetricsErr != "" {
			silent++
		}
	}
	m := measurement{
		value:    number(100 * float64(got) / float64(expected)),
		why:      fmt.Sprintf("%s samples of the subject, %s expected", group(got), group(expected)),
		evidence: soak.SamplesFile,
	}
	if silent > 0 {
		m.why += fmt.Sprintf("; its /metrics did not answer %s times", group(silent))
	}
	return m
}

func injections(e *Evidence, _ soak.Limit) measurement {
	m := measurement{evidence: soak.PlanFile}
	kinds := map[string]int{}
	var proven int
	for _, in := range e.Plan.Injections {
		var lacks string
		switch {
		case in.Err != "":
			lacks = in.Err
		case in.Began.IsZero():
			lacks = "not begun"
		case in.Ended.IsZero():
			lacks = "not ended"
		case !in.Proven:
			lacks = "no proof that it took effect"
			if in.Evidence != "" {
				lacks += ": " + in.Evidence
			}
		default:
			proven++
			kinds[in.Kind]++
			continue
		}
		if !m.missed {
			m.missed, m.why = true, fmt.Sprintf("%s: %s", in.Name, lacks)
		}
	}
	m.value = number(proven)
	switch {
	case len(e.Plan.Injections) == 0:
		m.why = "the plan has none"
	case !m.missed:
		m.why = fmt.Sprintf("%d of %d proven, of %d kinds", proven, len(e.Plan.Injections), len(kinds))
	}
	return m
}

// cleanExit is how a subject ends that was asked to and drained.
const cleanExit = "exit status 0"

// subject is about what was tested: that it is known, and that it was one
// process from the beginning to an end of its own. A subject that ended in any
// other way has failed; one of unknown build makes a verdict about nothing.
func subject(e *Evidence, _ soak.Limit) measurement {
	m := measurement{evidence: soak.EventsFile}
	switch {
	case e.Subject.Exit == "":
		m.unfit, m.why = true, "it is not known how the subject ended"
	case e.Subject.Exit != cleanExit:
		m.missed, m.why = true, "the subject: "+e.Subject.Exit
	case e.Subject.Version == "":
		m.unfit, m.why = true, "it is not known which build of the subject was tested"
	default:
		m.why = fmt.Sprintf("%s %s, %s", e.Subject.Name, e.Subject.Version, cleanExit)
	}
	return m
}

// coverage is about what must have happened for a run to mean anything.
func coverage(e *Evidence, _ soak.Limit) measurement {
	m := measurement{evidence: soak.SamplesFile}
	reached := 0
	for _, name := range slices.Sorted(maps.Keys(e.Plan.Least)) {
		least, was := e.Plan.Least[name], e.Happened[name]
		if was < least {
			m.missed = true
			m.why += fmt.Sprintf("%s: %g, of %g; ", name, was, least)
			continue
		}
		reached++
	}
	m.value = number(reached)
	if m.why = strings.TrimSuffix(m.why, "; "); m.why == "" {
		m.why = fmt.Sprintf("all %d of the plan's counters are high enough", reached)
	}
	return m
}

func host(e *Evidence, _ soak.Limit) measurement {
	l := &e.Ledger
	return measurement{
		value:  number(max(l.ClockStep, l.PublisherLateP99)),
		missed: l.ClockStep >= clockStep || l.PublisherLateP99 >= publisherLate,
		why: fmt.Sprintf("largest clock step %s; exchange late by %s (p99), %s at most",
			lag(l.ClockStep), lag(l.PublisherLateP99), lag(l.PublisherLateMax)),
		evidence: soak.LedgerFile,
	}
}
