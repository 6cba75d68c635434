package rounds

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"time"

	"steadfeed/soak/internal/testbed"
)

// brokerPause: until the restarted broker, or those that are left, serve again.
// It is Kafka's time more than the subject's: on two busy cores a broker that
// was killed took 45 s to recover its logs and coordinators.
const brokerPause = 90 * time.Second

const (
	// A broker is gone for up to so long before it is started again.
	brokerGone = 2 * time.Second
	// One of three stays away for so long: more than any session or timeout
	// that clients and brokers have with one another.
	awayFor = 20 * time.Second
)

// broker is a Kafka of one broker that restarts, killed and in order by turns.
// What its transactions were in the middle of is for it and for the subject to
// find out.
var broker = kind{
	name: "broker", about: "restart of the broker, killed and in order by turns",
	cast: 1, nodes: 1, pause: brokerPause,
	trouble: func(ctx context.Context, d *driver, n int, lots *rand.Rand) (string, bool, error) {
		return takeAway(ctx, d, n, brokerGone/2+time.Duration(lots.Int64N(int64(brokerGone/2))))
	},
}

// brokerAway is one broker of three that is missing for a while; each in its
// turn, killed and in order by turns. Topics have three replicas and go on with
// two. The next round waits until all replicas are in step again.
var brokerAway = kind{
	name: "broker-away", about: "one of three brokers is away for 20 s, each in its turn",
	cast: 1, nodes: 3, pause: brokerPause,
	trouble: func(ctx context.Context, d *driver, n int, _ *rand.Rand) (string, bool, error) {
		return takeAway(ctx, d, n, awayFor)
	},
}

// takeAway takes the broker away whose turn it is, for a while. It comes back
// whatever happens meanwhile. The proof is that it refuses connections.
func takeAway(ctx context.Context, d *driver, n int, wait time.Duration) (evidence string, proven bool, err error) {
	kafka := d.options.Kafka
	node, hard := (n-1)%kafka.Nodes(), n%2 == 1
	gone := time.Now()
	err = kafka.Away(ctx, node, hard)
	if err == nil {
		proven = refuses(kafka, node)
		err = pause(ctx, wait)
	}
	err = errors.Join(err, kafka.Back(context.WithoutCancel(ctx), node))
	away := time.Since(gone).Round(time.Millisecond)
	if err == nil {
		err = testbed.AwaitInSync(ctx, kafka.Brokers())
	}
	inStep := time.Since(gone).Round(time.Millisecond)
	how := "stopped"
	if hard {
		how = "killed"
	}
	evidence = fmt.Sprintf("broker %d was %s and away for %s", node+1, how, away)
	if proven {
		evidence += ", refusing connections"
	}
	if err == nil { // Kafka's own part of the pause
		evidence += fmt.Sprintf("; all partitions in order after %s", inStep)
	}
	return evidence, proven, err
}

// refuses tells whether a broker takes no connections. Where the addresses are
// not one to a broker, it cannot be told.
func refuses(kafka testbed.Kafka, node int) bool {
	addresses := kafka.Brokers()
	if len(addresses) != kafka.Nodes() {
		return true
	}
	conn, err := net.DialTimeout("tcp", addresses[node], time.Second)
	if err != nil {
		return true
	}
	_ = conn.Close()
	return false
}
