package streamer

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"steadfeed/fakebinance"
)

func TestEveryTradeArrives(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := world(t, options{})
		r.start()
		time.Sleep(5 * time.Minute)
		if r.metric("binance_reconnects_total") != 0 {
			t.Error("a session ended on a quiet wire")
		}
		r.finish(10 * time.Second)
	})
}

// Each fault of the exchange, with the reason that the streamer must give for
// the end of its session, and the time within which it must have noticed.
func TestEveryTradeArrivesThrough(t *testing.T) {
	f := func(name string, fault fakebinance.Fault, reason string, within time.Duration) {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			pings := 10 * time.Minute
			if reason == "no_pong" {
				pings = 30 * time.Second
			}
			synctest.Test(t, func(t *testing.T) {
				r := world(t, options{config: func(c *Config) { c.PingInterval, c.PongTimeout = pings, 5*time.Second }})
				r.start()
				time.Sleep(20 * time.Second)
				injection, err := r.exchange.Begin(fault)
				r.must(err)
				series := fmt.Sprintf("binance_reconnects_total{reason=%q}", reason)
				if reason != "" {
					r.waitFor("reconnecting", within, func() bool { return r.metric(series) == 1 })
				}
				<-injection.Done()
				if e := injection.Evidence(); !e.Proven {
					t.Errorf("the fault is not proven: %s", e.Text)
				}
				time.Sleep(time.Minute)
				r.finish(30 * time.Second)
				if lost := strings.Contains(r.log.String(), "trades lost"); lost {
					t.Errorf("trades were declared lost:\n%s", r.log)
				}
				if reason == "" && strings.Contains(r.log.String(), "session ended: read") {
					t.Errorf("the session did not survive:\n%s", r.log)
				}
			})
		})
	}
	f("reset", fakebinance.Fault{Kind: "reset", Target: "open", For: time.Second}, "read", 2*time.Second)
	f("silent close", fakebinance.Fault{Kind: "silent-close", Target: "open", For: time.Second}, "read", 2*time.Second)
	f("close frame", fakebinance.Fault{Kind: "close", Target: "open", For: time.Second, Settings: map[string]string{"code": "1008", "reason": "Pong timeout"}}, "closed", 2*time.Second)
	f("no pong", fakebinance.Fault{Kind: "no-pong", Target: "open", For: 40 * time.Second}, "no_pong", 36*time.Second)
	f("stall", fakebinance.Fault{Kind: "stall", Target: "open", For: 40 * time.Second}, "silent", 31*time.Second)
	f("slow bytes", fakebinance.Fault{Kind: "slow-bytes", Target: "open", For: 10 * time.Second, Settings: map[string]string{"bytes_per_second": "2000"}}, "", 0)
	f("slow frames", fakebinance.Fault{Kind: "slow-frames", Target: "open", For: 10 * time.Second, Settings: map[string]string{"delay": "500ms"}}, "", 0)
}

func TestExchangeAway(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := world(t, options{})
		r.start()
		time.Sleep(10 * time.Second)
		r.takeAway(exchangeAddr, restAddr)
		time.Sleep(5 * time.Minute)
		if code, why := r.get("/readyz"); code != http.StatusServiceUnavailable {
			t.Errorf("ready without a session: %d %s", code, why)
		}
		if code, why := r.get("/healthz"); code != http.StatusOK {
			t.Errorf("a restart would not bring the exchange back, but: %d %s", code, why)
		}
		r.bringBack(exchangeAddr, restAddr)
		r.waitFor("ready", 2*time.Minute, func() bool { code, _ := r.get("/readyz"); return code == http.StatusOK })
		r.finish(time.Minute)
	})
}

// Nothing is lost while Kafka is away, and memory does not grow: the socket
// stands still instead.
func TestKafkaAway(t *testing.T) {
	f := func(name string, away time.Duration, rate float64) {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				r := world(t, options{rate: rate})
				r.start()
				time.Sleep(10 * time.Second)
				r.takeAway(brokerAddr)
				time.Sleep(away)
				if code, why := r.get("/readyz"); code != http.StatusServiceUnavailable {
					t.Errorf("ready without Kafka: %d %s", code, why)
				}
				if code, why := r.get("/healthz"); code != http.StatusOK {
					t.Errorf("a restart would not bring Kafka back, but: %d %s", code, why)
				}
				r.bringBack(brokerAddr)
				time.Sleep(10 * time.Second)
				r.finish(3 * time.Minute)
			})
		})
	}
	f("30 s", 30*time.Second, 20)
	f("5 min, far beyond what may be in flight", 5*time.Minute, 100)
}

func TestStartWaitsForKafkaAndRegistry(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := world(t, options{})
		r.takeAway(brokerAddr)
		r.takeAway(registryAddr)
		r.startStreamer()
		time.Sleep(time.Minute)
		if code, why := r.get("/readyz"); code != http.StatusServiceUnavailable || !strings.Contains(why, "Kafka") {
			t.Errorf("readyz = %d %s, want 503 naming Kafka", code, why)
		}
		r.bringBack(brokerAddr)
		r.waitFor("waiting for the registry", 30*time.Second, func() bool { _, why := r.get("/readyz"); return strings.Contains(why, "registry") })
		r.bringBack(registryAddr)
		r.waitFor("ready", 30*time.Second, func() bool { code, _ := r.get("/readyz"); return code == http.StatusOK })
		r.exchange.Start()
		time.Sleep(10 * time.Second)
		r.finish(10 * time.Second)
	})
}

func TestStopWhileStarting(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := world(t, options{})
		r.takeAway(brokerAddr)
		r.startStreamer()
		time.Sleep(10 * time.Second)
		close(r.stop)
		if err := <-r.done; err != nil {
			t.Errorf("Run = %v, want nil: there was nothing to drain", err)
		}
		r.close()
	})
}

func TestEndAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := world(t, options{})
		r.start()
		time.Sleep(10 * time.Second)
		r.takeAway(brokerAddr)
		time.Sleep(2 * time.Second)
		close(r.stop) // cannot finish: Kafka is away
		time.Sleep(time.Second)
		began := time.Now()
		r.end()
		if err := <-r.done; !errors.Is(err, context.Canceled) {
			t.Errorf("Run = %v, want %v", err, context.Canceled)
		}
		if took := time.Since(began); took > time.Second {
			t.Errorf("it took %v to end at once", took)
		}
		r.close()
	})
}

// A drain that cannot finish says so after its timeout, also when the loop was
// waiting for Kafka when it was told to stop.
func TestDrainTimesOut(t *testing.T) {
	f := func(name string, rate float64) {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				// The group does not notice before the drain does.
				r := world(t, options{rate: rate, symbols: []string{"BTCUSDT"}, config: func(c *Config) { c.SessionTimeout = time.Minute }})
				r.start()
				time.Sleep(10 * time.Second)
				r.takeAway(brokerAddr)
				time.Sleep(10 * time.Second)
				close(r.stop)
				began := time.Now()
				time.Sleep(time.Second)
				if got := r.metric("binance_connection_status"); got != 0 {
					t.Error("the session is still open a second after the stop")
				}
				err := <-r.done
				if err == nil || !strings.Contains(err.Error(), "drain") || strings.Contains(err.Error(), " 0 partitions") {
					t.Errorf("Run = %v, want what the drain could not finish", err)
				}
				if took := time.Since(began); took < r.config.DrainTimeout || took > r.config.DrainTimeout+time.Second {
					t.Errorf("drained for %v, limit %v", took, r.config.DrainTimeout)
				}
				r.close()
			})
		})
	}
	f("with room in flight", 20)
	f("with none left", 1000)
}

// The history away for a minute while trades go on: what does not fit the
// named limit is left to the history, and everything arrives in the end.
func TestHeldTradesAreBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := world(t, options{rate: 1000, symbols: []string{"BTCUSDT"}})
		r.start()
		time.Sleep(5 * time.Second)
		r.takeAway(restAddr)
		injection, err := r.exchange.Begin(fakebinance.Fault{Kind: "reset", Target: "open", For: time.Second})
		r.must(err)
		<-injection.Done()
		most := 0.0
		for range 90 {
			time.Sleep(time.Second)
			most = max(most, r.metric("streamer_held_trades"))
		}
		if most > maxHeld {
			t.Errorf("%v trades held, limit %d", most, maxHeld)
		}
		if deferred := r.metric("streamer_trades_total{outcome=\"deferred\"}"); deferred == 0 {
			t.Errorf("nothing was deferred with %v trades held; the test does not reach the limit", most)
		}
		r.bringBack(restAddr)
		r.finish(30 * time.Minute)
	})
}

// A stream that stays silent on the new session shows no gap by itself.
func TestQuietStreamIsAskedAbout(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := world(t, options{})
		r.start()
		time.Sleep(20 * time.Second)
		injection, err := r.exchange.Begin(fakebinance.Fault{Kind: "stall", Target: "open", For: 40 * time.Second})
		r.must(err)
		time.Sleep(5 * time.Second)
		r.exchange.StopPublishing() // these five seconds are on no stream that we will ever read
		<-injection.Done()
		r.waitFor("caught up", 30*time.Second, r.caughtUp)
		if r.metric("binance_trades_backfilled_total") == 0 || !strings.Contains(r.log.String(), "session ended: silent") {
			t.Errorf("the session did not end, or nothing was fetched:\n%s", r.log)
		}
		r.finish(time.Second)
	})
}

// One stream that delivers nothing while the others go on is found by its own
// rhythm and the exchange's word, and its session replaced while it works.
func TestSilentStreamIsFound(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := world(t, options{})
		r.start()
		time.Sleep(30 * time.Second)
		injection, err := r.exchange.Begin(fakebinance.Fault{Kind: fakebinance.KindSilentStream, Target: fakebinance.TargetOpen, For: 5 * time.Minute,
			Settings: map[string]string{"symbol": "BTCUSDT"}})
		r.must(err)
		time.Sleep(silentLeast + 5*time.Second)
		if got := r.metric("binance_connection_rotations_total{reason=\"silent_stream\"}"); got != 1 {
			t.Errorf("%v rotations for a silent stream, want 1; the log:\n%s", got, r.log)
		}
		if got := r.metric("binance_reconnects_total"); got != 0 {
			t.Errorf("%v reconnects", got)
		}
		<-injection.Done()
		r.finish(10 * time.Second)
	})
}

// A market that stands still for ten minutes is no reason to cut anything.
func TestHaltCutsNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := world(t, options{})
		r.start()
		time.Sleep(time.Minute)
		r.exchange.StopPublishing()
		time.Sleep(10 * time.Minute)
		if cut := r.metric("binance_reconnects_total") + r.metric("binance_connection_rotations_total"); cut != 0 {
			t.Errorf("%v sessions were cut or replaced", cut)
		}
		if halted := r.metric("binance_symbol_halted"); halted != 3 {
			t.Errorf("%v symbols are known to be halted, want 3", halted)
		}
		if asked := r.metric("streamer_trades_total"); asked == 0 || !r.ready() {
			t.Error("not ready during a halt")
		}
		r.finish(time.Second)
	})
}

func TestUnknownSymbolEndsTheStart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := world(t, options{config: func(c *Config) { c.Symbols = []string{"BTCUSDT", "NOSUCHPAIR"} }})
		r.startStreamer()
		err := <-r.done
		if err == nil || !strings.Contains(err.Error(), "NOSUCHPAIR") || strings.Contains(err.Error(), "BTCUSDT") || strings.Contains(err.Error(), "\n") {
			t.Errorf("Run = %v, want one sentence that names NOSUCHPAIR", err)
		}
		r.close()
	})
}

func TestPortInUse(t *testing.T) {
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	c := DefaultConfig()
	c.HTTP = taken.Addr().String()
	err = Run(context.Background(), make(chan struct{}), c)
	if err == nil || !strings.Contains(err.Error(), "-http "+c.HTTP) || strings.Contains(err.Error(), "\n") {
		t.Errorf("Run = %v, want one sentence that names the address", err)
	}
}

func TestStatus(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := world(t, options{})
		r.start()
		time.Sleep(10 * time.Second)
		_, body := r.get("/status")
		for _, want := range []string{`"healthy": "yes"`, `"ready": "yes"`, `"symbol": "BTCUSDT"`, `"rejected_frames": 0`} {
			if !strings.Contains(body, want) {
				t.Errorf("/status lacks %s:\n%s", want, body)
			}
		}
		if code, _ := r.get("/debug/pprof/goroutine?debug=1"); code != http.StatusOK {
			t.Errorf("/debug/pprof/goroutine = %d", code)
		}
		for _, name := range []string{"binance_connection_status", "kafka_messages_produced_total", "binance_trade_lag_seconds_count", "go_gc_heap_live_bytes", "streamer_limit"} {
			if r.metric(name) == 0 {
				t.Errorf("metric %s is zero or absent", name)
			}
		}
		r.finish(10 * time.Second)
	})
}
