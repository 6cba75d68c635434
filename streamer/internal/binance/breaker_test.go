package binance

import (
	"testing"
	"time"

	"pgregory.net/rapid"
)

func TestBreaker(t *testing.T) {
	epoch := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	// What happens second by second: f a failure, s a success, any other letter
	// nothing, each after a pause of 1 s, or of 30 s where it says _.
	f := func(story string, admits bool) {
		t.Helper()
		var b breaker
		now := epoch
		for _, event := range story {
			now = now.Add(time.Second)
			switch event {
			case 'f':
				b.failed(now)
			case 's':
				b.succeeded(now)
			case '_':
				now = now.Add(breakerRest - time.Second)
			}
		}
		if got := b.admits(now); got != admits {
			t.Errorf("%s: admits %v", story, got)
		}
	}
	f("", true)
	f("ff", true)
	f("fff", false)
	f("ffsff", true)    // not in a row
	f("fffs", false)    // of a session from before
	f("fff_", true)     // half-open
	f("fff_f", false)   // at once
	f("fffff_", true)   // failures while open do not prolong it
	f("fff_sf", false)  // one success is not trusted
	f("fff_ssf", true)  // two are: closed
	f("fff_ssff", true) // and all failures forgotten
	f("fff_ssfff", false)
	f("fff_f_", true)
}

// Whatever happens, there is a URL to try; it admits unless none does; and a
// breaker that nothing happens to admits in the end.
func TestEndpoints(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		now := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
		e := newEndpoints([]string{"a", "b", "c"})
		for range rapid.IntRange(0, 60).Draw(t, "steps") {
			now = now.Add(time.Duration(rapid.IntRange(0, 40).Draw(t, "seconds")) * time.Second)
			at := e.choose(now)
			for i := range e.breakers {
				switch admits := e.breakers[i].admits(now); {
				case admits && i < at:
					t.Fatalf("URL %d admits, chosen was %d", i, at)
				case !e.breakers[at].admits(now) && e.breakers[i].openedAt.Before(e.breakers[at].openedAt):
					t.Fatalf("URL %d opened before URL %d, which was chosen", i, at)
				}
			}
			if rapid.Bool().Draw(t, "good") {
				e.breakers[at].succeeded(now)
			} else {
				e.breakers[at].failed(now)
			}
		}
		now = now.Add(breakerRest)
		if at := e.choose(now); at != 0 {
			t.Fatalf("after a rest URL %d is chosen", at)
		}
	})
}
