package testbed

import (
	"io"
	"sync/atomic"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// The warm-up goes on until as many transactions as it wants are quick one
// after the other, and leaves no topic behind.
func TestWarmUp(t *testing.T) {
	kafka, err := NewMemory(io.Discard)
	if err != nil {
		t.Fatal(err)
	}
	defer kafka.Close()
	const slow = 5 // a run of quick ones that is too short lies behind each
	var commits atomic.Int64
	kafka.cluster.ControlKey(int16(kmsg.EndTxn), func(kmsg.Request) (kmsg.Response, error, bool) {
		kafka.cluster.KeepControl()
		if n := commits.Add(1); n <= slow*warmInARow && n%warmInARow == 0 {
			kafka.cluster.SleepControl(func() { time.Sleep(2 * warmCommit) })
		}
		return nil, nil, false
	})
	if err := warmUp(t.Context(), kafka.Brokers()); err != nil {
		t.Fatal(err)
	}
	if n := commits.Load(); n < (slow+1)*warmInARow {
		t.Errorf("warm after %d transactions; the last slow one was number %d", n, slow*warmInARow)
	}
	client, err := kgo.NewClient(kgo.SeedBrokers(kafka.Brokers()...))
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	topics, err := kadm.NewClient(client).ListTopics(t.Context())
	if err != nil || topics.Has(warmTopic) {
		t.Errorf("topics %v, %v: %s is still there", topics.Names(), err, warmTopic)
	}
}
