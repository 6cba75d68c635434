package fakebinance

import (
	"slices"
	"testing"
	"time"
)

// Only the sessions that are meant lose trades, and only those of the stream.
func TestFaultTargets(t *testing.T) {
	f := func(target string, meant func(n int, symbol string) bool) {
		t.Helper()
		bySymbols(t, func(t *testing.T, b *faultBench) {
			var ends []func() seen
			open := func() {
				ends = append(ends, b.collect("/ws/btcusdt@trade/ethusdt@trade"))
				time.Sleep(time.Second) // numbered in this order
			}
			open()
			open()
			injection := b.begin(Fault{Kind: KindGap, Target: target})
			open()
			time.Sleep(time.Minute)
			if e := injection.End(); !e.Proven {
				t.Errorf("%s: %+v", target, e)
			}
			for n, end := range ends {
				for symbol, ids := range end().ids {
					if missing, _, _ := oddities(ids); missing > 0 != meant(n+1, symbol) {
						t.Errorf("%s: session %d misses %d of %s", target, n+1, missing, symbol)
					}
				}
			}
		})
	}
	f("session:2", func(n int, _ string) bool { return n == 2 })
	f("stream:ethusdt@trade", func(_ int, symbol string) bool { return symbol == "ETHUSDT" })
	f("share:1", func(int, string) bool { return true })
	f(TargetOpen, func(n int, _ string) bool { return n <= 2 })
	f(TargetAll, func(int, string) bool { return true })
}

// A share is drawn by the seed: the same seed means the same sessions.
func TestFaultShare(t *testing.T) {
	draw := func(seed uint64) (meant [40]bool, count int) {
		s := newTestServer(t, Options{Source: newTestMarket(t, 0, "BTCUSDT"), Seed: seed})
		defer s.Close()
		injection, err := s.Begin(Fault{Kind: KindSilent, Target: "share:0.3"})
		if err != nil {
			t.Fatal(err)
		}
		for n := range meant {
			if meant[n] = injection.meets(nil); meant[n] {
				count++
			}
		}
		return meant, count
	}
	one, count := draw(1)
	if again, _ := draw(1); again != one {
		t.Error("the same seed means other sessions")
	}
	if other, _ := draw(2); other == one {
		t.Error("another seed means the same sessions")
	}
	if count < 5 || count > 20 {
		t.Errorf("%d of 40 sessions meant by a share of 0.3", count)
	}
}

// Of sessions that are open already the same ones are met again: a lot does not
// depend on the order in which they are kept.
func TestFaultShareOfOpenSessions(t *testing.T) {
	draw := func(seed uint64) (met []int64) {
		s := newTestServer(t, Options{Source: newTestMarket(t, 0, "BTCUSDT"), Seed: seed})
		defer s.Close()
		const sessions = 30
		for range sessions {
			dial(t, s, "/ws/btcusdt@trade") // numbered in this order
		}
		eventually(t, "all sessions", func() bool { return s.status().Sessions == sessions })
		injection, err := s.Begin(Fault{Kind: KindSilent, Target: "share:0.5"})
		if err != nil {
			t.Fatal(err)
		}
		injection.mu.Lock()
		defer injection.mu.Unlock()
		for _, session := range injection.targets {
			met = append(met, session.n)
		}
		slices.Sort(met)
		return met
	}
	one := draw(1)
	if again := draw(1); !slices.Equal(again, one) {
		t.Errorf("the same seed met %v, then %v", one, again)
	}
	if other := draw(2); slices.Equal(other, one) {
		t.Errorf("another seed met the same, %v", one)
	}
}
