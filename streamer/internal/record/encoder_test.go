package record

import (
	"context"
	"encoding/binary"
	"fmt"
	"math"
	"math/big"
	"net/http/httptest"
	"sync/atomic"
	"testing"
	"time"

	"net/http"

	"github.com/twmb/avro"
	"github.com/twmb/franz-go/pkg/sr"
	"github.com/twmb/franz-go/pkg/sr/srfake"
	"pgregory.net/rapid"

	"steadfeed/streamer/internal/binance"
	"steadfeed/streamer/schema"
)

// registry is a schema registry on loopback that counts the calls it gets.
func registry(t testing.TB) (*sr.Client, *atomic.Int64) {
	t.Helper()
	fake := srfake.NewRegistry()
	var calls atomic.Int64
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		calls.Add(1)
		fake.Handler().ServeHTTP(w, r)
	}))
	t.Cleanup(server.Close)
	t.Cleanup(fake.Close)
	client, err := sr.NewClient(sr.URLs(server.URL))
	if err != nil {
		t.Fatal(err)
	}
	return client, &calls
}

func encoder(t testing.TB, size int) (*Encoder, *atomic.Int64, *int) {
	t.Helper()
	client, calls := registry(t)
	evictions := new(int)
	e, err := NewEncoder(client, size, func() { *evictions++ })
	if err != nil {
		t.Fatal(err)
	}
	return e, calls, evictions
}

// An Avro library reads what was appended by hand, for any trade.
func TestAppendIsAvro(t *testing.T) {
	e, _, _ := encoder(t, 10)
	subject := schema.Subject(schema.Topic)
	if err := e.Prepare(context.Background(), subject); err != nil {
		t.Fatal(err)
	}
	parsed, err := avro.Parse(schema.Trade)
	if err != nil {
		t.Fatal(err)
	}
	rapid.Check(t, func(t *rapid.T) {
		number := rapid.Int64Range(0, 999_999_999_999_999_999)
		at := rapid.Int64Range(0, 4_000_000_000_000_000)
		want := binance.Trade{
			Symbol: rapid.StringMatching(`[A-Z0-9]{1,20}`).Draw(t, "symbol"), ID: rapid.Int64Range(0, math.MaxInt64).Draw(t, "id"),
			Price: binance.Decimal(number.Draw(t, "price")), Quantity: binance.Decimal(number.Draw(t, "quantity")),
			BuyerIsMaker: rapid.Bool().Draw(t, "side"), TradedAt: at.Draw(t, "traded"), EventAt: at.Draw(t, "event"), ReceivedAt: at.Draw(t, "received"),
		}
		value, ok := e.Append(nil, subject, &want)
		if !ok {
			t.Fatal("not prepared")
		}
		if len(value) > MaxSize {
			t.Fatalf("%d bytes, limit %d", len(value), MaxSize)
		}
		if value[0] != schema.Magic || binary.BigEndian.Uint32(value[1:]) == 0 {
			t.Fatalf("header % x", value[:schema.HeaderSize])
		}
		var got map[string]any
		rest, err := parsed.Decode(value[schema.HeaderSize:], &got)
		if err != nil || len(rest) != 0 {
			t.Fatalf("decode: %v, %d bytes left", err, len(rest))
		}
		unscaled := func(d binance.Decimal) string { return big.NewRat(int64(d), 100_000_000).RatString() }
		for field, pair := range map[string][2]string{
			"symbol":         {fmt.Sprint(got["symbol"]), want.Symbol},
			"trade_id":       {fmt.Sprint(got["trade_id"]), fmt.Sprint(want.ID)},
			"price":          {rational(got["price"]), unscaled(want.Price)},
			"quantity":       {rational(got["quantity"]), unscaled(want.Quantity)},
			"buyer_is_maker": {fmt.Sprint(got["buyer_is_maker"]), fmt.Sprint(want.BuyerIsMaker)},
			"traded_at":      {micros(got["traded_at"]), fmt.Sprint(want.TradedAt)},
			"event_at":       {micros(got["event_at"]), fmt.Sprint(want.EventAt)},
			"received_at":    {micros(got["received_at"]), fmt.Sprint(want.ReceivedAt)},
		} {
			if pair[0] != pair[1] {
				t.Fatalf("%s: %s, want %s", field, pair[0], pair[1])
			}
		}
	})
}

func rational(v any) string {
	switch v := v.(type) {
	case *big.Rat:
		return v.RatString()
	case big.Rat:
		return v.RatString()
	default:
		return fmt.Sprintf("%T", v)
	}
}

func micros(v any) string {
	if at, ok := v.(time.Time); ok {
		return fmt.Sprint(at.UnixMicro())
	}
	return fmt.Sprintf("%T", v)
}

// A hundred subjects through a cache of ten, again and again: the cache stays
// at ten, each that has to go is counted, and the registry is asked once for
// each subject: what is in the cache costs no call, and what comes back neither.
func TestCacheIsBounded(t *testing.T) {
	const size, subjects, rounds = 10, 100, 3
	e, calls, evictions := encoder(t, size)
	trade := binance.Trade{Symbol: "BTCUSDT", ID: 1, Price: 1, Quantity: 1}
	var first []byte
	for round := range rounds {
		for i := range subjects {
			subject := fmt.Sprintf("trades.%d-value", i)
			for range 3 {
				value, ok := e.Append(nil, subject, &trade)
				if !ok {
					if err := e.Prepare(context.Background(), subject); err != nil {
						t.Fatal(err)
					}
					value, _ = e.Append(nil, subject, &trade)
				}
				if first == nil {
					first = value
				}
				if string(value) != string(first) { // the registry gives one id to one text
					t.Fatalf("round %d, %s: % x, want % x", round, subject, value, first)
				}
			}
			if e.Cached() > size {
				t.Fatalf("%d serializers after %d subjects, limit %d", e.Cached(), i+1, size)
			}
		}
		// A look and a registration each, in the first round only.
		if got := calls.Load(); got != 2*subjects {
			t.Errorf("%d calls to the registry for %d subjects after round %d", got, subjects, round+1)
		}
		if want := (round+1)*subjects - size; *evictions != want {
			t.Errorf("%d evictions after round %d, want %d", *evictions, round+1, want)
		}
	}
}

func TestAppendAllocatesNothing(t *testing.T) {
	e, _, _ := encoder(t, 10)
	subject := schema.Subject(schema.Topic)
	if err := e.Prepare(context.Background(), subject); err != nil {
		t.Fatal(err)
	}
	buf := make([]byte, 0, MaxSize)
	trade := benchTrade
	if n := testing.AllocsPerRun(1000, func() { e.Append(buf, subject, &trade) }); n != 0 {
		t.Errorf("%v allocations per trade", n)
	}
}

var benchTrade = binance.Trade{Symbol: "BTCUSDT", ID: 6720857582, Price: 8303429000000, Quantity: 62000, BuyerIsMaker: true,
	EventAt: 1790649901913123, TradedAt: 1790649901912456, ReceivedAt: 1790649901914456}

func BenchmarkEncode(b *testing.B) {
	e, _, _ := encoder(b, 10)
	subject := schema.Subject(schema.Topic)
	if err := e.Prepare(context.Background(), subject); err != nil {
		b.Fatal(err)
	}
	buf := make([]byte, 0, MaxSize)
	trade := benchTrade
	b.ReportAllocs()
	for b.Loop() {
		e.Append(buf, subject, &trade)
	}
}
