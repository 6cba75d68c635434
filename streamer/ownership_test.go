package streamer

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// second adds a streamer of the same group and waits until it stands by.
func (r *rig) second(name string) *node {
	r.t.Helper()
	c := r.config
	c.InstanceID = name
	n := r.another(fmt.Sprintf("127.0.0.1:%d", 9100+len(r.nodes)), c)
	n.startStreamer()
	r.waitFor(name+" standing by", 30*time.Second, func() bool {
		code, why := n.get("/readyz")
		return code == http.StatusServiceUnavailable && strings.Contains(why, "standby") || code == http.StatusOK && c.Share > 0
	})
	return n
}

// pauses consumes the topic, and returns a function that ends that and gives
// the longest time between two records of a symbol that were visible.
func (r *rig) pauses() func() time.Duration {
	ctx, cancel := context.WithCancel(context.Background())
	client, err := kgo.NewClient(kgo.SeedBrokers(brokerAddr), kgo.Dialer(r.net.Dial), kgo.ConsumeTopics(r.config.Topic),
		kgo.ConsumeResetOffset(kgo.NewOffset().AtEnd()), kgo.FetchIsolationLevel(kgo.ReadCommitted()), kgo.FetchMaxWait(10*time.Millisecond))
	r.must(err)
	longest := make(chan time.Duration)
	go func() {
		defer client.Close()
		var most time.Duration
		seen := map[string]time.Time{}
		for ctx.Err() == nil {
			client.PollFetches(ctx).EachRecord(func(record *kgo.Record) {
				now := time.Now()
				if at, ok := seen[string(record.Key)]; ok {
					most = max(most, now.Sub(at))
				}
				seen[string(record.Key)] = now
			})
		}
		longest <- most
	}()
	time.Sleep(time.Second)
	return func() time.Duration {
		cancel()
		return <-longest
	}
}

// A streamer that is killed and started again goes on where Kafka says that it
// ended: nothing lost, nothing twice. It has no other memory.
func TestResumeAfterKill(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := world(t, options{rate: 100, config: func(c *Config) { c.InstanceID = "one" }})
		r.start()
		jitter := rand.New(rand.NewPCG(7, 7))
		for range 20 {
			time.Sleep(2*time.Second + time.Duration(jitter.Int64N(int64(5*time.Second))))
			r.kill()
			time.Sleep(time.Duration(jitter.Int64N(int64(3 * time.Second))))
			r.startStreamer()
			r.waitFor("ready again", 30*time.Second, r.ready)
		}
		r.finish(time.Minute)
	})
}

// What the exchange published while nobody ran is fetched, also of a symbol
// that stays quiet after the start.
func TestResumeAfterRest(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := world(t, options{})
		r.start()
		time.Sleep(10 * time.Second)
		r.drain()
		time.Sleep(10 * time.Minute)
		r.exchange.StopPublishing()
		r.startStreamer()
		r.waitFor("ready again", 30*time.Second, r.ready)
		r.finish(time.Minute)
	})
}

// The one that stands by goes on where the other ended, after a drain at once.
func TestHandOver(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := world(t, options{rate: 300, config: func(c *Config) { c.InstanceID = "blue" }})
		r.start()
		green := r.second("green")
		if code, why := green.get("/healthz"); code != http.StatusOK {
			t.Errorf("a standby is healthy, but: %d %s", code, why)
		}
		time.Sleep(5 * time.Second)
		longest := r.pauses()
		r.drain()
		r.waitFor("green ready", 10*time.Second, green.ready)
		time.Sleep(2 * time.Second)
		if pause := longest(); pause > 500*time.Millisecond {
			t.Errorf("a pause of %v at the hand-over", pause)
		} else {
			t.Logf("a pause of %v", pause)
		}
		r.node = green
		if backfilled := r.metric("binance_trades_backfilled_total"); backfilled != 0 {
			t.Errorf("%v trades came from the history: the standby was not warm", backfilled)
		}
		r.finish(10 * time.Second)
	})
}

// After a kill it goes on within the session timeout and two seconds.
func TestTakeOverAfterKill(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := world(t, options{rate: 300, config: func(c *Config) { c.InstanceID = "one" }})
		r.start()
		two := r.second("two")
		for range 3 {
			time.Sleep(5 * time.Second)
			longest := r.pauses()
			r.kill()
			r.waitFor("the other ready", 10*time.Second, two.ready)
			time.Sleep(2 * time.Second)
			if pause := longest(); pause > r.config.SessionTimeout+2*time.Second {
				t.Errorf("a pause of %v", pause)
			}
			one := r.node
			r.node = two
			one.startStreamer()
			r.waitFor("one standing by", 30*time.Second, func() bool { _, why := one.get("/readyz"); return strings.Contains(why, "standby") })
			two = one
		}
		r.finish(10 * time.Second)
	})
}

// One that Kafka does not hear for longer than the session timeout is replaced.
// When it is heard again, nothing of what it had in hand becomes visible.
func TestZombieWritesNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := world(t, options{rate: 300, config: func(c *Config) { c.InstanceID = "one" }})
		r.start()
		two := r.second("two")
		for range 3 {
			time.Sleep(5 * time.Second)
			heal := r.stall(brokerAddr)
			r.waitFor("two ready", 20*time.Second, two.ready)
			time.Sleep(5 * time.Second)
			heal()
			r.waitFor("one standing by", 60*time.Second, func() bool { _, why := r.get("/readyz"); return strings.Contains(why, "standby") })
			r.node, two = two, r.node
		}
		if fenced := strings.Count(r.log.String(), "PRODUCER_FENCED") + strings.Count(r.log.String(), "INVALID_PRODUCER_EPOCH"); fenced == 0 {
			t.Errorf("nobody was fenced; the test shows nothing:\n%s", r.log)
		}
		r.finish(10 * time.Second)
	})
}

// stall stops the bytes of the node's connections to an address, as a process
// that is stopped or a network that is cut would.
func (n *node) stall(addr string) (heal func()) {
	r := n.rig
	r.mu.Lock()
	defer r.mu.Unlock()
	ours := map[string]bool{}
	for conn, to := range r.conns {
		if to.from == n && to.addr == addr {
			ours[conn.LocalAddr().String()] = true
		}
	}
	links := r.net.Links()
	for _, link := range links {
		if ours[link.Client().String()] {
			link.Stall(true, true)
		}
	}
	return func() {
		for _, link := range links {
			link.Heal()
		}
	}
}

// A second copy that was started by mistake, under the same name or with a
// group of its own, does no harm.
func TestSecondCopyIsHarmless(t *testing.T) {
	f := func(name, instance, group string) {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				r := world(t, options{rate: 100, config: func(c *Config) { c.InstanceID = "one" }})
				r.start()
				time.Sleep(5 * time.Second)
				c := r.config
				c.InstanceID, c.Group = instance, group
				copy := r.another("127.0.0.1:9100", c)
				copy.startStreamer()
				time.Sleep(20 * time.Second)
				copy.kill()
				r.waitFor("ready", 30*time.Second, r.ready)
				time.Sleep(5 * time.Second)
				r.finish(30 * time.Second)
			})
		})
	}
	f("the same name", "one", "steadfeed")
	f("no name", "", "steadfeed")
}

// Several share the symbols, and each trade is carried by one of them.
func TestReplicasShareTheSymbols(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := world(t, options{rate: 50, symbols: []string{"BTCUSDT", "ETHUSDT", "BNBUSDT", "SOLUSDT", "XRPUSDT", "ADAUSDT", "DOGEUSDT", "LTCUSDT"},
			config: func(c *Config) { c.InstanceID, c.Share = "one", 2 }})
		r.start()
		two, three := r.second("two"), r.second("three")
		time.Sleep(10 * time.Second)
		for _, n := range r.nodes {
			if owned := n.metric("streamer_partitions_owned"); owned == 0 || owned > 4 {
				t.Errorf("one of three owns %v of six partitions", owned)
			}
		}
		two.kill()
		time.Sleep(20 * time.Second)
		three.drain()
		time.Sleep(10 * time.Second)
		r.finish(10 * time.Second)
	})
}

// Brokers that refuse, move leaders, answer late or not at all: nothing is lost
// and nothing doubled.
func TestBrokerTrouble(t *testing.T) {
	f := func(name string, trouble func(*rig, *rand.Rand)) {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				r := world(t, options{rate: 200})
				r.start()
				jitter := rand.New(rand.NewPCG(7, 7))
				for range 10 {
					time.Sleep(3 * time.Second)
					trouble(r, jitter)
				}
				time.Sleep(10 * time.Second)
				r.finish(time.Minute)
			})
		})
	}
	once := func(key kmsg.Key, answer func(kmsg.Request) (kmsg.Response, error, bool)) func(*rig, *rand.Rand) {
		return func(r *rig, _ *rand.Rand) { r.cluster.ControlKey(int16(key), answer) }
	}
	f("produce is cut", once(kmsg.Produce, func(kmsg.Request) (kmsg.Response, error, bool) { return nil, fmt.Errorf("cut"), true }))
	f("commit is cut", once(kmsg.EndTxn, func(kmsg.Request) (kmsg.Response, error, bool) { return nil, fmt.Errorf("cut"), true }))
	f("commit answers with an error", once(kmsg.EndTxn, func(request kmsg.Request) (kmsg.Response, error, bool) {
		answer := request.ResponseKind().(*kmsg.EndTxnResponse)
		answer.ErrorCode = kerr.CoordinatorNotAvailable.Code
		return answer, nil, true
	}))
	f("not the leader", once(kmsg.Produce, func(request kmsg.Request) (kmsg.Response, error, bool) {
		answer := request.ResponseKind().(*kmsg.ProduceResponse)
		for _, asked := range request.(*kmsg.ProduceRequest).Topics {
			t := kmsg.NewProduceResponseTopic()
			t.Topic, t.TopicID = asked.Topic, asked.TopicID
			for _, partition := range asked.Partitions {
				p := kmsg.NewProduceResponseTopicPartition()
				p.Partition, p.ErrorCode = partition.Partition, kerr.NotLeaderForPartition.Code
				t.Partitions = append(t.Partitions, p)
			}
			answer.Topics = append(answer.Topics, t)
		}
		return answer, nil, true
	}))
	f("heartbeats are cut", once(kmsg.Heartbeat, func(kmsg.Request) (kmsg.Response, error, bool) { return nil, fmt.Errorf("cut"), true }))
	stalled := func(least, most time.Duration) func(*rig, *rand.Rand) {
		return func(r *rig, jitter *rand.Rand) {
			heal := r.stall(brokerAddr)
			time.Sleep(least + time.Duration(jitter.Int64N(int64(most-least))))
			heal()
		}
	}
	f("slow answers", stalled(0, 4*time.Second))
	f("answers later than a transaction may last", stalled(8*time.Second, 14*time.Second))
}

// A hole that is older than the limit is declared, with its ids, and what came
// after it is not kept waiting.
func TestOldHoleIsLeft(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := world(t, options{rate: 5, symbols: []string{"BTCUSDT"}, config: func(c *Config) { c.BackfillMaxAge = 10 * time.Minute }})
		r.start()
		time.Sleep(time.Minute)
		r.drain()
		time.Sleep(30 * time.Minute)
		r.startStreamer()
		r.waitFor("ready again", 30*time.Second, r.ready)
		time.Sleep(time.Minute)
		r.exchange.StopPublishing()
		r.waitFor("caught up", time.Minute, r.caughtUp)
		lost, owed := r.metric("binance_trades_lost_total"), float64(20*60*5)
		if lost < 0.9*owed || lost > 1.1*owed {
			t.Errorf("%v trades declared lost of about %v older than ten minutes", lost, owed)
		}
		if text := r.log.String(); !strings.Contains(text, "older than -backfill-max-age") {
			t.Errorf("the log does not say so:\n%s", text)
		}
		r.drain()
		r.close()
	})
}
