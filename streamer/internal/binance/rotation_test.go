package binance

import (
	"context"
	"errors"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"steadfeed/fakebinance"
)

// one is a bench with one exchange, connected.
func one(t *testing.T, change func(*Options)) (*bench, *fakebinance.Server) {
	t.Helper()
	return connected(t, newBench(t, 1, change))
}

// calm is the same with few trades, for long times.
func calm(t *testing.T, change func(*Options)) (*bench, *fakebinance.Server) {
	t.Helper()
	b := newBench(t, 1, change)
	b.trade(0.2)
	return connected(t, b)
}

func connected(t *testing.T, b *bench) (*bench, *fakebinance.Server) {
	t.Helper()
	s, w := b.exchange(true)
	b.serve("a", w)
	b.serve("rest", w)
	b.run()
	b.waitFor("connected", time.Minute, func() bool { return b.feed.Connected() && open(s) == 1 })
	return b, s
}

// begin starts a fault that lasts until the test ends it.
func (b *bench) begin(s *fakebinance.Server, kind string, settings map[string]string, target string) *fakebinance.Injection {
	b.t.Helper()
	injection, err := s.Begin(fakebinance.Fault{Kind: kind, Target: target, Settings: settings})
	if err != nil {
		b.t.Fatal(err)
	}
	return injection
}

func TestScheduled(t *testing.T) {
	start := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	const interval = 4 * time.Hour
	shifts := map[time.Duration]bool{}
	for group := range 3 {
		for k := int64(1); k < 1000; k++ {
			at := scheduled(start, interval, 7, group, k)
			shift := at.Sub(start) - time.Duration(k)*interval
			if shift.Abs() > interval/20 {
				t.Fatalf("instant %d of group %d is off by %v", k, group, shift)
			}
			shifts[shift] = true
			if again := scheduled(start, interval, 7, group, k); again != at {
				t.Fatal("the same seed gives another schedule")
			}
		}
	}
	if len(shifts) < 2900 {
		t.Errorf("only %d different shifts of 2997", len(shifts))
	}
	if scheduled(start, interval, 7, 0, 1) == scheduled(start, interval, 8, 0, 1) {
		t.Error("another seed gives the same schedule")
	}
}

// A day: as many rotations as the schedule has instants, however long each
// takes, none of them a reconnect, no trade missed, and the old session closed
// in order.
func TestRotationDay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b, s := calm(t, func(o *Options) { o.RotationInterval = 4 * time.Hour })
		time.Sleep(24*time.Hour + 13*time.Minute) // beyond the latest instant of the sixth
		if got := b.rotations(RotationScheduled); got != 6 || b.reconnects() != 0 || b.missing() != 0 {
			t.Errorf("%v rotations, %v reconnects, %d trades missing; the log:\n%s", got, b.reconnects(), b.missing(), b.log)
		}
		for _, end := range ends(s) {
			if end != "client: close frame 1000" {
				t.Errorf("a session ended by %s", end)
			}
		}
		if open(s) != 1 {
			t.Errorf("%d sessions open", open(s))
		}
	})
}

// At the age limit a session is replaced also when no interval is set.
func TestRotationByAge(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b, s := calm(t, nil)
		time.Sleep(ageLimit - time.Minute)
		if b.rotations("") != 0 {
			t.Error("rotated before its time")
		}
		time.Sleep(2 * time.Minute)
		if got := b.rotations(RotationAge); got != 1 || b.missing() != 0 || open(s) != 1 {
			t.Errorf("%v rotations, %d trades missing, %d sessions open; the log:\n%s", got, b.missing(), open(s), b.log)
		}
	})
}

// A server that announces its end is left before it comes, and its session is
// read as long as it lives.
func TestRotationOnShutdown(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b, s := one(t, nil)
		time.Sleep(time.Minute)
		injection := b.begin(s, fakebinance.KindServerShutdown, map[string]string{"notice": "1m"}, "")
		time.Sleep(50 * time.Second)
		if got := b.rotations(RotationShutdown); got != 1 || b.reconnects() != 0 || b.missing() != 0 || open(s) != 1 {
			t.Errorf("%v rotations, %v reconnects, %d trades missing, %d open; the log:\n%s", got, b.reconnects(), b.missing(), open(s), b.log)
		}
		injection.End()
		// One that leaves at once is left behind too: the new session is open
		// before it is known to be complete.
		injection = b.begin(s, fakebinance.KindServerShutdown, map[string]string{"notice": "100ms"}, "")
		time.Sleep(30 * time.Second)
		injection.End()
		if got := b.rotations(RotationShutdown); got != 2 || b.reconnects() != 0 || b.missing() != 0 || !b.feed.Connected() {
			t.Errorf("%v rotations, %v reconnects, %d trades missing; the log:\n%s", got, b.reconnects(), b.missing(), b.log)
		}
	})
}

// quiet is a source on which one symbol is traded no more after an instant.
type quiet struct {
	fakebinance.Source
	symbol string
	after  int64 // Unix microseconds
}

func (q quiet) Trade(symbol string, id int64) fakebinance.Trade {
	t := q.Source.Trade(symbol, id)
	if symbol == q.symbol && t.EventAt > q.after {
		t.EventAt += 1e6 * 3600 * 24 * 365
		t.TradedAt += 1e6 * 3600 * 24 * 365
	}
	return t
}

// A stream on which nothing is traded does not keep a rotation from being
// finished: the exchange says so. While it can't be asked, both sessions stay.
func TestRotationWithQuietStream(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var away atomic.Bool
		var asked atomic.Int64
		b := newBench(t, 1, func(o *Options) {
			newest := o.Newest
			o.RotationInterval = time.Hour
			o.Newest = func(ctx context.Context, slot int) (Trade, bool, error) {
				asked.Add(1)
				if away.Load() {
					return Trade{}, false, errors.New("away")
				}
				return newest(ctx, slot)
			}
		})
		b.source = quiet{b.source, "ETHUSDT", time.Now().Add(10 * time.Minute).UnixMicro()}
		s, w := b.exchange(true)
		b.serve("a", w)
		b.serve("rest", w)
		b.run()
		time.Sleep(64 * time.Minute)
		if got := b.rotations(RotationScheduled); got != 1 || asked.Load() != 1 || open(s) != 1 {
			t.Errorf("%v rotations, asked %d times, %d sessions open; the log:\n%s", got, asked.Load(), open(s), b.log)
		}
		away.Store(true)
		time.Sleep(70 * time.Minute)
		if got := b.rotations(RotationScheduled); got != 1 || open(s) != 2 || !b.feed.Overlapping(1) {
			t.Errorf("the exchange can't be asked: %v rotations, %d sessions open", got, open(s))
		}
		away.Store(false)
		time.Sleep(10 * time.Second)
		if got := b.rotations(RotationScheduled); got != 2 || open(s) != 1 || b.feed.Overlapping(1) || b.missing() != 0 || b.reconnects() != 0 {
			t.Errorf("%v rotations, %d sessions open, %d trades missing; the log:\n%s", got, open(s), b.missing(), b.log)
		}
	})
}

// A new session on which a stream stays silent though the symbol is traded is
// the bad one: the old one stays. When that ends all the same, what there is
// takes over.
func TestRotationToBadSession(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b, s := one(t, func(o *Options) { o.RotationInterval = 20 * time.Minute })
		injection := b.begin(s, fakebinance.KindSilentStream, map[string]string{"symbol": "ETHUSDT", "sessions": "new"}, fakebinance.TargetAll)
		time.Sleep(40 * time.Minute)
		old := s.Ledger().Sessions()[0]
		if got := b.rotations(""); got != 0 || !old.Closed.IsZero() || b.missing() != 0 || !b.feed.Connected() {
			t.Errorf("%v rotations, the old session %+v, %d trades missing; the log:\n%s", got, old, b.missing(), b.log)
		}
		if tried := len(s.Ledger().Sessions()) - 1; tried < 3 || tried > 12 {
			t.Errorf("%d new sessions were tried", tried)
		}
		if !strings.Contains(b.log.String(), "misses trades") || !strings.Contains(b.log.String(), "symbol=ETHUSDT") {
			t.Errorf("the log does not say what is wrong:\n%s", b.log)
		}
		injection.End()
		time.Sleep(15 * time.Minute)
		if got := b.rotations(RotationScheduled); got != 1 || b.reconnects() != 0 || open(s) != 1 || b.missing() != 0 {
			t.Errorf("healed: %v rotations, %v reconnects, %d open, %d trades missing; the log:\n%s", got, b.reconnects(), open(s), b.missing(), b.log)
		}
	})
}

// The old session breaks while the new one is not known to be complete: the new
// one carries on at once.
func TestRotationWhenOldBreaks(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b, s := one(t, nil)
		silent := b.begin(s, fakebinance.KindSilentStream, map[string]string{"symbol": "ETHUSDT", "sessions": "new"}, fakebinance.TargetAll)
		b.feed.Suspect(1)
		b.waitFor("overlapping", time.Minute, func() bool { return b.feed.Overlapping(0) })
		silent.End()
		for _, link := range b.network.Links()[:1] {
			link.Reset()
		}
		time.Sleep(100 * time.Millisecond)
		if !b.feed.Connected() || b.feed.Overlapping(0) || open(s) != 1 || b.reconnects() != 1 || b.rotations(RotationSilent) != 1 {
			t.Errorf("connected %v, overlapping %v, %d open, %v reconnects; the log:\n%s", b.feed.Connected(), b.feed.Overlapping(0), open(s), b.reconnects(), b.log)
		}
	})
}

// A suspicion has the session replaced, once in a while.
func TestSuspect(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b, s := one(t, nil)
		b.begin(s, fakebinance.KindSilentStream, map[string]string{"symbol": "BNBUSDT"}, "")
		time.Sleep(time.Minute)
		for range 240 { // for four minutes
			b.feed.Suspect(2)
			time.Sleep(time.Second)
		}
		if got := b.rotations(RotationSilent); got != 1 || b.reconnects() != 0 || open(s) != 1 {
			t.Errorf("%v rotations, %v reconnects, %d open; the log:\n%s", got, b.reconnects(), open(s), b.log)
		}
		time.Sleep(2 * time.Minute)
		b.feed.Suspect(2)
		time.Sleep(time.Minute)
		if got := b.rotations(RotationSilent); got != 2 {
			t.Errorf("%v rotations, want another after a while; the log:\n%s", got, b.log)
		}
	})
}
