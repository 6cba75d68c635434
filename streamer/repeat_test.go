package streamer

import (
	"math/rand/v2"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// At least once: the end of a process may repeat trades, and loses none; apart
// from the repeats they are in order.
func TestAtLeastOnce(t *testing.T) {
	f := func(name string, rounds int, round func(*rig, *rand.Rand)) {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				r := world(t, options{rate: 100, config: func(c *Config) { c.InstanceID, c.Delivery = "one", AtLeastOnce }})
				r.repeats = true
				r.start()
				jitter := rand.New(rand.NewPCG(7, 7))
				for range rounds {
					time.Sleep(2*repeatWithin + time.Duration(jitter.Int64N(int64(5*time.Second))))
					round(r, jitter)
				}
				time.Sleep(10 * time.Second)
				r.finish(time.Minute)
				t.Logf("%d records are repeats", r.repeated)
			})
		})
	}
	f("undisturbed", 3, func(*rig, *rand.Rand) {})
	f("killed", 8, func(r *rig, jitter *rand.Rand) {
		r.restarted()
		r.kill()
		time.Sleep(time.Duration(jitter.Int64N(int64(3 * time.Second))))
		r.startStreamer()
		r.waitFor("ready again", 30*time.Second, r.ready)
	})
	standby := func(r *rig) *node {
		if len(r.nodes) == 1 {
			return r.second("two")
		}
		if r.node == r.nodes[0] {
			return r.nodes[1]
		}
		return r.nodes[0]
	}
	standsBy := func(n *node) func() bool {
		return func() bool { _, why := n.get("/readyz"); return strings.Contains(why, "standby") }
	}
	f("handed over", 6, func(r *rig, _ *rand.Rand) {
		other := standby(r)
		r.restarted()
		r.drain()
		r.waitFor("the other ready", 10*time.Second, other.ready)
		r.node.startStreamer()
		r.waitFor("standing by", 30*time.Second, standsBy(r.node))
		r.node = other
	})
	// The one that was not heard writes what it had in hand when it is heard
	// again: nobody fences it.
	f("taken over from one that lives", 6, func(r *rig, jitter *rand.Rand) {
		other := standby(r)
		r.restarted()
		heal := r.stall(brokerAddr)
		r.waitFor("the other ready", 20*time.Second, other.ready)
		time.Sleep(time.Duration(jitter.Int64N(int64(2 * time.Second))))
		heal()
		r.restarted()
		r.waitFor("standing by", time.Minute, standsBy(r.node))
		r.node = other
	})
}
