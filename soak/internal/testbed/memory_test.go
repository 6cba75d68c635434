package testbed

import (
	"context"
	"io"
	"net"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"
)

// TestMemoryGoesAwayAndComesBack: connections are cut and refused while the
// broker is away, and what it holds is there again afterwards.
func TestMemoryGoesAwayAndComesBack(t *testing.T) {
	kafka, err := NewMemory(io.Discard)
	if err != nil {
		t.Fatal(err)
	}
	defer kafka.Close()
	client, err := kgo.NewClient(kgo.SeedBrokers(kafka.Brokers()...), kgo.DefaultProduceTopic("t"), kgo.AllowAutoTopicCreation())
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	if err := client.ProduceSync(ctx, kgo.StringRecord("before")).FirstErr(); err != nil {
		t.Fatal(err)
	}
	inside, err := net.Dial("tcp", kafka.Brokers()[0])
	if err != nil {
		t.Fatal(err)
	}
	defer inside.Close()
	eventually(t, "it is let in", func() bool {
		kafka.door.mu.Lock()
		defer kafka.door.mu.Unlock()
		return len(kafka.door.inside) >= 2
	})
	for range 2 { // twice is as good as once
		if err := kafka.Away(ctx, 0, true); err != nil {
			t.Fatal(err)
		}
	}
	if n, err := inside.Read(make([]byte, 1)); err == nil {
		t.Errorf("read %d bytes from a broker that is away", n)
	}
	if conn, err := net.Dial("tcp", kafka.Brokers()[0]); err == nil {
		conn.Close()
		t.Error("a broker that is away took a connection")
	}
	late := make(chan error, 1)
	client.Produce(ctx, kgo.StringRecord("meanwhile"), func(_ *kgo.Record, err error) { late <- err })
	if err := kafka.Back(ctx, 0); err != nil {
		t.Fatal(err)
	}
	if err := <-late; err != nil {
		t.Errorf("produced while the broker was away: %v", err)
	}
	ends, err := kadm.NewClient(client).ListEndOffsets(ctx, "t")
	var end int64
	ends.Each(func(o kadm.ListedOffset) { end += o.Offset })
	if err != nil || end != 2 {
		t.Errorf("the topic holds %d records, %v; want 2", end, err)
	}
}

func TestMemoryClosesWhileAway(t *testing.T) {
	kafka, err := NewMemory(io.Discard)
	if err != nil {
		t.Fatal(err)
	}
	if err := kafka.Away(t.Context(), 0, false); err != nil {
		t.Fatal(err)
	}
	if err := kafka.Close(); err != nil {
		t.Error(err)
	}
}

// A commit that is answered and not done keeps its records from readers until
// the next one that is.
func TestMemoryCommitsInWordsOnly(t *testing.T) {
	kafka, err := NewMemory(io.Discard)
	if err != nil {
		t.Fatal(err)
	}
	defer kafka.Close()
	client, err := kgo.NewClient(kgo.SeedBrokers(kafka.Brokers()...), kgo.DefaultProduceTopic("t"), kgo.AllowAutoTopicCreation(),
		kgo.RecordPartitioner(kgo.ManualPartitioner()), kgo.TransactionalID("id"))
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	commit := func(commit kgo.TransactionEndTry) (readable int64) {
		t.Helper()
		if err := client.BeginTransaction(); err != nil {
			t.Fatal(err)
		}
		if err := client.ProduceSync(ctx, kgo.StringRecord("r")).FirstErr(); err != nil {
			t.Fatal(err)
		}
		if err := client.EndTransaction(ctx, commit); err != nil {
			t.Fatal(err)
		}
		offsets, err := kadm.NewClient(client).ListCommittedOffsets(ctx, "t")
		if err != nil {
			t.Fatal(err)
		}
		at, _ := offsets.Lookup("t", 0)
		return at.Offset
	}
	before := commit(kgo.TryCommit)
	stop := kafka.Unmade()
	if after := commit(kgo.TryCommit); after != before {
		t.Errorf("readers are at %d, and were at %d: the commit was done", after, before)
	}
	if n := stop(); n != 1 {
		t.Errorf("%d commits were answered, want 1", n)
	}
	if after := commit(kgo.TryCommit); after <= before+1 {
		t.Errorf("readers are at %d, and were at %d: nothing is done any more", after, before)
	}
}
