package binance

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
)

// Frames as the exchange sends them; the first two were received from it.
const (
	combinedFrame = `{"stream":"btcusdt@trade","data":{"e":"trade","E":1790649901913,"s":"BTCUSDT","t":6720857582,"p":"83034.29000000","q":"0.00062000","T":1790649901912,"m":true,"M":true}}`
	rawFrame      = `{"e":"trade","E":1723161255612,"s":"ETHUSDT","t":1520538925,"p":"2683.80000000","q":"0.00200000","T":1723161255611,"m":false,"M":true}`
	microsFrame   = `{"stream":"btcusdt@trade","data":{"e":"trade","E":1790649901913123,"s":"BTCUSDT","t":6720857582,"p":"83034.29000000","q":"0.00062000","T":1790649901912456,"m":true,"M":true}}`
)

func testDecoder() *decoder { return newDecoder([]string{"BTCUSDT", "ETHUSDT"}) }

func TestDecode(t *testing.T) {
	btc := Trade{Symbol: "BTCUSDT", ID: 6720857582, Price: 83034_29000000, Quantity: 62000, BuyerIsMaker: true,
		EventAt: 1790649901913000, TradedAt: 1790649901912000}
	eth := Trade{Symbol: "ETHUSDT", Slot: 1, ID: 1520538925, Price: 2683_80000000, Quantity: 200000,
		EventAt: 1723161255612000, TradedAt: 1723161255611000}
	micros := btc
	micros.EventAt, micros.TradedAt = 1790649901913123, 1790649901912456

	f := func(name, frame string, want Trade) {
		t.Helper()
		var got Trade
		if k, why := testDecoder().decode([]byte(frame), &got); k != kindTrade || got != want {
			t.Errorf("%s: decode = %d %q %+v\nwant %+v", name, k, why, got, want)
		}
	}
	f("combined", combinedFrame, btc)
	f("raw", rawFrame, eth)
	f("microseconds", microsFrame, micros)
	f("other order", `{"data":{"M":false,"m":false,"T":1723161255611,"q":"0.00200000","p":"2683.80000000","t":1520538925,"s":"ETHUSDT","E":1723161255612,"e":"trade"},"stream":"x"}`, eth)
	f("M does not stand for m", strings.Replace(rawFrame, `"M":true`, `"M":false`, 1), eth)
	f("unknown fields", strings.Replace(rawFrame, `"e"`, `"nq":"0.1","st":3,"x":null,"b":12,"a":false,"e"`, 1), eth)
	f("unknown object", strings.Replace(rawFrame, `"e"`, `"X":{"T":1,"list":[1,{"p":"9"}]},"e"`, 1), eth)
	f("spaces", strings.ReplaceAll(rawFrame, ":", " : "), eth)
	f("escapes", strings.Replace(rawFrame, `"ETHUSDT"`, `"\u0045THUSDT"`, 1), eth)
	f("short decimals", strings.Replace(rawFrame, `"0.00200000"`, `"0.002"`, 1), eth)
	f("field beside data", strings.Replace(combinedFrame, `"stream"`, `"t":1,"stream"`, 1), btc)
}

func TestDecodeRejects(t *testing.T) {
	f := func(name, frame string, want rejection) {
		t.Helper()
		before := Trade{Symbol: "untouched"}
		got := before
		k, why := testDecoder().decode([]byte(frame), &got)
		if k != kindRejected || why != want {
			t.Errorf("%s: decode = %d %q, want rejected %q", name, k, why, want)
		}
		if got != before {
			t.Errorf("%s: a rejected frame changed the trade: %+v", name, got)
		}
	}
	with := func(old, new string) string { return strings.Replace(rawFrame, old, new, 1) }
	f("empty", "", rejectedMalformed)
	f("null", "null", rejectedMalformed)
	f("cut off", rawFrame[:60], rejectedMalformed)
	f("two objects", rawFrame+rawFrame, rejectedMalformed)
	f("array", "[]", rejectedMalformed)
	f("no event", with(`"e":"trade",`, ""), rejectedField)
	f("no id", with(`"t":1520538925,`, ""), rejectedField)
	f("T does not stand for t", with(`"t":1520538925`, `"x":1`), rejectedField)
	f("no side", with(`"m":false,`, ""), rejectedField)
	f("id as text", with(`1520538925`, `"1520538925"`), rejectedField)
	f("id with fraction", with(`1520538925`, `1520538925.5`), rejectedField)
	f("negative id", with(`1520538925`, `-1520538925`), rejectedRange)
	f("huge id", with(`1520538925`, `15205389251520538925`), rejectedRange)
	f("price as number", with(`"2683.80000000"`, `2683.8`), rejectedField)
	f("price with nine decimals", with(`"2683.80000000"`, `"2683.800000001"`), rejectedRange)
	f("price of 19 digits", with(`"2683.80000000"`, `"12683800000.00000000"`), rejectedRange)
	f("price in words", with(`"2683.80000000"`, `"NaN"`), rejectedRange)
	f("negative price", with(`"2683.80000000"`, `"-2683.80000000"`), rejectedRange)
	f("zero price", with(`"2683.80000000"`, `"0.00000000"`), rejectedZero)
	f("zero quantity", with(`"0.00200000"`, `"0"`), rejectedZero)
	f("symbol not asked for", with("ETHUSDT", "BNBUSDT"), rejectedSymbol)
	f("lower-case symbol", with("ETHUSDT", "ethusdt"), rejectedSymbol)
	f("other event", with(`"e":"trade"`, `"e":"aggTrade"`), rejectedEvent)
	f("side as text", with(`"m":false`, `"m":"false"`), rejectedField)
	f("data is no object", `{"stream":"x","data":7}`, rejectedField)
}

func TestDecodeControl(t *testing.T) {
	f := func(frame string, want kind) {
		t.Helper()
		var got Trade
		if k, why := testDecoder().decode([]byte(frame), &got); k != want {
			t.Errorf("decode(%s) = %d %q, want %d", frame, k, why, want)
		}
	}
	f(`{"result":null,"id":1}`, kindControl)
	f(`{"error":{"code":2,"msg":"Invalid request"},"id":4}`, kindControl)
	f(`{"e":"serverShutdown","E":1770123456789}`, kindShutdown)
	f(`{"stream":"!serverShutdown","data":{"e":"serverShutdown","E":1770123456789}}`, kindShutdown)
}

func TestDecimal(t *testing.T) {
	f := func(text string, want Decimal, ok bool) {
		t.Helper()
		got, err := ParseDecimal(text)
		if (err == nil) != ok || got != want {
			t.Errorf("ParseDecimal(%q) = %d, %v; want %d, ok %v", text, got, err, want, ok)
		}
	}
	f("0.00000001", 1, true)
	f("9999999999.99999999", 999999999999999999, true)
	f("10000000000", 0, false)
	f("1", 100000000, true)
	f("1.100000000", 110000000, true) // zeros beyond the eighth place say nothing
	f("1.", 0, false)
	f(".5", 0, false)
	f("", 0, false)
	f("1,5", 0, false)
	f("+1", 0, false)
	f("1e3", 0, false)
	for _, d := range []Decimal{0, 1, 62000, 8303429000000, decimalLimit - 1} {
		if got, err := ParseDecimal(d.String()); err != nil || got != d {
			t.Errorf("ParseDecimal(%q) = %d, %v; want %d", d.String(), got, err, d)
		}
	}
	if got := Decimal(-150000000).String(); got != "-1.50000000" {
		t.Errorf("String of -1.5 = %s", got)
	}
}

func TestDecodeAllocatesNothing(t *testing.T) {
	d, frame := testDecoder(), []byte(combinedFrame)
	var trade Trade
	if n := testing.AllocsPerRun(1000, func() { d.decode(frame, &trade) }); n != 0 {
		t.Errorf("%v allocations per frame", n)
	}
}

// FuzzDecode holds the fast decoders to the strict one. The invariants:
//  1. what decodeUsual takes, decodeFast takes, and what decodeFast takes,
//     decodeStrict takes, all as the same trade;
//  2. a frame that is not a trade leaves the trade untouched;
//  3. what Binance sends is taken by decodeUsual (see TestUsualTakesRealFrames).
func FuzzDecode(f *testing.F) {
	for _, frame := range []string{
		combinedFrame, rawFrame, microsFrame,
		`{"e":"trade","E":1,"s":"BTCUSDT","t":0,"p":"1","q":"2.5","T":1,"m":true,"m":false}`,
		`{"data":{"e":"trade"},"data":{}}`,
		`{"result":null,"id":1}`, `{"e":"serverShutdown","E":1}`, "", "{", `{"":""}`, "\x00",
		`{"e":"trade","E":01,"s":"BTCUSDT","t":1e3,"p":"00.1","q":"2.","T":-1,"m":null}`,
	} {
		f.Add([]byte(frame))
	}
	d := testDecoder()
	f.Fuzz(func(t *testing.T, frame []byte) {
		before := Trade{Symbol: "untouched", ID: 42}
		usual, fast, strict := before, before, before
		took := d.decodeFast(frame, &fast)
		if d.decodeUsual(frame, &usual) && (!took || usual != fast) || usual != before && usual != fast {
			t.Fatalf("frame %q\nusual %+v\nfast  %v %+v", frame, usual, took, fast)
		}
		k, why := d.decodeStrict(frame, &strict)
		if took && (k != kindTrade || fast != strict) {
			t.Fatalf("frame %q\nfast   %+v\nstrict %d %q %+v", frame, fast, k, why, strict)
		}
		if !took && fast != before {
			t.Fatalf("frame %q changed the trade and was not taken: %+v", frame, fast)
		}
		if k != kindTrade && strict != before {
			t.Fatalf("frame %q changed the trade and was not taken: %+v", frame, strict)
		}
	})
}

func TestUsualTakesRealFrames(t *testing.T) {
	for _, frame := range []string{combinedFrame, rawFrame, microsFrame} {
		var trade Trade
		if !testDecoder().decodeUsual([]byte(frame), &trade) {
			t.Errorf("%s is not usual", frame)
		}
		// A field more, and the order no longer counts.
		if !testDecoder().decodeFast([]byte(strings.Replace(frame, `"e":`, `"x":1,"e":`, 1)), &trade) {
			t.Errorf("with one field more, the fast decoder leaves %s to the strict one", frame)
		}
	}
}

func BenchmarkDecode(b *testing.B) {
	d, frame := testDecoder(), []byte(combinedFrame)
	b.SetBytes(int64(len(frame)))
	b.ReportAllocs()
	var trade Trade
	for b.Loop() {
		if k, _ := d.decode(frame, &trade); k != kindTrade {
			b.Fatal(fmt.Sprint("not a trade: ", k))
		}
	}
}

func BenchmarkDecodeAnyOrder(b *testing.B) {
	d, frame := testDecoder(), []byte(strings.Replace(combinedFrame, `"e":`, `"x":1,"e":`, 1))
	b.ReportAllocs()
	var trade Trade
	for b.Loop() {
		if k, _ := d.decode(frame, &trade); k != kindTrade {
			b.Fatal("not a trade")
		}
	}
}

// BenchmarkYardstick is what a simple client does with a frame. It says how
// fast the machine is: figures of other benchmarks mean something beside it.
func BenchmarkYardstick(b *testing.B) {
	frame := []byte(combinedFrame)
	b.ReportAllocs()
	for b.Loop() {
		var simple struct {
			Stream string `json:"stream"`
			Data   struct {
				Event     string `json:"e"`
				EventAt   int64  `json:"E"`
				Symbol    string `json:"s"`
				ID        int64  `json:"t"`
				Price     string `json:"p"`
				Quantity  string `json:"q"`
				TradedAt  int64  `json:"T"`
				Maker     bool   `json:"m"`
				BestMatch bool   `json:"M"`
			} `json:"data"`
		}
		if err := json.Unmarshal(frame, &simple); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkDecodeStrict(b *testing.B) {
	d, frame := testDecoder(), []byte(combinedFrame)
	b.ReportAllocs()
	var trade Trade
	for b.Loop() {
		d.decodeStrict(frame, &trade)
	}
}
