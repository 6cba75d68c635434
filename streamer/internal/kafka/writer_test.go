package kafka

import (
	"context"
	"fmt"
	"log/slog"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const topic = "trades"

// broker starts a fake broker with one topic of one partition.
func broker(t testing.TB) *kfake.Cluster {
	t.Helper()
	cluster, err := kfake.NewCluster(kfake.NumBrokers(1), kfake.SeedTopics(1, topic))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(cluster.Close)
	return cluster
}

func writer(t testing.TB, cluster *kfake.Cluster, onAck func(*Record, int64)) *Writer {
	t.Helper()
	w, err := NewWriter(Options{Brokers: cluster.ListenAddrs(), Linger: time.Millisecond, Dial: (&net.Dialer{}).DialContext,
		Log: slog.New(slog.DiscardHandler), OnAck: onAck, OnRetry: func() {}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(w.Close)
	return w
}

// send produces n records with values that tell them apart.
func send(t testing.TB, w *Writer, from, n int64) {
	t.Helper()
	for id := from; id < from+n; id++ {
		r := w.Next()
		r.ID = id
		r.Body = fmt.Appendf(r.Body, "value %d", id)
		if err := w.Produce(context.Background(), topic, []byte("KEY"), r); err != nil {
			t.Fatal(err)
		}
	}
}

// Every record is acknowledged once, in order, and its value is intact in the
// topic although the memory under it is used again and again.
func TestEachRecordIsAcknowledgedOnceInOrder(t *testing.T) {
	const n = 20 * MaxInFlight
	cluster := broker(t)
	var mu sync.Mutex
	var acked []int64
	w := writer(t, cluster, func(r *Record, _ int64) {
		mu.Lock()
		defer mu.Unlock()
		acked = append(acked, r.ID)
	})
	send(t, w, 0, n)
	if err := w.Drain(context.Background()); err != nil {
		t.Fatal(err)
	}
	if len(acked) != n {
		t.Fatalf("%d acknowledgements for %d records", len(acked), n)
	}
	for i, id := range acked {
		if id != int64(i) {
			t.Fatalf("acknowledgement %d is for id %d", i, id)
		}
	}
	if got := w.InFlight(); got != 0 {
		t.Errorf("%d in flight after the drain", got)
	}
	consumer, err := kgo.NewClient(kgo.SeedBrokers(cluster.ListenAddrs()...), kgo.ConsumeTopics(topic))
	if err != nil {
		t.Fatal(err)
	}
	defer consumer.Close()
	for read := int64(0); read < n; {
		ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
		fetches := consumer.PollFetches(ctx)
		cancel()
		if err := fetches.Err0(); err != nil {
			t.Fatalf("after %d records: %v", read, err)
		}
		fetches.EachRecord(func(r *kgo.Record) {
			if want := fmt.Sprintf("value %d", read); string(r.Value) != want || string(r.Key) != "KEY" {
				t.Fatalf("record %d is %q under %q, want %q", read, r.Value, r.Key, want)
			}
			read++
		})
	}
}

// A value larger than its room is kept whole and disturbs no other.
func TestLargeBody(t *testing.T) {
	cluster := broker(t)
	var got []string
	w := writer(t, cluster, func(r *Record, _ int64) { got = append(got, string(r.Body)) })
	for _, size := range []int{10, MaxBody - 1, MaxBody, MaxBody + 1, 3 * MaxBody, 10} {
		r := w.Next()
		r.Body = append(r.Body, strings.Repeat(string(rune('a'+len(got)%26)), size)...)
		if err := w.Produce(context.Background(), topic, nil, r); err != nil {
			t.Fatal(err)
		}
		if err := w.Drain(context.Background()); err != nil {
			t.Fatal(err)
		}
		if last := got[len(got)-1]; len(last) != size || strings.Count(last, last[:1]) != size {
			t.Errorf("a value of %d bytes came back as %q", size, last)
		}
	}
}

// With the brokers silent, Produce takes MaxInFlight records and then waits.
func TestInFlightIsBounded(t *testing.T) {
	cluster := broker(t)
	w := writer(t, cluster, func(*Record, int64) {})
	send(t, w, 0, 1)
	if err := w.Drain(context.Background()); err != nil {
		t.Fatal(err)
	}
	cluster.Close()
	ctx, cancel := context.WithCancel(context.Background())
	taken := make(chan int64, 1)
	go func() {
		var n int64
		for ctx.Err() == nil {
			r := w.Next()
			r.Body = append(r.Body, "x"...)
			if w.Produce(ctx, topic, nil, r) == nil {
				n++
			}
		}
		taken <- n
	}()
	for deadline := time.Now().Add(10 * time.Second); !w.Waiting(); time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("Produce never waited")
		}
	}
	if got := w.InFlight(); got > MaxInFlight+1 {
		t.Errorf("%d in flight, limit %d and the one that waits", got, MaxInFlight)
	}
	cancel()
	if n := <-taken; n != MaxInFlight {
		t.Errorf("%d records taken, limit %d", n, MaxInFlight)
	}
}

// What goes through the slabs costs no allocation once they are warm.
func TestSlabsAllocateNothing(t *testing.T) {
	var s slabs
	value := []byte(strings.Repeat("v", 90))
	one := func() {
		body, from := s.take()
		s.fill(from, append(body, value...))
		s.release(from)
	}
	for range 10000 {
		one()
	}
	if n := testing.AllocsPerRun(10000, one); n > 0 {
		t.Errorf("%v allocations a value", n)
	}
}

func BenchmarkProduce(b *testing.B) {
	cluster := broker(b)
	w := writer(b, cluster, func(*Record, int64) {})
	value := []byte(strings.Repeat("v", 90))
	key := []byte("BTCUSDT")
	ctx := context.Background()
	b.ReportAllocs()
	for b.Loop() {
		r := w.Next()
		r.Body = append(r.Body, value...)
		if err := w.Produce(ctx, topic, key, r); err != nil {
			b.Fatal(err)
		}
	}
	if err := w.Drain(ctx); err != nil {
		b.Fatal(err)
	}
}
