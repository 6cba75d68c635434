package kafka

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const (
	topic     = "trades"
	snapshots = "trades.snapshots"
)

// broker starts a fake broker with a topic of one partition, and that of its
// snapshots.
func broker(t testing.TB) *kfake.Cluster {
	t.Helper()
	cluster, err := kfake.NewCluster(kfake.NumBrokers(1), kfake.SeedTopics(1, topic, snapshots))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(cluster.Close)
	return cluster
}

func optionsFor(cluster *kfake.Cluster) OwnerOptions {
	return OwnerOptions{
		Connection: Connection{Brokers: cluster.ListenAddrs(), Dial: (&net.Dialer{}).DialContext, Log: slog.New(slog.DiscardHandler)},
		ID:         "group-trades-0", Topic: topic, Snapshots: snapshots, Partitions: 1,
		Transactional: true, CommitInterval: 5 * time.Millisecond,
		Decode: func(_ context.Context, value []byte) (string, Mark, error) {
			key, id, ok := bytes.Cut(value, []byte(" "))
			n, err := strconv.ParseInt(string(id), 10, 64)
			if !ok || err != nil {
				return "", Mark{}, nil
			}
			return string(key), Mark{ID: n, TradedAt: n * 10}, nil
		},
		OnRetry: func() {}, OnHung: func(bool) {},
	}
}

func take(t testing.TB, o OwnerOptions) *Owner {
	t.Helper()
	owner, err := Take(context.Background(), o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(owner.Close)
	return owner
}

// send produces n records of key with values that tell them apart.
func send(t testing.TB, owner *Owner, key string, from, n int64) {
	t.Helper()
	for id := from; id < from+n; id++ {
		r := owner.Next()
		r.Mark, r.ID, r.TradedAt = owner.Mark(key), id, id*10
		r.Body = fmt.Appendf(r.Body, "%s %d", key, id)
		if err := owner.Produce(context.Background(), []byte(key), r); err != nil {
			t.Fatal(err)
		}
	}
}

func commit(t testing.TB, owner *Owner) []Settled {
	t.Helper()
	settled, err := owner.Commit(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	return settled
}

// values reads the committed records of the topic, of which there must be n.
func values(t testing.TB, cluster *kfake.Cluster, n int) []string {
	t.Helper()
	client, err := kgo.NewClient(kgo.SeedBrokers(cluster.ListenAddrs()...), kgo.ConsumeTopics(topic), kgo.FetchIsolationLevel(kgo.ReadCommitted()))
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	var got []string
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	for len(got) < n {
		fetched := client.PollFetches(ctx)
		if err := fetched.Err0(); err != nil {
			t.Fatalf("after %d records: %v", len(got), err)
		}
		fetched.EachRecord(func(r *kgo.Record) { got = append(got, string(r.Value)) })
	}
	return got
}

// Every record is settled once, in order, and its value is intact in the topic
// although the memory under it is used again and again.
func TestEachRecordIsSettledOnceInOrder(t *testing.T) {
	f := func(transactional bool) {
		const n = 20 * MaxInFlight
		cluster := broker(t)
		o := optionsFor(cluster)
		o.Transactional = transactional
		owner := take(t, o)
		var settled []int64
		for from := int64(0); from < n; from += 1000 {
			send(t, owner, "KEY", from, 1000)
			for _, s := range commit(t, owner) {
				settled = append(settled, s.ID)
			}
		}
		if err := owner.Flush(context.Background()); err != nil {
			t.Fatal(err)
		}
		for _, s := range commit(t, owner) {
			settled = append(settled, s.ID)
		}
		if len(settled) != n {
			t.Fatalf("%d records settled of %d", len(settled), n)
		}
		for i, id := range settled {
			if id != int64(i) {
				t.Fatalf("record %d settled was id %d", i, id)
			}
		}
		if got := owner.InFlight(); got != 0 {
			t.Errorf("%d in flight at the end", got)
		}
		if mark := *owner.Mark("KEY"); mark != (Mark{n - 1, (n - 1) * 10}) {
			t.Errorf("the mark is %+v", mark)
		}
		for i, value := range values(t, cluster, n) {
			if want := fmt.Sprintf("KEY %d", i); value != want {
				t.Fatalf("record %d is %q, want %q", i, value, want)
			}
		}
	}
	f(true)
	f(false)
}

// A value larger than its room is kept whole and disturbs no other.
func TestLargeBody(t *testing.T) {
	cluster := broker(t)
	owner := take(t, optionsFor(cluster))
	var want []string
	for i, size := range []int{10, MaxBody - 1, MaxBody, MaxBody + 1, 3 * MaxBody, 10} {
		want = append(want, strings.Repeat(string(rune('a'+i)), size))
		r := owner.Next()
		r.Mark, r.Body = owner.Mark("KEY"), append(r.Body, want[i]...)
		if err := owner.Produce(context.Background(), nil, r); err != nil {
			t.Fatal(err)
		}
		commit(t, owner)
	}
	if got := values(t, cluster, len(want)); !slices.Equal(got, want) {
		t.Errorf("the topic holds %q", got)
	}
}

// The next owner knows what was committed, and what was not is not there. The
// one before can write nothing more.
func TestTakeFences(t *testing.T) {
	cluster := broker(t)
	old := take(t, optionsFor(cluster))
	send(t, old, "A", 100, 3)
	send(t, old, "B", 7, 1)
	commit(t, old)
	send(t, old, "A", 103, 5) // in hand
	owner := take(t, optionsFor(cluster))
	if a, b := *owner.Mark("A"), *owner.Mark("B"); a != (Mark{102, 1020}) || b != (Mark{7, 70}) {
		t.Errorf("the next owner found A at %+v and B at %+v", a, b)
	}
	if _, err := old.Commit(context.Background()); !Fenced(err) {
		t.Errorf("the old owner's commit = %v, want that it is fenced", err)
	}
	send(t, owner, "A", 103, 2)
	commit(t, owner)
	if got, want := values(t, cluster, 6), []string{"A 100", "A 101", "A 102", "B 7", "A 103", "A 104"}; !slices.Equal(got, want) {
		t.Errorf("the topic holds %q, want %q", got, want)
	}
}

// What is known from before a snapshot survives although nobody reads it any
// more, and what came after it counts for more.
func TestSnapshot(t *testing.T) {
	cluster := broker(t)
	o := optionsFor(cluster)
	owner := take(t, o)
	send(t, owner, "QUIET", 5, 1)
	for id := int64(100); id < 110; id++ {
		owner.Clock(owner.now.Add(snapshotEvery / 2))
		send(t, owner, "BUSY", id, 1)
		commit(t, owner)
	}
	read := 0
	decode := o.Decode
	o.Decode = func(ctx context.Context, value []byte) (string, Mark, error) {
		read++
		return decode(ctx, value)
	}
	next := take(t, o)
	if quiet, busy := next.Mark("QUIET").ID, next.Mark("BUSY").ID; quiet != 5 || busy != 109 {
		t.Errorf("QUIET at %d and BUSY at %d, want 5 and 109", quiet, busy)
	}
	if read > 4 {
		t.Errorf("%d records of the partition were read behind the newest snapshot", read)
	}
	o.Partitions = 2
	if _, err := Take(context.Background(), o); !errors.Is(err, ErrPartitions) {
		t.Errorf("Take of a topic that was given partitions = %v", err)
	}
}

// A key whose only record has id 0 is known to the next owner, from the
// partition as from a snapshot.
func TestFirstIDIsZero(t *testing.T) {
	cluster := broker(t)
	o := optionsFor(cluster)
	decode := o.Decode
	o.Decode = func(ctx context.Context, value []byte) (string, Mark, error) {
		key, mark, err := decode(ctx, value)
		mark.TradedAt++ // that of id 0 is not zero
		return key, mark, err
	}
	first := take(t, o)
	send(t, first, "NEW", 0, 1)
	commit(t, first)
	second := take(t, o)
	if mark := second.Mark("NEW"); *mark != (Mark{0, 1}) {
		t.Errorf("NEW at %+v", mark)
	}
	send(t, second, "OLD", 8, 1)
	commit(t, second)
	second.Clock(second.now.Add(2 * snapshotEvery))
	send(t, second, "OLD", 9, 1) // with a snapshot of what is before
	commit(t, second)
	o.Decode = func(ctx context.Context, value []byte) (string, Mark, error) {
		if bytes.HasPrefix(value, []byte("NEW")) {
			t.Error("what is before the snapshot was read")
		}
		return decode(ctx, value)
	}
	if mark := take(t, o).Mark("NEW"); *mark != (Mark{0, 1}) {
		t.Errorf("after a snapshot NEW at %+v", mark)
	}
}

// Somebody else's record among ours is found before the commit.
func TestForeignRecordEndsTheTransaction(t *testing.T) {
	cluster := broker(t)
	owner := take(t, optionsFor(cluster))
	send(t, owner, "A", 1, 1)
	commit(t, owner)
	client, err := kgo.NewClient(kgo.SeedBrokers(cluster.ListenAddrs()...))
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	if err := client.ProduceSync(context.Background(), &kgo.Record{Topic: topic, Value: []byte("not one of ours")}).FirstErr(); err != nil {
		t.Fatal(err)
	}
	send(t, owner, "A", 2, 1)
	if _, err := owner.Commit(context.Background()); !errors.Is(err, ErrForeign) {
		t.Errorf("Commit = %v, want %v", err, ErrForeign)
	}
	owner.Close()
	next := take(t, optionsFor(cluster))
	if mark := next.Mark("A").ID; mark != 1 {
		t.Errorf("A at %d, want 1", mark)
	}
	send(t, next, "A", 2, 1)
	commit(t, next)
	if got, want := values(t, cluster, 3), []string{"A 1", "not one of ours", "A 2"}; !slices.Equal(got, want) {
		t.Errorf("the topic holds %q, want %q", got, want)
	}
}

// With the brokers silent, Produce takes MaxInFlight records and then waits.
func TestInFlightIsBounded(t *testing.T) {
	cluster := broker(t)
	owner := take(t, optionsFor(cluster))
	send(t, owner, "A", 0, 1)
	commit(t, owner)
	cluster.Close()
	ctx, cancel := context.WithCancel(context.Background())
	taken := make(chan int64, 1)
	go func() {
		var n int64
		for ctx.Err() == nil {
			r := owner.Next()
			r.Mark, r.Body = owner.Mark("A"), append(r.Body, "x"...)
			if owner.Produce(ctx, nil, r) == nil {
				n++
			}
		}
		taken <- n
	}()
	for deadline := time.Now().Add(10 * time.Second); owner.InFlight() <= MaxInFlight; time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("Produce never reached the limit")
		}
	}
	if waiting := owner.Waiting(); waiting <= 0 {
		t.Errorf("records wait for %v", waiting)
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
	f := func(name string, transactional bool) {
		b.Run(name, func(b *testing.B) {
			o := optionsFor(broker(b))
			o.Transactional, o.CommitInterval = transactional, 50*time.Millisecond
			owner := take(b, o)
			value := []byte(strings.Repeat("v", 90))
			key := []byte("BTCUSDT")
			mark := owner.Mark("BTCUSDT")
			ctx := context.Background()
			b.ReportAllocs()
			for b.Loop() {
				r := owner.Next()
				r.Mark, r.Body = mark, append(r.Body, value...)
				if err := owner.Produce(ctx, key, r); err != nil {
					b.Fatal(err)
				}
				if owner.Full() {
					commit(b, owner)
				}
			}
			commit(b, owner)
		})
	}
	f("exactly-once", true)
	f("at-least-once", false)
}
