package reports

import (
	"testing"
	"time"

	"steadfeed/soak"
)

// A rotation is no reconnect, whether an injection was on or not; a cut is.
func TestReconnectsInTheReport(t *testing.T) {
	at := func(s int) time.Time { return time.Date(2026, 3, 1, 0, 0, s, 0, time.UTC) }
	in := soak.Injection{Name: "1-server-shutdown", Began: at(10), Ended: at(20)}
	f := func(what string, s soak.Session, reconnects string, unaccounted bool) {
		t.Helper()
		s.N, s.Opened, s.Closed = 1, at(0), at(12)
		l := &soak.Ledger{
			Began: at(0), Ended: at(60), Windows: []soak.Window{{Injection: in.Name, CaughtUp: true}},
			Sessions: []soak.Session{s, {N: 2, Opened: at(11)}},
		}
		b := &builder{e: &evidence{ledger: l}}
		var row injectionRow
		b.measure(&row, in)
		if row.Reconnects.Measured != reconnects || row.Reconnects.Over != (reconnects != "0") {
			t.Errorf("%s: %+v reconnects of none declared, want %s", what, row.Reconnects, reconnects)
		}
		if unplanned(l, s) != unaccounted {
			t.Errorf("%s: unplanned is %v", what, !unaccounted)
		}
	}
	rotated, cut := soak.Session{EndedBy: "client", Reason: "close frame 1000"}, soak.Session{EndedBy: "client", Reason: "read: EOF"}
	f("a rotation by itself", rotated, "0", false)
	f("a cut by itself", cut, "0", true)
	rotated.During, cut.During = in.Name, in.Name
	f("a rotation in an injection", rotated, "0", false)
	f("a cut in an injection", cut, "1", false)
}
