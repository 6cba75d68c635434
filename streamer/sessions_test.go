package streamer

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"steadfeed/fakebinance"
)

// Trouble on the wire that costs no session: what is missing, comes twice, in
// the wrong order or garbled arrives all the same, once and in order.
func TestEveryTradeArrivesInOneSession(t *testing.T) {
	f := func(name string, fault fakebinance.Fault, rejected bool) {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				r := world(t, options{})
				r.start()
				time.Sleep(20 * time.Second)
				fault.For = time.Minute
				injection, err := r.exchange.Begin(fault)
				r.must(err)
				<-injection.Done()
				if e := injection.Evidence(); !e.Proven {
					t.Errorf("the fault is not proven: %s", e.Text)
				}
				time.Sleep(time.Minute)
				if got := r.metric("binance_reconnects_total") + r.metric("binance_trades_lost_total"); got != 0 {
					t.Errorf("%v reconnects and lost trades; the log:\n%s", got, r.log)
				}
				if got := r.metric("binance_message_errors_total") > 0; got != rejected {
					t.Errorf("frames were rejected: %v, want %v", got, rejected)
				}
				r.finish(time.Minute)
			})
		})
	}
	f("gap", fakebinance.Fault{Kind: fakebinance.KindGap}, false)
	f("long gaps", fakebinance.Fault{Kind: fakebinance.KindGap, Settings: map[string]string{"every": "300", "trades": "200"}}, false)
	f("repeat", fakebinance.Fault{Kind: fakebinance.KindRepeat, Settings: map[string]string{"every": "3"}}, false)
	f("swap", fakebinance.Fault{Kind: fakebinance.KindSwap, Settings: map[string]string{"every": "5"}}, false)
	for _, form := range []string{"truncated", "zero-price", "wrong-type", "binary"} {
		f("garbled as "+form, fakebinance.Fault{Kind: fakebinance.KindGarble, Settings: map[string]string{"as": form}}, true)
	}
	f("storm of pings", fakebinance.Fault{Kind: fakebinance.KindPingStorm}, false)
}

// The exchange refuses new sessions for a while: it is left alone as long as it
// demands, and then everything that was missed is fetched.
func TestRefusedSessions(t *testing.T) {
	f := func(status int, retryAfter string, least, most time.Duration) {
		t.Run(fmt.Sprint(status, retryAfter), func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				r := world(t, options{})
				r.start()
				time.Sleep(20 * time.Second)
				refusal, err := r.exchange.Begin(fakebinance.Fault{Kind: fakebinance.KindHandshakeStatus, For: 3 * time.Second,
					Settings: map[string]string{"status": fmt.Sprint(status), "retry_after": retryAfter}})
				r.must(err)
				// Cut at once, so that the first attempt is refused.
				reset, err := r.exchange.Begin(fakebinance.Fault{Kind: fakebinance.KindReset})
				r.must(err)
				reset.End()
				began := time.Now()
				r.waitFor("connected again", most, func() bool { return r.metric("binance_connection_status") == 1 })
				<-refusal.Done()
				if e := refusal.Evidence(); !e.Proven {
					t.Errorf("the fault is not proven: %s", e.Text)
				}
				if took := time.Since(began); took < least {
					t.Errorf("back after %v, want %v at least; the log:\n%s", took, least, r.log)
				}
				r.finish(time.Minute)
			})
		})
	}
	f(429, "150", 150*time.Second, 155*time.Second)
	f(418, "", 2*time.Minute, 125*time.Second)
	f(403, "", time.Minute, 65*time.Second)
	f(451, "", time.Minute, 65*time.Second)
	f(503, "20", 20*time.Second, 25*time.Second)
}

// notMeant are the faults of the next test that are left out: what is lost for
// good would be missing, REST from another id is taken for that, a halt needs a
// source of its own, and those at the door or of REST mostly meet nobody.
var notMeant = []string{
	fakebinance.KindLost, fakebinance.KindRESTShift, fakebinance.KindHalt, fakebinance.KindRefuse, fakebinance.KindMute, fakebinance.KindTLSCut,
	fakebinance.KindCertificate, fakebinance.KindRESTStatus, fakebinance.KindRESTSlow, fakebinance.KindRESTLag, fakebinance.KindClock,
}

// Trouble of every kind at random times, with rotations between and across it.
func TestTroubleAroundRotations(t *testing.T) {
	seeds := uint64(3)
	if testing.Short() {
		seeds = 1
	}
	for seed := range seeds {
		t.Run(fmt.Sprint("seed ", seed), func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				draw := rand.New(rand.NewPCG(seed, 1))
				r := world(t, options{rate: 5, config: func(c *Config) { c.RotationInterval, c.Seed = time.Minute, seed }})
				r.start()
				time.Sleep(20 * time.Second)
				proven := 0
				for range 100 {
					kinds := slices.DeleteFunc(fakebinance.Faults(), func(k fakebinance.FaultKind) bool { return slices.Contains(notMeant, k.Name) })
					fault := fakebinance.Fault{Kind: kinds[draw.IntN(len(kinds))].Name, Target: fakebinance.TargetOpen,
						For: time.Duration(1+draw.IntN(40)) * time.Second}
					if draw.IntN(3) == 0 {
						fault.Target = fakebinance.TargetAll
					}
					injection, err := r.exchange.Begin(fault)
					r.must(err)
					<-injection.Done()
					if injection.Evidence().Proven {
						proven++
					}
					time.Sleep(time.Duration(draw.IntN(60)) * time.Second)
				}
				if proven < 70 {
					t.Errorf("only %d of 100 faults are proven", proven)
				}
				r.waitFor("connected", 5*time.Minute, func() bool { return r.metric("binance_connection_status") == 1 })
				time.Sleep(2 * time.Minute) // a stream that was silent on the session is heard on the next
				if rotations := r.metric("binance_connection_rotations_total"); rotations < 30 {
					t.Errorf("%v rotations", rotations)
				}
				if lost := r.metric("binance_trades_lost_total"); lost != 0 {
					t.Errorf("%v trades lost; the log:\n%s", lost, r.log)
				}
				r.finish(2 * time.Minute)
			})
		})
	}
}

// One symbol's stream falls silent on a session that goes on. Until the lanes
// find that out, its trades come with the next session.
func TestSilentStreamEndsWithRotation(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := world(t, options{config: func(c *Config) { c.RotationInterval = 5 * time.Minute }})
		r.start()
		time.Sleep(time.Minute)
		injection, err := r.exchange.Begin(fakebinance.Fault{Kind: fakebinance.KindSilentStream, Settings: map[string]string{"symbol": "ETHUSDT"}})
		r.must(err)
		time.Sleep(5 * time.Minute)
		if e := injection.End(); !e.Proven || !strings.Contains(e.Text, "withheld") {
			t.Errorf("the fault is not proven: %s", e.Text)
		}
		r.rotations("scheduled", 1)
		r.finish(time.Minute)
	})
}

// REST answers from some ids later than it is asked for, while trades are
// missing on the stream: it has them all the same, and nothing is lost.
func TestAHistoryThatIsSomeIDsOff(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := world(t, options{})
		r.start()
		time.Sleep(20 * time.Second)
		shift, err := r.exchange.Begin(fakebinance.Fault{Kind: fakebinance.KindRESTShift, For: 40 * time.Second})
		r.must(err)
		gaps, err := r.exchange.Begin(fakebinance.Fault{Kind: fakebinance.KindGap, For: 30 * time.Second})
		r.must(err)
		<-gaps.Done()
		<-shift.Done()
		if e := shift.Evidence(); !e.Proven {
			t.Errorf("the fault is not proven: %s", e.Text)
		}
		if lost := r.metric("binance_trades_lost_total"); lost != 0 {
			t.Errorf("%v trades declared lost; the log:\n%s", lost, r.log)
		}
		r.finish(time.Minute)
	})
}
