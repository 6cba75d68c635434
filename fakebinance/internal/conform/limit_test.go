package conform

import (
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
	"testing"
	"time"

	"steadfeed/fakebinance"
)

type options = fakebinance.Options
type switches = fakebinance.Switches

// What breaks limits or takes hours, in virtual time.
func TestLimits(t *testing.T) {
	for _, c := range Cases() {
		if c.Probe == nil {
			t.Run(c.Name, limitTests[c.Name])
		}
	}
}

var limitTests = map[string]func(*testing.T){
	"ping-every-20s": within(options{}, func(w *world) { pings(w, 20*time.Second) }),
	"pong-timeout":   within(options{}, func(w *world) { unanswered(w, 80*time.Second) }),
	"ping-old":       within(options{Switches: switches{OldPings: true}}, func(w *world) { pings(w, 3*time.Minute); unanswered(w, 13*time.Minute) }),
	"pong-unasked-keeps-not": within(options{}, func(w *world) {
		c := w.dial("/ws").mute().read()
		for range 7 {
			time.Sleep(10 * time.Second)
			c.pong("")
		}
		<-c.ended
		w.equal("end", c.end, "1008 Pong timeout")
	}),
	"pong-payload": within(options{}, func(w *world) {
		c := w.dial("/ws")
		c.SetPingHandler(func(string) error { c.pong("another"); return nil })
		<-c.read().ended
		w.equal("end", c.end, "1008 Pong timeout")
	}),
	"pong-any-payload": within(options{Switches: switches{AnyPong: true}}, func(w *world) {
		c := w.dial("/ws")
		c.SetPingHandler(func(string) error { c.pong("another"); return nil })
		c.read()
		time.Sleep(10 * time.Minute)
		w.equal("lives", c.lives(), true)
		c.leave()
	}),
	"life-24h": within(options{}, func(w *world) {
		c := w.dial("/ws").read()
		time.Sleep(24*time.Hour - time.Second)
		w.equal("lives a second before", c.lives(), true)
		<-c.ended
		w.equal("life", c.after, 24*time.Hour)
	}),
	"life-code": within(options{Switches: switches{Life: time.Hour}}, func(w *world) {
		c := w.dial("/ws").read()
		<-c.ended
		w.equal("end", fmt.Sprint(c.end, " after ", c.after), "1001 after 1h0m0s")
	}),
	"life-no-frame": within(options{Switches: switches{Life: time.Hour, LifeCode: -1}}, func(w *world) {
		c := w.dial("/ws").read()
		<-c.ended
		w.equal("end", fmt.Sprint(c.end, " after ", c.after), "no close frame after 1h0m0s")
	}),
	"life-notice": within(options{Switches: switches{LifeNotice: 10 * time.Minute}}, func(w *world) { notice(w, "/ws", `{"e":"serverShutdown","E":%d}`) }),
	"life-notice-combined": within(options{Switches: switches{LifeNotice: 10 * time.Minute}}, func(w *world) {
		notice(w, "/stream", `{"stream":"!serverShutdown","data":{"e":"serverShutdown","E":%d}}`)
	}),
	"time-compressed": within(options{Switches: switches{Compress: 144, Connects: 2}}, func(w *world) {
		unanswered(w, 80*time.Second/144)
		c := w.dial("/ws").read()
		_, status, _ := w.try("/ws")
		w.equal("third connect", status, 429)
		time.Sleep(5*time.Minute/144 + time.Millisecond)
		w.dial("/ws").read().leave()
		<-c.ended
		w.equal("life", c.after.Round(time.Second), 10*time.Minute)
	}),
	"five-a-second": within(options{}, func(w *world) {
		c := w.dial("/ws").read()
		for range 3 {
			burst(c, 5)
			time.Sleep(time.Second)
		}
		w.equal("lives", c.lives(), true)
		c.leave()
	}),
	"six-a-second": within(options{}, func(w *world) {
		c := w.dial("/ws").read()
		burst(c, 5)
		time.Sleep(999 * time.Millisecond)
		w.equal("lives after five", c.lives(), true)
		burst(c, 1)
		<-c.ended
		w.equal("end", c.end, "1008 Too many requests")
	}),
	"six-pongs": within(options{}, func(w *world) {
		c := w.dial("/ws").read()
		for range 6 {
			c.pong("")
		}
		<-c.ended
		w.equal("end", c.end, "1008 Too many requests")
	}),
	"one-every-250ms": within(options{}, func(w *world) {
		c := w.dial("/ws").read()
		for range 1000 {
			burst(c, 1)
			time.Sleep(250 * time.Millisecond)
		}
		w.equal("lives", c.lives(), true)
		c.leave()
	}),
	"penalty": within(options{Switches: switches{Penalty: 2}}, func(w *world) {
		for range 3 {
			c := w.dial("/ws").read()
			burst(c, 6)
			<-c.ended
		}
		c := w.dial("/ws").read()
		<-c.ended
		w.equal("the next", fmt.Sprint(c.end, " after ", c.after), "1008 Too many requests after 0s")
		time.Sleep(2 * time.Minute)
		c = w.dial("/ws").read()
		w.equal("lives after two minutes", c.lives(), true)
		c.leave()
	}),
	"streams-1024": within(options{}, func(w *world) { streams(w, 1024, `{"result":null,"id":1}`) }),
	"streams-1025": within(options{}, func(w *world) { streams(w, 1025, `{"error":{"code":4,"msg":"Too many subscriptions"},"id":1}`) }),
	"connects-300": func(t *testing.T) {
		within(options{}, func(w *world) {
			for range 300 {
				w.dial("/ws").read().leave()
			}
			_, status, wait := w.try("/ws")
			w.equal("the next", fmt.Sprint(status, " wait ", wait), "429 wait 300")
			time.Sleep(5 * time.Minute)
			w.dial("/ws").read().leave()
		})(t)
		within(options{Switches: switches{Connects: -1}}, func(w *world) {
			for range 301 {
				w.dial("/ws").read().leave()
			}
		})(t)
	},
	"keep-after-error": within(options{KeepAfterError: true}, func(w *world) {
		c := w.dial("/ws").read()
		c.send("nonsense")
		c.send(list)
		w.equal("lives", c.lives(), true)
		w.equal("frames", len(c.seen()), 2)
		c.leave()
	}),
	"book-before-trade": within(options{}, bookBeforeTrade),
	"agg-sums-trades":   within(options{}, aggregatesSum),
	"halt":              halt,
	"status": within(options{Switches: switches{Status: map[string]string{"ETHUSDT": "CANCEL_ONLY"}}}, func(w *world) {
		w.equal("all", statuses(w, ""), "BTCUSDT TRADING ETHUSDT CANCEL_ONLY")
		w.equal("some", statuses(w, "?symbolStatus=CANCEL_ONLY"), "ETHUSDT CANCEL_ONLY")
		status, _, _ := w.get("/api/v3/exchangeInfo?symbolStatus=OTHER")
		w.equal("no such", status, 400)
	}),
	"weight-429": within(options{RESTWeightLimit: 3}, func(w *world) {
		time.Sleep(18 * time.Second)
		for range 3 {
			w.get("/api/v3/ping")
		}
		status, body, wait := w.get("/api/v3/ping")
		w.equal("status", fmt.Sprint(status, " wait ", wait), "429 wait 42")
		w.equal("body", body, `{"code":-1003,"msg":"Too much request weight used; current limit is 3 request weight per 1 MINUTE. Please use WebSocket Streams for live updates to avoid polling the API."}`)
		time.Sleep(42 * time.Second)
		status, _, _ = w.get("/api/v3/ping")
		w.equal("in the next minute", status, 200)
	}),
	"ban-418": within(options{RESTWeightLimit: 1, Switches: switches{Ban: 2}}, func(w *world) {
		for _, length := range []time.Duration{2 * time.Minute, 4 * time.Minute, 8 * time.Minute} {
			for i, want := range []int{200, 429, 429, 429, 418} {
				status, _, _ := w.get("/api/v3/ping")
				w.equal(fmt.Sprint("request ", i), status, want)
			}
			until := time.Now().Add(length)
			status, body, wait := w.get("/api/v3/ping")
			w.equal("ban", fmt.Sprint(status, " wait ", wait), fmt.Sprint("418 wait ", int(length.Seconds())))
			w.equal("body", strings.HasPrefix(body, fmt.Sprintf(`{"code":-1003,"msg":"Way too much request weight used; IP banned until %d.`, until.UnixMilli())), true)
			w.dial("/ws").read().leave() // connections are not banned
			time.Sleep(length)
		}
	}),
	"ban-streams": within(options{RESTWeightLimit: 1, Switches: switches{Ban: 1, BanStreams: true}}, func(w *world) {
		for range 4 {
			w.get("/api/v3/ping")
		}
		_, status, _ := w.try("/ws")
		w.equal("status", status, 403)
		time.Sleep(2 * time.Minute)
		w.dial("/ws").read().leave()
	}),
	"market-data-only": func(t *testing.T) {
		const path = "/api/v3/historicalTrades?symbol=BTCUSDT"
		within(options{Switches: switches{MarketDataOnly: true}}, func(w *world) {
			status, _, _ := w.get(path)
			w.equal("historicalTrades", status, 404)
			status, _, _ = w.get("/api/v3/trades?symbol=BTCUSDT")
			w.equal("trades", status, 200)
		})(t)
		within(options{}, func(w *world) {
			status, _, _ := w.get(path, "Host", "data-api.binance.vision")
			w.equal("of the host", status, 404)
			status, _, _ = w.get(path)
			w.equal("of another", status, 200)
		})(t)
	},
	"database-lag": within(options{Switches: switches{DatabaseLag: 10 * time.Second}}, func(w *world) {
		w.s.Start()
		time.Sleep(time.Minute)
		newest := func(path string) int64 {
			_, body, _ := w.get(path + "?symbol=BTCUSDT&limit=1")
			var rows []row
			w.must(json.Unmarshal([]byte(body), &rows))
			return rows[0].ID
		}
		memory, database := newest("/api/v3/trades"), newest("/api/v3/historicalTrades")
		since := time.Now().Add(-10 * time.Second).UnixMicro()
		w.equal("the newest kept is old enough", w.market.Trade("BTCUSDT", database).EventAt <= since, true)
		w.equal("the next is not", w.market.Trade("BTCUSDT", database+1).EventAt > since, true)
		w.equal("trades has it", memory > database, true)
	}),
	"kept": within(options{Switches: switches{Kept: 100}}, func(w *world) {
		w.s.Start()
		time.Sleep(time.Minute)
		w.s.StopPublishing()
		_, last, _ := w.s.Ledger().Published("BTCUSDT")
		if last == 0 {
			last = newestID(w)
		}
		_, body, _ := w.get("/api/v3/historicalTrades?symbol=BTCUSDT&fromId=1&limit=1")
		w.equal("first", strings.HasPrefix(body, fmt.Sprintf(`[{"id":%d,`, last-99)), true)
	}),
	"deflate-off": within(options{Switches: switches{NoCompression: true}}, func(w *world) {
		c, _, agreed := w.try("/ws/deflate@trade")
		w.equal("agreed", agreed, "")
		c.read().leave()
	}),
	"url-too-long": within(options{Switches: switches{URLBytes: 8004}}, func(w *world) {
		_, status, _ := w.try("/stream?streams=" + strings.Repeat("a", 8000) + "@trade")
		w.equal("status", status, 414)
	}),
}

func newestID(w *world) int64 {
	_, body, _ := w.get("/api/v3/trades?symbol=BTCUSDT&limit=1")
	var rows []row
	w.must(json.Unmarshal([]byte(body), &rows))
	return rows[0].ID
}

func pings(w *world, every time.Duration) {
	c := w.dial("/ws")
	var at []time.Duration
	c.SetPingHandler(func(payload string) error {
		at = append(at, time.Since(c.opened))
		c.pong(payload)
		return nil
	})
	c.read()
	time.Sleep(3*every + every/2)
	c.leave()
	w.equal("pings", fmt.Sprint(at), fmt.Sprint([]time.Duration{every, 2 * every, 3 * every}))
}

// unanswered waits for the end of a connection that answers no ping.
func unanswered(w *world, after time.Duration) {
	c := w.dial("/ws").mute().read()
	<-c.ended
	w.equal("end", c.end, "1008 Pong timeout")
	w.equal("after", c.after.Round(time.Microsecond), after.Round(time.Microsecond))
}

func notice(w *world, path, want string) {
	c := w.dial(path).read()
	at := c.opened.Add(24*time.Hour - 10*time.Minute)
	time.Sleep(time.Until(at) - time.Second)
	w.equal("frames before", len(c.seen()), 0)
	<-c.ended
	w.equal("frames", strings.Join(c.frames, " "), fmt.Sprintf(want, at.UnixMilli()))
	w.equal("life", c.after, 24*time.Hour)
}

func burst(c *client, n int) {
	for range n {
		c.send(list)
	}
}

// streams subscribes to n streams, as many in one request as a client frame holds.
func streams(w *world, n int, want string) {
	c := w.dial("/ws").read()
	for from := 0; from < n; from += 341 {
		var names []string
		for i := from; i < min(from+341, n); i++ {
			names = append(names, "\"s"+strconv.Itoa(i)+"usdt@trade\"")
		}
		c.send(`{"method":"SUBSCRIBE","params":[` + strings.Join(names, ",") + `],"id":1}`)
		time.Sleep(time.Second)
	}
	frames := c.seen()
	w.equal("last answer", frames[len(frames)-1], want)
	w.equal("lives", c.lives(), true)
	c.leave()
}

func statuses(w *world, query string) string {
	_, body, _ := w.get("/api/v3/exchangeInfo" + query)
	var answer struct {
		Symbols []struct{ Symbol, Status string }
	}
	w.must(json.Unmarshal([]byte(body), &answer))
	var seen []string
	for _, symbol := range answer.Symbols {
		seen = append(seen, symbol.Symbol, symbol.Status)
	}
	return strings.Join(seen, " ")
}
