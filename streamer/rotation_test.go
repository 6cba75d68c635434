package streamer

import (
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"steadfeed/fakebinance"
)

// prompt checks that every trade was acknowledged within a quarter of a second
// of its event, as in calm traffic:
// no rotation makes the topic pause for longer than that.
func (r *rig) prompt() {
	r.t.Helper()
	if all, soon := r.metric("binance_trade_lag_seconds_count"), r.metric(`binance_trade_lag_seconds_bucket{le="0.25"}`); soon != all {
		r.t.Errorf("%v of %v trades took longer than a quarter of a second; the log:\n%s", all-soon, all, r.log)
	}
}

// rotations checks how often sessions were replaced, and that none of it was a
// reconnect or a loss.
func (r *rig) rotations(reason string, want float64) {
	r.t.Helper()
	if got := r.metric(`binance_connection_rotations_total{reason="` + reason + `"}`); got != want {
		r.t.Errorf("%v rotations for %s, want %v; the log:\n%s", got, reason, want, r.log)
	}
	if got := r.metric("binance_reconnects_total") + r.metric("binance_trades_lost_total"); got != 0 {
		r.t.Errorf("%v reconnects and lost trades; the log:\n%s", got, r.log)
	}
}

func TestRotationForADay(t *testing.T) {
	long(t)
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := world(t, options{rate: 0.5, config: func(c *Config) { c.HeartbeatInterval = 2 * time.Second }})
		r.start()
		time.Sleep(24*time.Hour + 12*time.Minute) // the schedule's jitter is 5 %
		r.rotations("scheduled", 6)
		r.prompt()
		r.finish(time.Minute)
	})
}

// At the busiest, with a rotation every minute.
func TestRotationUnderLoad(t *testing.T) {
	long(t)
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := world(t, options{rate: 300, config: func(c *Config) { c.RotationInterval = time.Minute }})
		r.start()
		time.Sleep(5*time.Minute + 10*time.Second)
		r.rotations("scheduled", 5)
		r.prompt()
		r.finish(time.Minute)
	})
}

// quietSource is a source on which one symbol is traded no more after an
// instant, in Unix microseconds.
type quietSource struct {
	fakebinance.Source
	symbol string
	after  int64
}

func (q quietSource) Trade(symbol string, id int64) fakebinance.Trade {
	t := q.Source.Trade(symbol, id)
	if symbol == q.symbol && t.EventAt > q.after {
		const year = 365 * 24 * time.Hour
		t.EventAt += year.Microseconds()
		t.TradedAt += year.Microseconds()
	}
	return t
}

func TestRotationWithQuietSymbol(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := world(t, options{config: func(c *Config) { c.RotationInterval = 10 * time.Minute },
			exchange: func(o *fakebinance.Options) {
				o.Source = quietSource{o.Source, "ETHUSDT", time.Now().Add(5 * time.Minute).UnixMicro()}
			}})
		r.start()
		time.Sleep(21 * time.Minute)
		r.rotations("scheduled", 2)
		r.prompt()
		r.finish(time.Minute)
	})
}

func TestRotationOnServerShutdown(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := world(t, options{})
		r.start()
		time.Sleep(time.Minute)
		injection, err := r.exchange.Begin(fakebinance.Fault{Kind: fakebinance.KindServerShutdown, For: time.Minute, Settings: map[string]string{"notice": "10s"}})
		r.must(err)
		<-injection.Done()
		if e := injection.Evidence(); !e.Proven {
			t.Errorf("the fault is not proven: %s", e.Text)
		}
		r.rotations("shutdown", 1)
		r.prompt()
		r.finish(time.Minute)
	})
}

// The new session misses a stream: the old one stays, nobody notices.
func TestRotationToBadSession(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := world(t, options{config: func(c *Config) { c.RotationInterval = 10 * time.Minute }})
		r.start()
		time.Sleep(9 * time.Minute)
		injection, err := r.exchange.Begin(fakebinance.Fault{Kind: fakebinance.KindSilentStream, Target: fakebinance.TargetAll, For: 3 * time.Minute,
			Settings: map[string]string{"symbol": "BNBUSDT", "sessions": "new"}})
		r.must(err)
		<-injection.Done()
		if e := injection.Evidence(); !e.Proven {
			t.Errorf("the fault is not proven: %s", e.Text)
		}
		r.rotations("scheduled", 0)
		time.Sleep(3 * time.Minute)
		r.rotations("scheduled", 1)
		r.prompt()
		if !strings.Contains(r.log.String(), "misses trades") {
			t.Errorf("the log does not say what was wrong:\n%s", r.log)
		}
		r.finish(time.Minute)
	})
}

// Symbols that need more than one session are rotated group by group, each by
// its own schedule; those with letters beyond ASCII are streamed like others.
func TestRotationOfGroups(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		symbols := []string{"币安人生USDT"}
		for i := range 150 {
			symbols = append(symbols, fmt.Sprintf("%s%03dUSDT", strings.Repeat("A", 50), i))
		}
		r := world(t, options{rate: 0.1, symbols: symbols, config: func(c *Config) { c.RotationInterval = 10 * time.Minute }})
		r.start()
		time.Sleep(23 * time.Minute)
		if open := strings.Count(r.log.String(), "session opened"); open != 2+4 {
			t.Errorf("%d sessions were opened for two groups; the log:\n%s", open, r.log)
		}
		r.rotations("scheduled", 4)
		r.finish(time.Minute)
	})
}
