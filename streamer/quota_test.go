package streamer

import (
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// A broker that throttles answers late, and asks the client to wait before the
// next request (KIP-219); one whose quota of topics is used up refuses to make
// any more for a while (KIP-599).
func TestQuotas(t *testing.T) {
	f := func(name string, delivery Delivery, late, wait time.Duration) {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				r := world(t, options{rate: 100, config: func(c *Config) { c.Delivery = delivery }})
				refused := 0
				r.cluster.ControlKey(int16(kmsg.CreateTopics), func(request kmsg.Request) (kmsg.Response, error, bool) {
					if refused++; refused < 3 {
						r.cluster.KeepControl()
					} else {
						r.cluster.DropControl()
					}
					answer := request.ResponseKind().(*kmsg.CreateTopicsResponse)
					for _, asked := range request.(*kmsg.CreateTopicsRequest).Topics {
						topic := kmsg.NewCreateTopicsResponseTopic()
						topic.Topic, topic.ErrorCode = asked.Topic, kerr.ThrottlingQuotaExceeded.Code
						answer.Topics = append(answer.Topics, topic)
					}
					return answer, nil, true
				})
				r.start()
				if refused != 3 {
					t.Errorf("%d topics were refused, want 3", refused)
				}
				time.Sleep(10 * time.Second)
				throttled := r.throttle(late, wait)
				time.Sleep(time.Minute)
				if n := throttled(); n < 10 {
					t.Errorf("only %d answers were throttled", n)
				} else {
					t.Logf("%d answers were throttled", n)
				}
				r.finish(time.Minute)
			})
		})
	}
	f("a little", ExactlyOnce, 100*time.Millisecond, 100*time.Millisecond)
	f("beyond the commit interval", ExactlyOnce, time.Second, time.Second)
	f("beyond the session timeout", ExactlyOnce, 7*time.Second, 0)
	f("at least once", AtLeastOnce, 500*time.Millisecond, 3*time.Second)
}

// forwarded marks a request that throttle has sent on.
const forwarded = 12345 * time.Millisecond

// throttle has the broker answer each produce request late, and demand a wait
// before the next one. It returns a function that ends that and says how many
// answers there were. The requests are carried out: a client of the rig's own
// sends them to the broker.
func (r *rig) throttle(late, wait time.Duration) (end func() int64) {
	client, err := kgo.NewClient(kgo.SeedBrokers(brokerAddr), kgo.Dialer(r.net.Dial))
	r.must(err)
	r.closed = append(r.closed, client.Close)
	var count atomic.Int64
	var over atomic.Bool
	r.cluster.ControlKey(int16(kmsg.Produce), func(request kmsg.Request) (kmsg.Response, error, bool) {
		asked := request.(*kmsg.ProduceRequest)
		if over.Load() {
			r.cluster.DropControl()
			return nil, nil, false
		}
		r.cluster.KeepControl()
		if asked.TimeoutMillis == int32(forwarded.Milliseconds()) {
			return nil, nil, false
		}
		copied := *asked
		copied.TimeoutMillis = int32(forwarded.Milliseconds())
		var answer kmsg.Response
		var err error
		r.cluster.SleepControl(func() {
			time.Sleep(late)
			answer, err = client.Broker(0).Request(r.t.Context(), &copied)
		})
		if err != nil {
			return nil, err, true
		}
		count.Add(1)
		answer.(*kmsg.ProduceResponse).ThrottleMillis = int32(wait.Milliseconds())
		return answer, nil, true
	})
	return func() int64 {
		over.Store(true)
		return count.Load()
	}
}
