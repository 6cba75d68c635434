package record

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"strings"
	"testing"
	"time"

	"github.com/twmb/avro"
	"github.com/twmb/franz-go/pkg/sr"
	"pgregory.net/rapid"

	"steadfeed/streamer/internal/binance"
	"steadfeed/streamer/schema"
)

// What the encoder wrote the decoder reads, for any trade, and asks the
// registry once at most.
func TestDecoderReadsOwn(t *testing.T) {
	e, calls, _ := encoder(t, 10)
	subject := schema.Subject(schema.Topic)
	if err := e.Prepare(context.Background(), subject); err != nil {
		t.Fatal(err)
	}
	d := NewDecoder(e.registry)
	before := calls.Load()
	rapid.Check(t, func(t *rapid.T) {
		want := binance.Trade{
			Symbol: rapid.StringMatching(`[A-Z0-9]{1,20}`).Draw(t, "symbol"), ID: rapid.Int64Range(0, math.MaxInt64).Draw(t, "id"),
			Price:    binance.Decimal(rapid.Int64Range(0, 999_999_999_999_999_999).Draw(t, "price")),
			TradedAt: rapid.Int64Range(0, 4_000_000_000_000_000).Draw(t, "traded"), EventAt: 1, ReceivedAt: 2,
		}
		value, _ := e.Append(nil, subject, &want)
		symbol, id, tradedAt, err := d.Trade(context.Background(), value)
		if err != nil || symbol != want.Symbol || id != want.ID || tradedAt != want.TradedAt {
			t.Fatalf("%s %d %d, %v; want %+v", symbol, id, tradedAt, err, want)
		}
		// No shorter value is taken for a trade.
		cut := rapid.IntRange(0, len(value)-1).Draw(t, "cut")
		if _, _, _, err := d.Trade(context.Background(), value[:cut]); !errors.Is(err, ErrUnreadable) {
			t.Fatalf("cut to %d of %d bytes: %v", cut, len(value), err)
		}
	})
	if got := calls.Load() - before; got != 1 {
		t.Errorf("%d calls to the registry", got)
	}
}

// The id that the encoder uses needs no registry at all.
func TestDecoderKnowsItsOwnID(t *testing.T) {
	e, calls, _ := encoder(t, 10)
	subject := schema.Subject(schema.Topic)
	if err := e.Prepare(context.Background(), subject); err != nil {
		t.Fatal(err)
	}
	id, ok := e.SchemaID(subject)
	if !ok {
		t.Fatal("no schema id of a prepared subject")
	}
	d := NewDecoder(e.registry)
	d.Know(id)
	before := calls.Load()
	value, _ := e.Append(nil, subject, &benchTrade)
	if symbol, id, _, err := d.Trade(context.Background(), value); err != nil || symbol != benchTrade.Symbol || id != benchTrade.ID {
		t.Errorf("%s %d, %v", symbol, id, err)
	}
	if got := calls.Load() - before; got != 0 {
		t.Errorf("%d calls to the registry", got)
	}
}

// A record of another schema of the subject is read by the names of its
// fields; one that says not which trade it is of is unreadable.
func TestDecoderReadsOtherSchemas(t *testing.T) {
	client, calls := registry(t)
	d := NewDecoder(client)
	at := time.UnixMicro(1790649901912456).UTC()
	register := func(text string) int {
		t.Helper()
		id, err := client.RegisterSchema(context.Background(), fmt.Sprintf("s%d-value", len(text)), sr.Schema{Schema: text}, -1, -1)
		if err != nil {
			t.Fatal(err)
		}
		return id
	}
	value := func(id int, body []byte) []byte {
		return append(binary.BigEndian.AppendUint32([]byte{schema.Magic}, uint32(id)), body...)
	}
	// A later version: a new field in front, the times in milliseconds.
	later := `{"type":"record","name":"Trade","namespace":"steadfeed","fields":[
		{"name":"venue","type":"string","default":"spot"},
		{"name":"traded_at","type":{"type":"long","logicalType":"timestamp-millis"}},
		{"name":"trade_id","type":"long"},{"name":"symbol","type":"string"},{"name":"fees","type":{"type":"array","items":"long"},"default":[]}]}`
	id := register(later)
	body, err := avro.MustParse(later).Encode(map[string]any{"venue": "spot", "traded_at": at, "trade_id": int64(77), "symbol": "BTCUSDT", "fees": []int64{1, 2}})
	if err != nil {
		t.Fatal(err)
	}
	before := calls.Load()
	for range 3 {
		symbol, trade, tradedAt, err := d.Trade(context.Background(), value(id, body))
		if err != nil || symbol != "BTCUSDT" || trade != 77 || tradedAt != at.Truncate(time.Millisecond).UnixMicro() {
			t.Errorf("%s %d %d, %v", symbol, trade, tradedAt, err)
		}
	}
	if got := calls.Load() - before; got != 1 {
		t.Errorf("%d calls to the registry for one schema id", got)
	}
	// The same bytes as our own in another unit.
	millis := strings.ReplaceAll(schema.Trade, "timestamp-micros", "timestamp-millis")
	own := benchTrade
	own.TradedAt /= 1000
	_, _, tradedAt, err := d.Trade(context.Background(), value(register(millis), appendTrade(nil, &own)))
	if err != nil || tradedAt != own.TradedAt*1000 {
		t.Errorf("%d, %v, want %d", tradedAt, err, own.TradedAt*1000)
	}
	unreadable := func(v []byte, want string) {
		t.Helper()
		if _, _, _, err := d.Trade(context.Background(), v); !errors.Is(err, ErrUnreadable) || !strings.Contains(err.Error(), want) {
			t.Errorf("%v, want unreadable and %q", err, want)
		}
	}
	unreadable(nil, "0 bytes")
	unreadable([]byte("{\"symbol\":1}"), "no schema id")
	unreadable(value(9999, body), "schema id 9999")
	unreadable(value(id, body[:4]), "schema id")
	unreadable(value(register(`{"type":"record","name":"Trade","fields":[{"name":"symbol","type":"string"},{"name":"traded_at","type":"long"}]}`), body), "no field trade_id")
	unreadable(value(register(`"string"`), body), "no field")
}

// A registry that is away is no reason to call a record unreadable.
func TestDecoderWithoutRegistry(t *testing.T) {
	client, err := sr.NewClient(sr.URLs("http://127.0.0.1:1"))
	if err != nil {
		t.Fatal(err)
	}
	_, _, _, err = NewDecoder(client).Trade(context.Background(), []byte{0, 0, 0, 0, 1, 2})
	if err == nil || errors.Is(err, ErrUnreadable) || !strings.Contains(err.Error(), "look up schema id 1") {
		t.Errorf("%v", err)
	}
}

// More schema ids than are remembered cost calls, not memory.
func TestDecoderIsBounded(t *testing.T) {
	client, _ := registry(t)
	d := NewDecoder(client)
	for id := range 3 * maxReaders {
		d.Know(id)
	}
	if got := d.readers.Len(); got != maxReaders {
		t.Errorf("%d readers, limit %d", got, maxReaders)
	}
}

func BenchmarkDecode(b *testing.B) {
	client, _ := registry(b)
	d := NewDecoder(client)
	d.Know(1)
	value := appendTrade([]byte{0, 0, 0, 0, 1}, &benchTrade)
	b.ReportAllocs()
	for b.Loop() {
		if _, _, _, err := d.Trade(context.Background(), value); err != nil {
			b.Fatal(err)
		}
	}
}
