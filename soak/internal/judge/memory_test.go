package judge

import (
	"strings"
	"testing"
	"time"

	"steadfeed/soak"
)

// retaining is the evidence of a phase of events, a rotation in 20 s and a
// reading a second, of a subject that retains some KiB of each.
func retaining(t *testing.T, events int, retainedKiB float64, readings bool) Evidence {
	t.Helper()
	began := time.Date(2026, 3, 1, 0, 0, 0, 0, time.UTC)
	length := time.Duration(events+1) * 20 * time.Second
	e, _ := judged(t, "good")
	e.Plan.Phases = []soak.Phase{{Name: soak.PhaseEvents, For: soak.Duration(length), Events: soak.Duration(20 * time.Second)}}
	e.Samples, e.Ledger.Sessions = nil, nil
	e.Ledger.Began, e.Ledger.Ended = began, began.Add(length)
	for n := range events {
		e.Ledger.Sessions = append(e.Ledger.Sessions, soak.Session{N: int64(n + 1), Opened: began, Closed: began.Add(time.Duration(n+1) * 20 * time.Second)})
	}
	for s := range int(length.Seconds()) {
		live := 4e6 + retainedKiB*kibibyte*float64(s/20) + 1e5*float64(s%4)
		if s < 20 {
			live += 1.5e6 // what a young process gives back is nobody's doing
		}
		if !readings {
			live = 0
		}
		e.Samples = append(e.Samples, soak.Sample{At: began.Add(time.Duration(s) * time.Second), Phase: soak.PhaseEvents, RSSBytes: 30e6, HeapLiveBytes: int64(live)})
	}
	return e
}

// What a rotation retains is convicted and acquitted by the whole interval; a
// limit counts resident memory, twice what is retained.
func TestMemoryPerRotation(t *testing.T) {
	f := func(what string, e Evidence, want soak.Outcome, why string) {
		t.Helper()
		limit := 128.0
		c, _ := find("memory.growth_per_event")
		check := apply(&e, c, soak.Limit{ID: c.id, Role: soak.Gate, Max: &limit})
		if check.Outcome != want || !strings.Contains(check.Why, why) {
			t.Errorf("%s: %s, %q; want %s, %q", what, check.Outcome, check.Why, want, why)
		}
		if known := check.Observed != nil; known && (check.Low == nil || check.High == nil || *check.Low > *check.Observed || *check.High < *check.Observed) {
			t.Errorf("%s: no interval about the figure", what)
		}
	}
	f("a clean subject", retaining(t, 30, 0, true), soak.Pass, "a month's rotations")
	f("48 KiB a rotation", retaining(t, 30, 48, true), soak.Pass, "for each of 29 ends")
	f("256 KiB a rotation", retaining(t, 30, 256, true), soak.Fail, "by 30 levels")
	f("58 KiB a rotation", retaining(t, 30, 58, true), soak.Inconclusive, "straddles the limit")
	f("80 KiB a rotation, behind a drop", retaining(t, 30, 80, true), soak.Fail, "+160.0 KiB")
	f("100 KiB of few rotations", withNoise(retaining(t, 7, 100, true)), soak.Inconclusive, "straddles the limit")
	f("no rotation", retaining(t, 0, 0, true), soak.Inconclusive, "0 sessions ended")
	f("no live heap", retaining(t, 30, 0, false), soak.Inconclusive, "read too seldom")
}

// withNoise lets every other stretch between two rotations hold more.
func withNoise(e Evidence) Evidence {
	for i := range e.Samples {
		if i/20%2 == 1 {
			e.Samples[i].HeapLiveBytes += 3e5
		}
	}
	return e
}
