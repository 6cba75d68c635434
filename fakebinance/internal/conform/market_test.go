package conform

import (
	"encoding/json"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"steadfeed/fakebinance"
	"steadfeed/fakebinance/memnet"
)

// collect reads the three streams of one symbol for ten minutes.
func collect(w *world) []map[string]any {
	w.s.Start()
	c := w.dial("/ws/btcusdt@trade/btcusdt@aggTrade/btcusdt@bookTicker").read()
	time.Sleep(10 * time.Minute)
	c.leave()
	var events []map[string]any
	for _, frame := range c.frames {
		var e map[string]any
		d := json.NewDecoder(strings.NewReader(frame))
		d.UseNumber()
		w.must(d.Decode(&e))
		events = append(events, e)
	}
	if len(events) < 1000 {
		w.t.Fatalf("%d events", len(events))
	}
	return events
}

func decimal(w *world, v any) fakebinance.Decimal {
	d, err := fakebinance.ParseDecimal(v.(string))
	w.must(err)
	return d
}

func bookBeforeTrade(w *world) {
	var book map[string]any
	trades := 0
	for _, e := range collect(w) {
		switch {
		case e["u"] != nil:
			book = e
		case e["e"] == "trade":
			trades++
			price, quantity := "a", "A" // the buyer took the best ask
			if e["m"].(bool) {
				price, quantity = "b", "B"
			}
			if book == nil || book[price] != e["p"] || decimal(w, book[quantity]) < decimal(w, e["q"]) || decimal(w, book["b"]) >= decimal(w, book["a"]) {
				w.t.Fatalf("trade %v after book %v", e, book)
			}
		}
	}
	w.equal("trades", trades > 300, true)
}

func aggregatesSum(w *world) {
	trades := map[string]map[string]any{}
	aggregates, several := 0, 0
	for _, e := range collect(w) {
		if e["e"] == "trade" {
			trades[e["t"].(json.Number).String()] = e
			continue
		}
		if e["e"] != "aggTrade" {
			continue
		}
		first, _ := e["f"].(json.Number).Int64()
		last, _ := e["l"].(json.Number).Int64()
		var sum fakebinance.Decimal
		complete := true
		for id := first; id <= last; id++ {
			trade := trades[strconv.FormatInt(id, 10)]
			if trade == nil {
				complete = false // from before the connection
				break
			}
			sum += decimal(w, trade["q"])
			if trade["p"] != e["p"] || trade["m"] != e["m"] || trade["T"] != e["T"] {
				w.t.Fatalf("trade %v in aggregate %v", trade, e)
			}
		}
		if !complete {
			w.equal("aggregates before an incomplete one", aggregates, 0)
			continue
		}
		aggregates++
		if last > first {
			several++
		}
		w.equal("sum", sum, decimal(w, e["q"]))
	}
	w.equal("aggregates", aggregates > 100 && several > 10, true)
}

func halt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := &world{t: t, net: memnet.New()}
		begin := time.Now()
		var err error
		w.market, err = fakebinance.NewMarket(fakebinance.MarketOptions{Seed: 7, Symbols: []string{"BTCUSDT", "ETHUSDT"}, Rate: rate, Start: begin})
		w.must(err)
		source, err := fakebinance.NewHalts(w.market, fakebinance.Halt{Symbol: "ETHUSDT", At: begin.Add(time.Hour), For: 2 * time.Hour})
		w.must(err)
		listener, err := w.net.Listen("127.0.0.1:9443")
		w.must(err)
		w.s, err = fakebinance.New(options{Source: source, Listener: listener})
		w.must(err)
		defer w.s.Close()
		w.s.Start()
		c := w.dial("/ws/ethusdt@trade").read()
		time.Sleep(time.Hour + time.Minute)
		before := len(c.seen())
		w.equal("during", statuses(w, ""), "BTCUSDT TRADING ETHUSDT HALT")
		time.Sleep(110 * time.Minute)
		w.equal("trades of the halt", len(c.seen())-before, 0)
		time.Sleep(time.Hour)
		w.equal("after", statuses(w, ""), "BTCUSDT TRADING ETHUSDT TRADING")
		c.leave()
		w.equal("trades before and after", before > 1000 && len(c.frames) > before+1000, true)
		var last int64
		for _, frame := range c.frames {
			var e event
			w.must(json.Unmarshal([]byte(frame), &e))
			if last != 0 && e.ID != last+1 {
				t.Fatalf("%d follows %d", e.ID, last)
			}
			last = e.ID
		}
	})
}
