package judge

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"steadfeed/soak"
)

var start = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

// rotating is the evidence of a subject that rotates each ten minutes for an
// hour, keeping the old session for two seconds.
func rotating() Evidence {
	e := Evidence{Plan: soak.Plan{
		Subject:    soak.Subject{Settings: map[string]string{rotationSetting: "10m"}},
		Injections: []soak.Injection{{Name: "1-reset", Disturbance: soak.Disturbance{Reconnects: 1}}},
	}}
	e.Ledger.Began, e.Ledger.Ended = start, start.Add(62*time.Minute)
	for n := range 7 {
		opened := start.Add(time.Duration(n) * 10 * time.Minute)
		e.Ledger.Sessions = append(e.Ledger.Sessions, soak.Session{
			N: int64(n + 1), Opened: opened, Closed: opened.Add(10*time.Minute + 2*time.Second),
			EndedBy: "client", Reason: "close frame 1000", Streams: 3,
		})
	}
	e.Ledger.Sessions[6].Closed = e.Ledger.Ended.Add(time.Second)
	return e
}

func TestRotations(t *testing.T) {
	f := func(what string, own, excess float64, rotationsMissed bool, change func(*Evidence)) {
		t.Helper()
		e := rotating()
		change(&e)
		r, c := rotations(&e, soak.Limit{}), reconnects(&e, soak.Limit{})
		if r.value == nil || *r.value != own || r.missed != rotationsMissed || c.value == nil || *c.value != excess {
			t.Errorf("%s: rotations %+v (%s), reconnects %+v (%s)", what, deref(r.value), r.why, deref(c.value), c.why)
		}
	}
	f("on schedule", 6, 0, false, func(*Evidence) {})
	f("two left out", 4, 0, true, func(e *Evidence) {
		e.Ledger.Sessions = slices.Delete(e.Ledger.Sessions, 3, 5)
		e.Ledger.Sessions[2].Closed = e.Ledger.Sessions[3].Opened.Add(2 * time.Second)
	})
	f("breaks before it makes", 5, 1, true, func(e *Evidence) {
		e.Ledger.Sessions[2].Closed = e.Ledger.Sessions[3].Opened.Add(-time.Second)
	})
	f("later each time", 5, 0, true, func(e *Evidence) { // 40 s, of 30 that the jitter and 30 that a rotation may take
		for i := range e.Ledger.Sessions {
			drift := time.Duration(i) * 40 * time.Second
			e.Ledger.Sessions[i].Opened = e.Ledger.Sessions[i].Opened.Add(drift)
			e.Ledger.Sessions[i].Closed = e.Ledger.Sessions[i].Closed.Add(drift + 40*time.Second)
		}
	})
	f("too many", 7, 0, true, func(e *Evidence) {
		extra := e.Ledger.Sessions[5]
		extra.N, extra.Opened, extra.Closed = 6, extra.Opened.Add(time.Minute), extra.Closed.Add(-time.Minute)
		e.Ledger.Sessions[6].N = 8
		e.Ledger.Sessions[6].Opened = extra.Opened.Add(2 * time.Minute)
		e.Ledger.Sessions = append(e.Ledger.Sessions, extra)
	})
	f("one in an injection's window", 5, 0, false, func(e *Evidence) { e.Ledger.Sessions[3].During = "1-reset" })
	f("cut by the exchange", 5, 1, true, func(e *Evidence) {
		e.Ledger.Sessions[3].EndedBy, e.Ledger.Sessions[3].Reason = "server", "Pong timeout"
	})
	e := rotating()
	e.Plan.Subject.Settings = nil // each four hours: none is due
	if r := rotations(&e, soak.Limit{}); !r.missed {
		t.Errorf("six rotations where none is due: %+v", r)
	}
}

// A fault that meets a subject in the midst of a rotation ends two sessions,
// and causes one reconnect.
func TestBothSessionsOfARotationEnded(t *testing.T) {
	f := func(closed time.Duration, excess float64) {
		t.Helper()
		e := rotating()
		at := e.Ledger.Sessions[4].Opened.Add(time.Second)
		for i, after := range []time.Duration{0, closed} {
			s := &e.Ledger.Sessions[3+i]
			s.Closed, s.EndedBy, s.Reason, s.During = at.Add(after), "fault", "1001", "1-reset"
		}
		e.Ledger.Sessions[5].Opened = at.Add(time.Second)
		if m := reconnects(&e, soak.Limit{}); *m.value != excess {
			t.Errorf("the second closed %s after the first: %g too many (%s)", closed, *m.value, m.why)
		}
	}
	f(0, 0)
	f(30*time.Second, 0)
	f(-time.Second/2, 1) // the first was alone when it ended
}

// Of a flood of pings one need be answered; of others all but the last.
func TestPingsThatNeedNoAnswer(t *testing.T) {
	f := func(fault string, unanswered float64) {
		t.Helper()
		e := rotating()
		e.Plan.Injections[0].Fault = fault
		e.Plan.Injections[0].Began, e.Plan.Injections[0].Ended = start.Add(12*time.Minute), start.Add(13*time.Minute)
		for i := range e.Ledger.Sessions {
			e.Ledger.Sessions[i].PingsSent, e.Ledger.Sessions[i].PongsGot = 30, 30
		}
		e.Ledger.Sessions[1].PingsSent = 79
		if m := pings(&e, soak.Limit{}); *m.value != unanswered {
			t.Errorf("%s: %g unanswered (%s)", fault, *m.value, m.why)
		}
	}
	f("ping-storm", 0)
	f("half-open", 44) // a minute's pings may be held back
	f("reset", 48)
}

func deref(v *float64) string {
	if v == nil {
		return "none"
	}
	return fmt.Sprint(*v)
}

// What a killed process had counted counts, and a counter that stayed too low
// makes a run inconclusive.
func TestCoverage(t *testing.T) {
	e := Evidence{Plan: soak.Plan{Least: map[string]float64{"rotations": 5, "fenced": 1}}}
	for _, n := range []float64{0, 2, 3, 1, 2} { // the process was replaced after the third reading
		e.count(map[string]float64{"rotations": n, "other": 100})
	}
	m := coverage(&e, soak.Limit{})
	if !m.missed || *m.value != 1 || m.why != "fenced: 0, of 1" {
		t.Errorf("%+v, %v", m, *m.value)
	}
	e.count(map[string]float64{"fenced": 1})
	if m := coverage(&e, soak.Limit{}); m.missed {
		t.Errorf("%+v", m)
	}
}
