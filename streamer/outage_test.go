package streamer

import (
	"encoding/json"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"steadfeed/fakebinance"
)

// pairs are n symbols: the default ones first.
func pairs(n int) []string {
	symbols := []string{"BTCUSDT", "ETHUSDT", "BNBUSDT"}
	for i := len(symbols); i < n; i++ {
		symbols = append(symbols, fmt.Sprintf("P%03dUSDT", i))
	}
	return symbols
}

// begun tells whether Kafka has a trade of each symbol: what is owed begins with
// the first one.
func (r *rig) begun() bool {
	_, body := r.get("/status")
	var status report
	r.must(json.Unmarshal([]byte(body), &status))
	for _, l := range status.Symbols {
		if l.AckedID == 0 {
			return false
		}
	}
	return len(status.Symbols) == len(r.config.Symbols)
}

// live waits until of no symbol a trade is owed that is older than a second,
// and returns how long that took.
func (r *rig) live(limit time.Duration) time.Duration {
	r.t.Helper()
	began := time.Now()
	published := func() map[string]int64 {
		last := map[string]int64{}
		for _, symbol := range r.config.Symbols {
			_, last[symbol], _ = r.exchange.Ledger().Published(symbol)
		}
		return last
	}
	for owed := published(); ; owed = published() {
		time.Sleep(time.Second)
		_, body := r.get("/status")
		var status report
		r.must(json.Unmarshal([]byte(body), &status))
		var behind []laneStatus
		for _, l := range status.Symbols {
			if l.AckedID < owed[l.Symbol] {
				behind = append(behind, l)
			}
		}
		if took := time.Since(began); len(behind) == 0 {
			return took
		} else if took > limit {
			r.t.Fatalf("behind after %v: %+v; the log:\n%s", limit, behind, r.log)
		}
	}
}

// After an outage everything that was traded in it is fetched and delivered,
// within the share of the exchange's request weight and in a time that the share
// explains, while trades go on.
func TestCatchUp(t *testing.T) {
	exchange, kafka := []string{exchangeAddr, restAddr}, []string{brokerAddr}
	f := func(name string, away []string, symbols int, rate float64, lasts, within time.Duration) {
		t.Run(fmt.Sprintf("%s away for %v with %d symbols", name, lasts, symbols), func(t *testing.T) {
			if lasts > 5*time.Minute || symbols > 3 {
				long(t)
			}
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				const limit = 6000
				r := world(t, options{rate: rate, symbols: pairs(symbols), config: func(c *Config) { c.HeartbeatInterval = 2 * time.Second },
					exchange: func(o *fakebinance.Options) { o.RESTWeightLimit = limit }})
				r.start()
				for !r.begun() {
					time.Sleep(time.Minute)
				}
				before := r.owed()
				r.takeAway(away...)
				time.Sleep(lasts)
				missed := r.owed() - before
				r.bringBack(away...)
				took := r.live(within)
				share := int(r.config.RESTBudget * limit)
				most := r.exchange.MostRESTWeight()
				t.Logf("live %v after %v, in which %d trades were published; at most %d request weight in a minute, the share is %d",
					took, lasts, missed, most, share)
				if replaced := r.metric("binance_connection_rotations_total"); replaced != 0 {
					t.Errorf("%v sessions were replaced, for which there was no reason; the log:\n%s", replaced, r.log)
				}
				if most > share {
					t.Errorf("%d request weight was spent in a minute, the share is %d", most, share)
				}
				if lost := r.metric("binance_trades_lost_total"); lost != 0 {
					t.Errorf("%v trades are declared lost", lost)
				}
				r.finish(time.Minute)
			})
		})
	}
	// The default symbols make 100 trades a second together: an hour is 360
	// answers of 1,000 trades, three minutes of the share.
	const busy, quiet = 100. / 3, 0.05
	f("exchange", exchange, 3, busy, 5*time.Minute, 2*time.Minute)
	f("exchange", exchange, 3, busy/4, time.Hour, 2*time.Minute)
	f("Kafka", kafka, 3, busy, 5*time.Minute, time.Minute)
	f("Kafka", kafka, 3, busy, time.Hour, 5*time.Minute)
	// With 400 symbols an answer each is 10,000 weight, over three minutes,
	// however few the trades are.
	f("exchange", exchange, 400, quiet, 5*time.Minute, 5*time.Minute)
	f("exchange", exchange, 400, quiet, time.Hour, 5*time.Minute)
	f("Kafka", kafka, 400, quiet, 5*time.Minute, 5*time.Minute)
	f("Kafka", kafka, 400, quiet, time.Hour, 5*time.Minute)
}

// Kafka is away before it has a single trade of the quiet symbols: what they
// owe begins with what came on the stream.
func TestFirstTradesInAnOutage(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := world(t, options{rate: 0.02, symbols: pairs(40), config: func(c *Config) { c.HeartbeatInterval = 2 * time.Second }})
		r.start()
		time.Sleep(5 * time.Second)
		r.takeAway(brokerAddr)
		time.Sleep(20 * time.Minute)
		r.bringBack(brokerAddr)
		r.finish(5 * time.Minute)
	})
}
