package streamer

import (
	"context"
	"errors"
	"time"

	"github.com/twmb/avro"
	"github.com/twmb/franz-go/pkg/kgo"

	"steadfeed/streamer/schema"
)

// audit reads the whole topic and holds it against what was published: each
// trade once, in order, unaltered. With repeats each trade is there first in
// order, and again only around a restart.
func (r *rig) audit() {
	r.t.Helper()
	client, err := kgo.NewClient(kgo.SeedBrokers(brokerAddr), kgo.Dialer(r.net.Dial), kgo.ConsumeTopics(r.config.Topic),
		kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()), kgo.FetchIsolationLevel(kgo.ReadCommitted()))
	r.must(err)
	defer client.Close()
	parsed, err := avro.Parse(schema.Trade)
	r.must(err)
	next, audited := map[string]int64{}, int64(0)
	for owed := r.owed(); ; {
		ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
		fetched := client.PollFetches(ctx)
		cancel()
		if errors.Is(fetched.Err0(), context.DeadlineExceeded) {
			if audited < owed {
				r.t.Errorf("the topic holds %d of %d trades", audited, owed)
			}
			return // there is no more, which is the end of a virtual wait
		}
		fetched.EachRecord(func(record *kgo.Record) {
			if r.compare(parsed, record, next) {
				audited++
			} else {
				r.repeated++
			}
		})
	}
}

// row is the record as a consumer sees it.
type row struct {
	Symbol       string    `avro:"symbol"`
	ID           int64     `avro:"trade_id"`
	Price        []byte    `avro:"price"`
	Quantity     []byte    `avro:"quantity"`
	BuyerIsMaker bool      `avro:"buyer_is_maker"`
	TradedAt     time.Time `avro:"traded_at"`
	EventAt      time.Time `avro:"event_at"`
	ReceivedAt   time.Time `avro:"received_at"`
}

// compare holds one record against what was published, and tells whether it is
// the first of its trade.
func (r *rig) compare(parsed *avro.Schema, record *kgo.Record, next map[string]int64) (first bool) {
	r.t.Helper()
	var got row
	if _, err := parsed.Decode(record.Value[schema.HeaderSize:], &got); err != nil {
		r.t.Fatalf("decode offset %d: %v", record.Offset, err)
	}
	if string(record.Key) != got.Symbol {
		r.t.Fatalf("key %q of a trade of %s", record.Key, got.Symbol)
	}
	want, begun := next[got.Symbol]
	if !begun {
		want, _, _ = r.exchange.Ledger().Published(got.Symbol)
	}
	if first = got.ID == want; first {
		next[got.Symbol] = want + 1
	} else if got.ID > want || !r.mayRepeat(record.Timestamp) {
		r.t.Fatalf("%s: id %d where %d was due, written at %v", got.Symbol, got.ID, want, record.Timestamp.UTC())
	}
	if _, last, _ := r.exchange.Ledger().Published(got.Symbol); got.ID > last {
		r.t.Fatalf("%s: id %d, published was up to %d", got.Symbol, got.ID, last)
	}
	published := r.source.Trade(got.Symbol, got.ID)
	event := published.EventAt
	if r.exchange.Ledger().ByREST(got.Symbol, got.ID) && got.EventAt.UnixMicro() != event {
		event = published.TradedAt
	}
	if unscaled(got.Price) != int64(published.Price) || unscaled(got.Quantity) != int64(published.Quantity) ||
		got.BuyerIsMaker != published.BuyerIsMaker || got.TradedAt.UnixMicro() != published.TradedAt || got.EventAt.UnixMicro() != event {
		r.t.Fatalf("altered: %+v, published %+v", got, published)
	}
	return first
}

// unscaled reads a two's-complement big-endian number.
func unscaled(b []byte) int64 {
	n := int64(int8(b[0]))
	for _, c := range b[1:] {
		n = n<<8 | int64(c)
	}
	return n
}
