package fakebinance

import (
	"bytes"
	"compress/gzip"
	"errors"
	"flag"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"
)

var update = flag.Bool("update", false, "write testdata anew")

// testdata/market.txt.gz is what `fakebinance record` would write of a session
// with a market: combined frames, times in milliseconds.
func TestWriteTestdata(t *testing.T) {
	if !*update {
		t.Skip("only with -update")
	}
	market := marketOf(t, testSeed, 50, "BTCUSDT", "ETHUSDT")
	var text bytes.Buffer
	compressed := gzip.NewWriter(&text)
	next := map[string]int64{}
	for range 3000 {
		var due Trade
		for _, symbol := range market.Symbols() {
			trade := market.Trade(symbol, market.FirstID(symbol)+next[symbol])
			if due.EventAt == 0 || trade.EventAt < due.EventAt {
				due = trade
			}
		}
		next[due.Symbol]++
		fmt.Fprintf(compressed, "%d %s\n", due.EventAt*1000+412000, `{"stream":"`+strings.ToLower(due.Symbol)+`@trade","data":`+payload(due, 1000)+`}`)
	}
	if err := compressed.Close(); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile("testdata/market.txt.gz", text.Bytes(), 0o644); err != nil {
		t.Fatal(err)
	}
}

func TestReplay(t *testing.T) { testReplay(t, "testdata/market.txt.gz") }

// A real recording, where there is one at hand.
func TestReplayOfRealCapture(t *testing.T) {
	path := os.Getenv("STEADFEED_CAPTURE")
	if path == "" {
		t.Skip("STEADFEED_CAPTURE names no capture of the real exchange")
	}
	testReplay(t, path)
}

func testReplay(t *testing.T, path string) {
	capture, err := OpenCapture(path)
	if err != nil {
		t.Fatal(err)
	}
	for _, speed := range []float64{1, 7} {
		replay, err := NewReplay(capture, marketStart, speed)
		if err != nil {
			t.Fatal(err)
		}
		for _, symbol := range replay.Symbols() {
			recorded := capture.trades[symbol]
			n := int64(len(recorded))
			first := replay.FirstID(symbol)
			previous := Trade{ID: first - 1}
			for id := first; id < first+2*n+n/2; id++ {
				trade := replay.Trade(symbol, id)
				of := recorded[(id-first)%n]
				if trade.ID != id || trade.Symbol != symbol || trade.Price != of.price || trade.Quantity != of.quantity || trade.BuyerIsMaker != of.buyerIsMaker {
					t.Fatalf("%s: trade %+v of %+v", replay.Describe(), trade, of)
				}
				if trade.EventAt < previous.EventAt || trade.EventAt-trade.TradedAt != of.eventAt-of.tradedAt {
					t.Fatalf("%s: times of %+v after %+v, of %+v", replay.Describe(), trade, previous, of)
				}
				if id == first+n-1 {
					want := float64(capture.last-capture.first) / speed
					if got := float64(trade.EventAt - marketStart.UnixMicro()); got < 0.9*want || got > want {
						t.Errorf("%s: a round lasts %v us, want %v", replay.Describe(), got, want)
					}
				}
				previous = trade
			}
			if trade := replay.Trade(symbol, first-1); trade != (Trade{}) {
				t.Errorf("trade before the first: %+v", trade)
			}
		}
	}
}

// Over the wire the frames are those of the capture, but for the times.
func TestReplayOnTheWire(t *testing.T) {
	capture, err := OpenCapture("testdata/market.txt.gz")
	if err != nil {
		t.Fatal(err)
	}
	replay, err := NewReplay(capture, time.Now(), 20)
	if err != nil {
		t.Fatal(err)
	}
	s := newTestServer(t, Options{Source: replay})
	c := dial(t, s, "/ws/ethusdt@trade")
	s.Start()
	for range 500 {
		frame := c.next()
		got := decodeTrade(t, frame)
		if want := payload(replay.Trade("ETHUSDT", got.id), 1000); frame != want {
			t.Fatalf("got  %s\nwant %s", frame, want)
		}
	}
}

func TestCaptureErrors(t *testing.T) {
	const line = `1 {"stream":"btcusdt@trade","data":{"e":"trade","E":1723161255343,"s":"BTCUSDT","t":7,"p":"61837.63000000","q":"0.02000000","T":1723161255342,"m":true,"M":true}}` + "\n"
	second := strings.Replace(line, `"t":7`, `"t":8`, 1)
	if capture, err := readCapture("c.txt", strings.NewReader(line+second)); err != nil || capture.Len() != 2 {
		t.Fatalf("a good capture: %v", err)
	}
	f := func(from, to, want string) {
		t.Helper()
		bad := strings.Replace(second, from, to, 1)
		if bad == second {
			t.Fatalf("no %s in the line", from)
		}
		_, err := readCapture("c.txt", strings.NewReader(line+bad))
		var at *CaptureError
		if !errors.As(err, &at) || at.Line != 2 || err.Error() != "c.txt line 2: "+want {
			t.Errorf("%s: %v, want %s", to, err, want)
		}
	}
	f(`"t":8`, `"t":9`, "BTCUSDT trade 9 follows 7: ids of a symbol must rise by one")
	f(`"t":8`, `"t":7`, "BTCUSDT trade 7 follows 7: ids of a symbol must rise by one")
	f(`61837.63000000`, `61837.63`, `price: "61837.63" is not written with 8 decimals as "61837.63000000"`)
	f(`0.02000000`, `00.02000000`, `quantity: "00.02000000" is not written with 8 decimals as "0.02000000"`)
	f(`0.02000000`, `a lot`, `quantity: parse decimal "a lot": want digits, and at most 8 after a point`)
	f(`btcusdt@trade`, `btcusdt@aggTrade`, `not a @trade frame: event "trade" on stream "btcusdt@aggTrade"`)
	f(`"t":8,`, ``, "trade without id, side or times")
	f(`"m":true,`, ``, "trade without id, side or times")
	f(`1 {`, `{`, "want a receive time, a space and a frame")
	f(`1 {`, `now {`, `receive time "now" is not a number of nanoseconds`)
	f(`}}`, `}`, "decode frame: unexpected end of JSON input")
	if _, err := readCapture("c.txt", strings.NewReader("")); err == nil || err.Error() != "read capture c.txt: no trades in it" {
		t.Errorf("empty: %v", err)
	}
	if _, err := OpenCapture("testdata/nothing.txt"); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("no file: %v", err)
	}
	for _, speed := range []float64{0, -1} {
		if _, err := NewReplay(&Capture{name: "c.txt"}, marketStart, speed); err == nil {
			t.Errorf("speed %v is taken", speed)
		}
	}
}
