package streamer

import (
	"context"
	"log/slog"
	"net"
	"slices"
	"sync"
	"testing"

	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/sr"
	"github.com/twmb/franz-go/pkg/sr/srfake"
	"pgregory.net/rapid"

	"steadfeed/streamer/internal/binance"
	"steadfeed/streamer/internal/kafka"
	"steadfeed/streamer/internal/record"
	"steadfeed/streamer/schema"
)

// bench is a pipeline without an exchange: trades are put in by hand, gaps are
// answered by hand, and what Kafka acknowledged is looked at.
type bench struct {
	*pipeline
	mu    sync.Mutex
	acked []int64
}

func newBench(t testing.TB) *bench {
	t.Helper()
	cluster, err := kfake.NewCluster(kfake.NumBrokers(1), kfake.SeedTopics(1, schema.Topic))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(cluster.Close)
	registry := srfake.New()
	t.Cleanup(registry.Close)
	client, err := sr.NewClient(sr.URLs(registry.URL()))
	if err != nil {
		t.Fatal(err)
	}
	b := &bench{}
	log := slog.New(slog.DiscardHandler)
	encoder, err := record.NewEncoder(client, 1, func() {})
	if err != nil {
		t.Fatal(err)
	}
	writer, err := kafka.NewWriter(kafka.Options{Brokers: cluster.ListenAddrs(), Dial: (&net.Dialer{}).DialContext, Log: log, OnRetry: func() {},
		OnAck: func(r *kafka.Record, _ int64) {
			b.mu.Lock()
			defer b.mu.Unlock()
			b.acked = append(b.acked, r.ID)
		}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(writer.Close)
	b.pipeline = &pipeline{encoder: encoder, writer: writer, metrics: newMetrics(), log: log}
	b.reset()
	return b
}

// reset begins anew with one symbol of which nothing is known.
func (b *bench) reset() {
	b.acked, b.counts, b.held, b.repairing = nil, counts{}, 0, 0
	b.lanes = []*lane{{symbol: "BTCUSDT", key: []byte("BTCUSDT"), topic: schema.Topic, subject: schema.Subject(schema.Topic), metrics: b.metrics.lane("BTCUSDT")}}
	b.repairs = newRepairs(nil, 1, b.log)
}

func tradeOf(id int64) binance.Trade {
	return binance.Trade{Symbol: "BTCUSDT", ID: id, Price: 100, Quantity: 1, EventAt: id, TradedAt: id, ReceivedAt: id}
}

// Whatever order the wire brings trades in, with whatever repeated and
// whatever left out, and however the history answers (in pages, with rows that
// are known already or newer than what was asked for): each trade from the
// first one on is acknowledged once, in order.
func TestEachTradeOnceInOrder(t *testing.T) {
	b := newBench(t)
	ctx := context.Background()
	rapid.Check(t, func(t *rapid.T) {
		b.reset()
		const n = 40
		wire := rapid.SliceOfN(rapid.Int64Range(100, 100+n-1), 1, 120).Draw(t, "ids as they arrive")
		answer := func() {
			select {
			case a := <-b.repairs.gaps:
				page := rapid.Int64Range(1, 10).Draw(t, "rows in the answer")
				if err := b.repaired(ctx, answerOf(a, page, 100+n)); err != nil {
					t.Fatal(err)
				}
			default:
			}
		}
		for _, id := range wire {
			trade := tradeOf(id)
			if err := b.offer(ctx, &trade); err != nil {
				t.Fatal(err)
			}
			if rapid.Bool().Draw(t, "the history answers now") {
				answer()
			}
		}
		for len(b.repairs.gaps) > 0 {
			answer()
		}
		if err := b.writer.Drain(ctx); err != nil {
			t.Fatal(err)
		}
		var want []int64
		for id := wire[0]; id <= max(slices.Max(wire), b.lanes[0].tracker.Next()-1); id++ {
			want = append(want, id)
		}
		if !slices.Equal(b.acked, want) {
			t.Fatalf("acknowledged %v\nwant %v", b.acked, want)
		}
		if b.held != 0 || len(b.lanes[0].held) != 0 {
			t.Fatalf("%d trades are still held", b.held)
		}
		if b.counts.admitted != int64(len(want)) || b.counts.deferred != 0 {
			t.Fatalf("counts %+v for %d trades", b.counts, len(want))
		}
	})
}

// answerOf is what a history that has everything below end gives for a.
func answerOf(a ask, rows, end int64) answer {
	reply := answer{ask: a}
	for id := a.gap.First; id < min(a.gap.First+rows, end); id++ {
		reply.trades = append(reply.trades, tradeOf(id))
	}
	return reply
}

// What the history does not have is declared lost, with its ids, and the rest
// goes on in order.
func TestWhatTheHistoryLacksIsLost(t *testing.T) {
	b := newBench(t)
	ctx := context.Background()
	offer := func(ids ...int64) {
		t.Helper()
		for _, id := range ids {
			trade := tradeOf(id)
			if err := b.offer(ctx, &trade); err != nil {
				t.Fatal(err)
			}
		}
	}
	offer(100, 110) // 101 to 109 are missing
	a := <-b.repairs.gaps
	// The history begins at 104, and lacks 106.
	if err := b.repaired(ctx, answer{ask: a, trades: []binance.Trade{tradeOf(104), tradeOf(105), tradeOf(107)}}); err != nil {
		t.Fatal(err)
	}
	offer(111)
	a = <-b.repairs.gaps // 108 and 109: it says that it will never have them
	if err := b.repaired(ctx, answer{ask: a, gone: true}); err != nil {
		t.Fatal(err)
	}
	if err := b.writer.Drain(ctx); err != nil {
		t.Fatal(err)
	}
	if want := []int64{100, 104, 105, 107, 110, 111}; !slices.Equal(b.acked, want) {
		t.Errorf("acknowledged %v, want %v", b.acked, want)
	}
	if len(b.repairs.gaps) != 0 {
		t.Error("a gap is still asked about")
	}
}

// BenchmarkPipeline takes trades from the batch to Kafka's acknowledgement,
// with a broker in the same process.
func BenchmarkPipeline(b *testing.B) {
	bench := newBench(b)
	ctx := context.Background()
	b.ReportAllocs()
	var id int64
	for b.Loop() {
		trade := tradeOf(id)
		if err := bench.offer(ctx, &trade); err != nil {
			b.Fatal(err)
		}
		id++
	}
	if err := bench.writer.Drain(ctx); err != nil {
		b.Fatal(err)
	}
}
