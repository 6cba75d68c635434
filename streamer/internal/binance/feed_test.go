package binance

import (
	"context"
	"net"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"steadfeed/fakebinance"
)

// Each kind of trouble on the first URL: the next one serves meanwhile, and the
// first again at the next rotation after it has healed.
func TestFailover(t *testing.T) {
	f := func(name string, within time.Duration, trouble func(b *bench) way) {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b := newBench(t, 2, func(o *Options) { o.RotationInterval = 10 * time.Minute })
				best, toBest := b.exchange(true)
				next, toNext := b.exchange(true)
				b.serve("a", trouble(b))
				b.serve("b", toNext)
				b.serve("rest", toNext)
				b.run()
				b.waitFor("served by the next URL", within, func() bool { return open(next) == 1 && b.feed.Connected() })
				time.Sleep(time.Minute)
				b.serve("a", toBest)
				b.waitFor("served by the first URL again", 11*time.Minute, func() bool { return open(best) == 1 && open(next) == 0 })
				if b.reconnects() != 0 || b.rotations(RotationScheduled) != 1 || b.missing() != 0 {
					t.Errorf("%v reconnects, %v rotations, %d trades missing; the log:\n%s", b.reconnects(), b.rotations(RotationScheduled), b.missing(), b.log)
				}
			})
		})
	}
	f("no such name", 15*time.Second, func(*bench) way { return nil })
	f("refused", 15*time.Second, func(b *bench) way {
		return func(ctx context.Context) (net.Conn, error) { return b.network.Dial(ctx, "tcp", "127.0.0.1:1") }
	})
	f("reset", 15*time.Second, func(b *bench) way {
		return b.accept(func(net.Conn) { b.network.Links()[len(b.network.Links())-1].Reset() })
	})
	f("an unknown authority", 15*time.Second, func(b *bench) way {
		_, w := b.exchange(false)
		return w
	})
	f("accepted and silent", 50*time.Second, func(b *bench) way { return b.accept(func(net.Conn) {}) })
}

// A server that opens sessions and says nothing on them counts as one that
// fails.
func TestFailoverFromSilence(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, 2, nil)
		mute, toMute := b.exchange(true)
		next, toNext := b.exchange(true)
		b.serve("a", toMute)
		b.serve("b", toNext)
		b.serve("rest", toNext)
		if _, err := mute.Begin(fakebinance.Fault{Kind: fakebinance.KindStall, Target: fakebinance.TargetAll}); err != nil {
			t.Fatal(err)
		}
		b.run()
		b.waitFor("served by the next URL", 2*time.Minute, func() bool { return open(next) == 1 })
		if got := b.counted("binance_reconnects_total", "silent"); got != 3 {
			t.Errorf("%v sessions ended as silent, want 3; the log:\n%s", got, b.log)
		}
	})
}

// With every URL away, attempts go on for ever, ever more slowly, and a feed of
// many groups stays below what the exchange allows to one address.
func TestNeverGivesUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, 2, nil)
		b.run()
		time.Sleep(24 * time.Hour)
		b.mu.Lock()
		tried := len(b.dials)
		b.mu.Unlock()
		// Half a minute on average.
		if tried < 2400 || tried > 3600 {
			t.Errorf("%d attempts in a day", tried)
		}
		s, w := b.exchange(true)
		b.serve("b", w)
		b.waitFor("back", 3*time.Minute, func() bool { return open(s) == 1 })
	})
}

func TestConnectLimit(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := NewFeed(Options{Symbols: benchSymbols})
		var at []time.Time
		for len(at) < 2000 {
			if err := f.connects.Wait(t.Context()); err != nil {
				t.Fatal(err)
			}
			at = append(at, time.Now())
		}
		for i := range at {
			if j := i + connectsPerWindow; j < len(at) && at[j].Sub(at[i]) < connectWindow {
				t.Fatalf("attempts %d to %d are within %v", i, j, at[j].Sub(at[i]))
			}
		}
		if rate := float64(len(at)) / time.Since(at[0]).Minutes(); rate < 45 {
			t.Errorf("%v attempts a minute only", rate)
		}
	})
}

// What a close frame says is logged, and obeyed.
func TestPenalty(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b, s := one(t, nil)
		time.Sleep(time.Minute)
		b.begin(s, fakebinance.KindClose, map[string]string{"code": "1008", "reason": "Too many requests"}, "").End()
		began := time.Now()
		b.waitFor("cut", time.Second, func() bool { return !b.feed.Connected() })
		b.waitFor("back", 3*time.Minute, b.feed.Connected)
		if took := time.Since(began); took < penaltyPause {
			t.Errorf("back after %v", took)
		}
		for _, want := range []string{"level=WARN", "code=1008", `reason="Too many requests"`, "we sent too much"} {
			if !strings.Contains(b.log.String(), want) {
				t.Errorf("the log lacks %s:\n%s", want, b.log)
			}
		}
	})
}

// A storm of pings is answered by one pong to the newest, and nothing that we
// send comes too fast for the exchange.
func TestPingStorm(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, 1, func(o *Options) { o.PingInterval = 30 * time.Second })
		s, w := b.exchange(true)
		b.serve("a", w)
		b.run()
		b.waitFor("connected", time.Minute, func() bool { return open(s) == 1 })
		for range 20 {
			time.Sleep(59 * time.Second)
			for range 10 {
				injection, err := s.Begin(fakebinance.Fault{Kind: fakebinance.KindPingStorm})
				if err != nil {
					t.Fatal(err)
				}
				time.Sleep(100 * time.Millisecond)
				injection.End()
			}
		}
		time.Sleep(time.Minute)
		record := s.Ledger().Sessions()[0]
		if !record.Closed.IsZero() || record.PongTimeouts != 0 || record.PingsSent < 10000 || record.PongsGot < 100 || record.PongsGot > 20*8+90 {
			t.Errorf("%+v", record)
		}
	})
}
