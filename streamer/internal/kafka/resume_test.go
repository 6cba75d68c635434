package kafka

import (
	"bytes"
	"context"
	"errors"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// However long the way from the newest snapshot to the end is, it is read: only
// brokers that give nothing for a while are given up.
func TestLongTailIsRead(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cluster, o, _, _ := virtual(t, 1)
		client, err := kgo.NewClient(kgo.SeedBrokers(o.Brokers...), kgo.Dialer(o.Dial), kgo.ProducerBatchCompression(kgo.NoCompression()))
		if err != nil {
			t.Fatal(err)
		}
		defer client.Close()
		const n = 8
		padding := bytes.Repeat([]byte("x"), tailBytes*3/4) // one record a fetch
		for i := range n {
			key := string(rune('A' + i))
			if err := client.ProduceSync(context.Background(), &kgo.Record{Topic: topic, Key: padding, Value: []byte(key + " 7")}).FirstErr(); err != nil {
				t.Fatal(err)
			}
		}
		var pause atomic.Int64
		pause.Store(int64(tailPatience / 3))
		t.Cleanup(func() { time.Sleep(2 * tailPatience) }) // until no answer waits any more
		cluster.ControlKey(int16(kmsg.Fetch), func(kmsg.Request) (kmsg.Response, error, bool) {
			cluster.KeepControl()
			cluster.SleepControl(func() { time.Sleep(time.Duration(pause.Load())) })
			return nil, nil, false
		})
		got := <-takeSoon(t, context.Background(), o)
		if got.err != nil {
			t.Fatalf("after %v: %v", got.after, got.err)
		}
		if got.owner.Close(); got.after < tailPatience {
			t.Errorf("it took %v, which proves nothing", got.after)
		}
		if has := len(got.owner.marks); has != n {
			t.Errorf("%d keys of %d are known", has, n)
		}
		pause.Store(int64(2 * tailPatience))
		if got := <-takeSoon(t, context.Background(), o); !errors.Is(got.err, errEndUnread) {
			t.Errorf("of brokers that give nothing, Take = %v", got.err)
		}
	})
}
