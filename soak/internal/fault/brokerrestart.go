package fault

import (
	"context"
	"fmt"
	"math/rand/v2"
	"strconv"
	"time"

	"steadfeed/fakebinance"
	"steadfeed/soak"
	"steadfeed/soak/internal/testbed"
)

// brokerRestart takes a real broker away, as kill -9 does or in order, and
// starts it again: with one broker all of Kafka is gone meanwhile, with three
// the others take over.
var brokerRestart = Fault{Name: "broker-restart", Kind: KindBroker, draw: func(rng *rand.Rand, _ timing) soak.Injection {
	in := brokerTrouble(seconds(rng, 1, 10))
	// An orderly stop and a start come on top. On a real broker the pauses of
	// `soak rounds -kinds broker` were 24 s at most, most of it the broker's own.
	in.Disturbance.Pause += soak.Duration(brokerStops)
	in.Settings = map[string]string{
		"hard":   strconv.FormatBool(rng.IntN(2) == 0),
		"broker": strconv.Itoa(rng.IntN(mostBrokers)), // modulo how many there are
	}
	return in
}, begin: func(bed *testbed.Testbed, in soak.Injection) (Begun, error) {
	hard, err := strconv.ParseBool(in.Settings["hard"])
	if err != nil {
		return nil, fmt.Errorf("begin %s: %w", in.Name, err)
	}
	n, err := strconv.Atoi(in.Settings["broker"])
	if err != nil || n < 0 {
		return nil, fmt.Errorf("begin %s: broker %q: %w", in.Name, in.Settings["broker"], err)
	}
	// Of several, another one may be copying still what it missed when it was away.
	if brokers := bed.Store.Brokers(); len(brokers) > 1 {
		if err := testbed.AwaitInSync(context.Background(), brokers); err != nil {
			return nil, fmt.Errorf("begin %s: %w", in.Name, err)
		}
	}
	broker, err := bed.Broker(context.Background(), n)
	if err != nil {
		return nil, fmt.Errorf("begin %s: %w", in.Name, err)
	}
	end, how := func() error { return broker.Stop(brokerStops) }, "stopped"
	if hard {
		end, how = broker.Kill, "killed"
	}
	began := time.Now()
	if err := end(); err != nil {
		_, again := broker.Again()
		return nil, fmt.Errorf("begin %s: %w (started again: %v)", in.Name, err, again == nil)
	}
	return hold(in.For.D(), func() fakebinance.Evidence {
		_, err := broker.Again()
		started := time.Since(began).Round(time.Millisecond)
		if err == nil {
			// How fast a broker starts is the machine's affair, not the subject's.
			brokers := bed.Store.Brokers()
			err = testbed.AwaitAnswer(context.Background(), brokers[n%len(brokers)])
		}
		if err != nil {
			return fakebinance.Evidence{Text: fmt.Sprintf("not restored: %v", err)}
		}
		return fakebinance.Evidence{Proven: true, Text: fmt.Sprintf("%s was %s, started after %s, and answered after %s",
			broker.Name(), how, started, time.Since(began).Round(time.Millisecond))}
	}), nil
}}

const (
	mostBrokers = 3
	// brokerStops is how long an orderly stop may take before it is a kill.
	brokerStops = 10 * time.Second
)
