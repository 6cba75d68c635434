package judge

import (
	"testing"
	"time"

	"steadfeed/soak"
)

// Memory is judged of the process that is there at the end, from its own age.
func TestSettledCountsFromTheLastDeath(t *testing.T) {
	began := time.Date(2026, 7, 1, 12, 0, 0, 0, time.UTC)
	e := &Evidence{Samples: []soak.Sample{{At: began}}}
	f := func(want time.Time, injections ...soak.Injection) {
		t.Helper()
		e.Plan.Injections = injections
		if got := settled(e); !got.Equal(want) {
			t.Errorf("settled at %s, want %s", got, want)
		}
	}
	f(time.Time{})
	e.Plan.Settle = soak.Duration(30 * time.Minute)
	f(began.Add(30 * time.Minute))
	f(began.Add(30*time.Minute), soak.Injection{Fault: "stall", Ended: began.Add(time.Hour)})
	f(began.Add(90*time.Minute), soak.Injection{Fault: "kill", Ended: began.Add(time.Hour)}, soak.Injection{Fault: "kill"})
}
