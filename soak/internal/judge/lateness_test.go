package judge

import (
	"testing"
	"time"

	"steadfeed/soak"
)

// What an injection is owed: time to catch up after its grace, and as much more
// of a pause as it lasted longer than planned.
func TestInjectionsAreOwed(t *testing.T) {
	limit := soak.Limit{ID: "catchup", Max: number(30)}
	in := soak.Injection{Name: "1-x", For: soak.Duration(4 * time.Second), Disturbance: soak.Disturbance{
		Pause: soak.Duration(10 * time.Second), Grace: soak.Duration(20 * time.Second),
	}}
	in.Began = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	f := func(lasted time.Duration, longest, caughtUp float64, paused, late bool) {
		t.Helper()
		in.Ended = in.Began.Add(lasted)
		e := &Evidence{Plan: soak.Plan{Injections: []soak.Injection{in}}, Ledger: soak.Ledger{
			Windows: []soak.Window{{Injection: in.Name, LongestPause: longest, CatchUp: caughtUp, CaughtUp: true}},
		}}
		if m := pause(e, soak.Limit{}); m.missed != paused {
			t.Errorf("pause of %g s after %s: %+v", longest, lasted, m)
		}
		if m := catchUp(e, limit); exceeds(*m.value, limit) != late {
			t.Errorf("caught up after %g s: %+v", caughtUp, m)
		}
	}
	f(4*time.Second, 10, 50, false, false)
	f(4*time.Second, 10.1, 50.1, true, true)
	f(4500*time.Millisecond, 10.4, 0, true, false) // timers are that late
	f(40*time.Second, 46, 0, false, false)
	f(40*time.Second, 46.1, 0, true, false)
}
