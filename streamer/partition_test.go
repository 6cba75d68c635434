package streamer

import (
	"context"
	"log/slog"
	"net"
	"slices"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kmsg"
	"github.com/twmb/franz-go/pkg/sr"
	"github.com/twmb/franz-go/pkg/sr/srfake"
	"pgregory.net/rapid"

	"steadfeed/streamer/internal/binance"
	"steadfeed/streamer/internal/kafka"
	"steadfeed/streamer/internal/record"
	"steadfeed/streamer/schema"
)

// bench is a partition without an exchange: trades are put in by hand, gaps are
// answered by hand, and what is visible in Kafka is looked at.
type bench struct {
	*partition
	owner   *kafka.Owner
	visible []int64
}

func newBench(t testing.TB) *bench {
	t.Helper()
	cluster, err := kfake.NewCluster(kfake.NumBrokers(1), kfake.SeedTopics(1, schema.Topic, snapshotsOf(schema.Topic)))
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
	log := slog.New(slog.DiscardHandler)
	encoder, err := record.NewEncoder(client, 1, func() {})
	if err != nil {
		t.Fatal(err)
	}
	c := DefaultConfig()
	b := &bench{partition: &partition{topic: schema.Topic, of: 1, encoder: encoder, shared: &shared{
		config: &c, metrics: newMetrics(), log: log, decoder: record.NewDecoder(client), feed: binance.NewFeed(binance.Options{Symbols: []string{"BTCUSDT"}}),
		connection: kafka.Connection{Brokers: cluster.ListenAddrs(), Dial: (&net.Dialer{}).DialContext, Log: log}}}}
	b.owner, err = kafka.Take(context.Background(), b.ownerOptions())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(b.owner.Close)
	b.reset()
	return b
}

// reset begins anew with one symbol of which nothing is known.
func (b *bench) reset() {
	b.visible, b.counts, b.told = nil, counts{}, counts{}
	b.held.Store(0)
	l := &lane{symbol: "BTCUSDT", key: []byte("BTCUSDT"), topic: schema.Topic, subject: schema.Subject(schema.Topic), metrics: b.metrics.lane("BTCUSDT")}
	l.mark = &kafka.Mark{}
	b.lanes, b.all = []*lane{l}, []*lane{l}
	b.answers = make(chan answer, 1)
	b.repairs = newRepairs(nil, 1, b.log)
}

// offer gives trades to the lane.
func (b *bench) offer(t interface{ Fatal(...any) }, ids ...int64) {
	for _, id := range ids {
		trade := tradeOf(id)
		if err := b.partition.offer(context.Background(), b.owner, b.lanes[0], &trade); err != nil {
			t.Fatal(err)
		}
	}
}

// answer gives the lane what the history has.
func (b *bench) answer(t interface{ Fatal(...any) }, a answer) {
	if err := b.repaired(context.Background(), b.owner, a); err != nil {
		t.Fatal(err)
	}
}

// commit makes visible what was produced.
func (b *bench) commit(t interface{ Fatal(...any) }) {
	settled, err := b.owner.Commit(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range settled {
		b.visible = append(b.visible, s.ID)
	}
}

func tradeOf(id int64) binance.Trade {
	return binance.Trade{Symbol: "BTCUSDT", ID: id, Price: 100, Quantity: 1, EventAt: id, TradedAt: id, ReceivedAt: id}
}

// Whatever order the wire brings trades in, with whatever repeated and
// whatever left out, and however the history answers (in pages, with rows that
// are known already or newer than what was asked for): each trade from the
// first one on is visible once, in order.
func TestEachTradeOnceInOrder(t *testing.T) {
	b := newBench(t)
	rapid.Check(t, func(t *rapid.T) {
		b.reset()
		const n = 40
		wire := rapid.SliceOfN(rapid.Int64Range(100, 100+n-1), 1, 120).Draw(t, "ids as they arrive")
		b.carry(t, wire, 100+n)
		b.check(t, wire[0], max(slices.Max(wire), b.lanes[0].tracker.Next()-1))
	})
}

// Two sessions of the same stream, as at a rotation: each delivers in its own
// time, loses some, repeats some, and swaps neighbours.
func TestTwoSessions(t *testing.T) {
	b := newBench(t)
	rapid.Check(t, func(t *rapid.T) {
		b.reset()
		const n = 60
		session := func(name string) (ids []int64) {
			first := rapid.Int64Range(100, 120).Draw(t, name+" begins")
			for id := first; id < 100+n; id++ {
				switch rapid.IntRange(0, 9).Draw(t, name) {
				case 0: // lost
				case 1:
					ids = append(ids, id, id)
				case 2:
					ids = append(ids, id+1, id)
				default:
					ids = append(ids, id)
				}
			}
			return ids
		}
		old, fresh := session("old"), session("new")
		var wire []int64
		for len(old)+len(fresh) > 0 {
			if len(fresh) == 0 || len(old) > 0 && rapid.Bool().Draw(t, "the old one is read") {
				wire, old = append(wire, old[0]), old[1:]
			} else {
				wire, fresh = append(wire, fresh[0]), fresh[1:]
			}
		}
		if len(wire) == 0 {
			return
		}
		b.carry(t, wire, 100+n+2)
		b.check(t, wire[0], max(slices.Max(wire), b.lanes[0].tracker.Next()-1))
	})
}

// carry offers ids as the wire brings them, and answers from a history that has
// everything below end, now or later and in pages of any size.
func (b *bench) carry(t *rapid.T, wire []int64, end int64) {
	answer := func() {
		select {
		case a := <-b.repairs.gaps:
			b.answer(t, answerOf(a, rapid.Int64Range(1, 10).Draw(t, "rows in the answer"), end))
		default:
		}
	}
	for _, id := range wire {
		b.offer(t, id)
		if rapid.Bool().Draw(t, "the history answers now") {
			answer()
		}
	}
	for len(b.repairs.gaps) > 0 {
		answer()
	}
	b.commit(t)
}

// check holds what is visible against all ids from first to last.
func (b *bench) check(t *rapid.T, first, last int64) {
	var want []int64
	for id := first; id <= last; id++ {
		want = append(want, id)
	}
	if !slices.Equal(b.visible, want) {
		t.Fatalf("visible are %v\nwant %v", b.visible, want)
	}
	if b.held.Load() != 0 || len(b.lanes[0].held) != 0 {
		t.Fatalf("%d trades are still held", b.held.Load())
	}
	if b.counts.admitted != int64(len(want)) || b.counts.deferred != 0 {
		t.Fatalf("counts %+v for %d trades", b.counts, len(want))
	}
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
	b.offer(t, 100, 110) // 101 to 109 are missing
	a := <-b.repairs.gaps
	// The history begins at 104, and lacks 106.
	b.answer(t, answer{ask: a, trades: []binance.Trade{tradeOf(104), tradeOf(105), tradeOf(107)}})
	b.offer(t, 111)
	a = <-b.repairs.gaps // 108 and 109: it says that it will never have them
	b.answer(t, answer{ask: a, gone: true})
	b.commit(t)
	if want := []int64{100, 104, 105, 107, 110, 111}; !slices.Equal(b.visible, want) {
		t.Errorf("visible are %v, want %v", b.visible, want)
	}
	if len(b.repairs.gaps) != 0 {
		t.Error("a gap is still asked about")
	}
}

// A new owner begins after what Kafka has: what it knows is a duplicate, what
// is missing since is a gap.
func TestResumeFromMark(t *testing.T) {
	b := newBench(t)
	b.lanes[0].mark = &kafka.Mark{ID: 104}
	b.lanes[0].tracker.Resume(104)
	b.offer(t, 103, 104, 107)
	b.answer(t, answerOf(<-b.repairs.gaps, 10, 107))
	b.commit(t)
	if want := []int64{105, 106, 107}; !slices.Equal(b.visible, want) {
		t.Errorf("visible are %v, want %v", b.visible, want)
	}
	if b.counts.duplicates != 2 {
		t.Errorf("%d duplicates, want 2", b.counts.duplicates)
	}
}

// A symbol of which neither Kafka nor the stream has a trade: the exchange says
// where its account begins, so that what is missed from then on is known to be.
func TestOrientation(t *testing.T) {
	b := newBench(t)
	l := b.lanes[0]
	l.openedAt.Store(time.Now().Add(-time.Minute).UnixNano())
	b.look(context.Background())
	b.look(context.Background())
	a := <-b.repairs.probes
	if !a.newest {
		t.Fatalf("asked %+v, want for the newest trade", a)
	}
	b.answer(t, answer{ask: a, trades: []binance.Trade{tradeOf(100)}})
	b.offer(t, 103)
	b.answer(t, answerOf(<-b.repairs.gaps, 10, 103))
	b.commit(t)
	if want := []int64{101, 102, 103}; !slices.Equal(b.visible, want) {
		t.Errorf("visible are %v, want %v", b.visible, want)
	}
}

// BenchmarkPartition takes trades from the ring to visible in Kafka, with a
// broker in the same process.
func BenchmarkPartition(b *testing.B) {
	bench := newBench(b)
	b.ReportAllocs()
	var id int64
	for b.Loop() {
		bench.offer(b, id)
		id++
		if bench.owner.Full() {
			bench.commit(b)
			bench.visible = bench.visible[:0]
		}
	}
	bench.commit(b)
}

// A partition that somebody else has is not taken again by who was about to:
// that would fence its owner for nothing. What is only given away is not either.
func TestLostWhileRetaking(t *testing.T) {
	f := func(cause error, draining bool, again bool) {
		t.Helper()
		synctest.Test(t, func(t *testing.T) {
			r := world(t, options{kafka: []kfake.Opt{kfake.SeedTopics(1, schema.Topic, snapshotsOf(schema.Topic))}})
			var taken atomic.Int64
			r.cluster.ControlKey(int16(kmsg.InitProducerID), func(request kmsg.Request) (kmsg.Response, error, bool) {
				r.cluster.KeepControl()
				taken.Add(1)
				answer := request.ResponseKind().(*kmsg.InitProducerIDResponse)
				answer.ErrorCode = kerr.TransactionalIDAuthorizationFailed.Code
				return answer, nil, true
			})
			life, end := context.WithCancel(context.Background())
			c := r.config
			p := &partition{topic: schema.Topic, of: 1, lanes: []*lane{{symbol: "BTCUSDT"}}, shared: &shared{config: &c, life: life, metrics: newMetrics(), log: c.Log}}
			p.connection = kafka.Connection{Brokers: c.KafkaBrokers, Dial: c.Dial, Log: c.Log}
			p.draining.Store(draining)
			ctx, lose := context.WithCancelCause(context.Background())
			over := make(chan struct{})
			go func() {
				defer close(over)
				p.own(ctx, &kafka.Tenure{})
			}()
			time.Sleep(retakePause / 2)
			before := taken.Load()
			if before == 0 {
				t.Fatal("it was not tried to take the partition")
			}
			lose(cause)
			time.Sleep(time.Minute)
			if tried := taken.Load() > before; tried != again {
				t.Errorf("%v, draining %v: taken again: %v", cause, draining, tried)
			}
			end()
			<-over
		})
	}
	f(kafka.ErrLost, false, false)
	f(kafka.ErrLost, true, false)
	f(context.Canceled, false, false)
	f(context.Canceled, true, true) // what was received has to be made visible
}

// A symbol whose partition is given away is not said to be halted for ever.
func TestHaltEndsWithTheOwnership(t *testing.T) {
	b := newBench(t)
	l := b.lanes[0]
	b.partition.owner.Store(b.owner)
	l.rhythm = rhythm{heardAt: 1, heards: rhythmKnown}
	b.heardOf(l, answer{})
	halted := func() (sum float64) {
		families, err := b.metrics.registry.Gather()
		if err != nil {
			t.Fatal(err)
		}
		for _, f := range families {
			if f.GetName() == "binance_symbol_halted" {
				for _, m := range f.GetMetric() {
					sum += m.GetGauge().GetValue()
				}
			}
		}
		return sum
	}
	if got := halted(); got != 1 {
		t.Fatalf("halted is %v", got)
	}
	b.abandon()
	if got := halted(); got != 0 {
		t.Errorf("without an owner halted is %v", got)
	}
}

// A stream that is dead when its partition is taken, and so shows no rhythm, is
// looked into all the same.
func TestStreamDeadFromTheStartIsLookedInto(t *testing.T) {
	b := newBench(t)
	l := b.lanes[0]
	*b.owner.Mark(l.symbol) = kafka.Mark{ID: 7, TradedAt: 1}
	b.begin(t.Context(), b.owner)
	if !l.rhythm.silent(time.Now().Add(silentAgainMost + time.Minute).UnixMicro()) {
		t.Errorf("after %v of silence nobody asks", silentAgainMost)
	}
}
