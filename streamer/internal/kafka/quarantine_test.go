package kafka

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"

	"steadfeed/streamer/internal/testlog"
)

// quarantined is a broker in virtual time, and a quarantine before it. The
// broker can be away.
type quarantined struct {
	*Quarantine
	net  kfake.VirtualNetwork
	away atomic.Bool
	log  testlog.Log
	end  func()
}

func (k *quarantined) dial(ctx context.Context, network, addr string) (net.Conn, error) {
	if k.away.Load() {
		return nil, errors.New("away")
	}
	return k.net.DialContext(ctx, network, addr)
}

func newQuarantined(t *testing.T, topic string) *quarantined {
	t.Helper()
	k := &quarantined{}
	cluster, err := kfake.NewCluster(kfake.NumBrokers(1), kfake.Ports(9092), kfake.ListenFn(k.net.Listen))
	if err != nil {
		t.Fatal(err)
	}
	k.end = cluster.Close
	k.Quarantine, err = NewQuarantine(QuarantineOptions{Topic: topic, Replication: -1,
		Connection: Connection{Brokers: []string{"127.0.0.1:9092"}, Dial: k.dial, Log: slog.New(slog.NewTextHandler(&k.log, nil))}})
	if err != nil {
		t.Fatal(err)
	}
	return k
}

// read returns the first n records of the topic.
func (k *quarantined) read(t *testing.T, topic string, n int) (records []*kgo.Record) {
	t.Helper()
	client, err := kgo.NewClient(kgo.SeedBrokers("127.0.0.1:9092"), kgo.Dialer(k.net.DialContext), kgo.ConsumeTopics(topic),
		kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()))
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	for len(records) < n {
		fetched := client.PollFetches(ctx)
		if ctx.Err() != nil {
			t.Fatalf("%d of %d records", len(records), n)
		}
		records = append(records, fetched.Records()...)
	}
	return records
}

// What was put is in the topic, as it came, with its reason; the topic is made
// when it is not there.
func TestQuarantineKeeps(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k := newQuarantined(t, "trades.quarantine")
		defer k.end()
		raw := []byte(`{"e":"trade","p":"0"}`)
		at := time.Now()
		k.Put(Rejected{Reason: "zero price", Source: FromStream, Symbol: "BTCUSDT", ID: 77, Raw: raw, At: at})
		copy(raw, "XXXXXX") // the caller uses its buffer again
		k.Put(Rejected{Reason: "too long", Source: FromHistory, Raw: bytes.Repeat([]byte("x"), maxRaw+5), At: at})
		records := k.read(t, "trades.quarantine", 2)
		if err := k.Close(context.Background()); err != nil {
			t.Fatal(err)
		}
		if k.Written() != 2 || k.NotKept() != 0 {
			t.Errorf("%d written, %d not kept", k.Written(), k.NotKept())
		}
		headers := func(r *kgo.Record) (list []string) {
			for _, h := range r.Headers {
				list = append(list, h.Key+"="+string(h.Value))
			}
			return list
		}
		if got := fmt.Sprintf("%s %s %q", records[0].Key, records[0].Value, headers(records[0])); got != fmt.Sprintf(
			`BTCUSDT {"e":"trade","p":"0"} ["reason=zero price" "source=stream" "received_at=%s" "trade_id=77"]`, at.UTC().Format(time.RFC3339Nano)) {
			t.Error(got)
		}
		if got := fmt.Sprint(headers(records[1])); records[1].Key != nil || len(records[1].Value) != maxRaw || !strings.Contains(got, fmt.Sprint("cut_from_bytes=", maxRaw+5)) {
			t.Errorf("key %q, %d bytes, %s", records[1].Key, len(records[1].Value), got)
		}
	})
}

// With the broker away nothing waits and memory has its bound; what fitted is
// written when the broker is back, and the rest is counted.
func TestQuarantineIsBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k := newQuarantined(t, "q")
		defer k.end()
		k.away.Store(true)
		began := time.Now()
		for i := range 3 * MaxRejected {
			k.Put(Rejected{Reason: "bad", Source: FromStream, ID: int64(i + 1), Raw: []byte("x"), At: began})
		}
		if waited := time.Since(began); waited > 0 {
			t.Errorf("Put waited %v", waited)
		}
		time.Sleep(10 * time.Minute)
		if k.Written() != 0 || k.NotKept() != 2*MaxRejected {
			t.Errorf("%d written, %d not kept, want 0 and %d", k.Written(), k.NotKept(), 2*MaxRejected)
		}
		if lines := k.log.Count("not kept"); lines == 0 || lines > 3 {
			t.Errorf("said %d times that something was not kept", lines)
		}
		k.away.Store(false)
		k.read(t, "q", MaxRejected)
		if err := k.Close(context.Background()); err != nil {
			t.Error(err)
		}
		if k.Written() != MaxRejected {
			t.Errorf("%d written", k.Written())
		}
		k.Put(Rejected{Reason: "late", At: began})
		if k.NotKept() != 2*MaxRejected+1 {
			t.Errorf("after Close: %d not kept", k.NotKept())
		}
	})
}

// The bytes are bounded too.
func TestQuarantineBoundsBytes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k := newQuarantined(t, "q")
		defer k.end()
		k.away.Store(true)
		for range 100 {
			k.Put(Rejected{Reason: "bad", Raw: make([]byte, maxRaw), At: time.Now()})
		}
		synctest.Wait()
		if k.NotKept() < 100-maxRejectedBytes/maxRaw {
			t.Errorf("%d not kept of 100 of %d bytes", k.NotKept(), maxRaw)
		}
		// Close does not wait longer than it is allowed to.
		ctx, cancel := context.WithTimeout(context.Background(), time.Second)
		defer cancel()
		if err := k.Close(ctx); err == nil || k.NotKept() != 100 {
			t.Errorf("Close = %v, %d not kept", err, k.NotKept())
		}
	})
}

// A quarantine that nothing was put into has no client.
func TestQuarantineAtRest(t *testing.T) {
	q, err := NewQuarantine(QuarantineOptions{Topic: "q", Connection: Connection{Brokers: []string{"127.0.0.1:1"}, Log: slog.New(slog.DiscardHandler)}})
	if err != nil {
		t.Fatal(err)
	}
	if q.client != nil {
		t.Error("it has a client")
	}
	if err := q.Close(context.Background()); err != nil {
		t.Error(err)
	}
}
