package fault

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"steadfeed/fakebinance"
	"steadfeed/soak"
	"steadfeed/soak/internal/testbed"
)

// KindBroker is what Kafka does. The criteria count it where Kafka is in memory
// and in the harness's hands.
const KindBroker = "broker"

// Most of the broker's faults answer requests of some kinds with an error for as
// long as they last, as a real broker does when leaders and coordinators move.
var (
	// notLeader: the partition has moved, and nobody knows yet where to.
	notLeader = answers("kafka-not-leader", kerr.NotLeaderForPartition, kmsg.Produce)
	// notCoordinator: the transactions' coordinator has moved.
	notCoordinator = answers("kafka-not-coordinator", kerr.NotCoordinator, kmsg.AddPartitionsToTxn, kmsg.EndTxn, kmsg.InitProducerID)
	// concurrent: the markers of the transaction before are not written yet. The
	// in-memory Kafka writes them at once and never says so by itself.
	concurrent = answers("kafka-concurrent", kerr.ConcurrentTransactions, kmsg.AddPartitionsToTxn, kmsg.EndTxn)
	// unsure: what was asked for was done, and the answer says that it was not.
	unsure = answers("kafka-unsure", kerr.NotEnoughReplicasAfterAppend, kmsg.Produce)
	// fenced: another claims to be the producer, again and again.
	fenced = answers("kafka-fenced", kerr.InvalidProducerEpoch, kmsg.Produce)
	// groupless: the group's coordinator is not there.
	groupless = answers("kafka-groupless", kerr.NotCoordinator, kmsg.Heartbeat, kmsg.JoinGroup, kmsg.SyncGroup)

	// kafkaAway: connections are cut, and refused for a time.
	kafkaAway = Fault{Name: "kafka-away", Kind: KindBroker, draw: func(rng *rand.Rand, t timing) soak.Injection {
		return brokerTrouble(seconds(rng, 10, 90))
	}, begin: func(bed *testbed.Testbed, in soak.Injection) (Begun, error) {
		memory, err := inMemory(bed)
		if err != nil {
			return nil, err
		}
		if err := memory.Away(context.Background(), 0, true); err != nil {
			return nil, err
		}
		began := time.Now()
		return hold(in.For.D(), func() fakebinance.Evidence {
			err := memory.Back(context.Background(), 0)
			return fakebinance.Evidence{Proven: err == nil, Text: fmt.Sprintf("the broker was away for %s (%v)", time.Since(began), err)}
		}), nil
	}}
)

// BrokerFaults are those that only a Kafka in memory can be made to have.
var BrokerFaults = []Fault{kafkaAway, notLeader, notCoordinator, concurrent, unsure, fenced, groupless, unmade, foreign}

// answers is a fault of Kafka that answers requests of some kinds with an error.
func answers(name string, with *kerr.Error, keys ...kmsg.Key) Fault {
	return Fault{Name: name, Kind: KindBroker, draw: func(rng *rand.Rand, t timing) soak.Injection {
		return brokerTrouble(seconds(rng, 3, 30) + t.silence)
	}, begin: func(bed *testbed.Testbed, in soak.Injection) (Begun, error) {
		memory, err := inMemory(bed)
		if err != nil {
			return nil, err
		}
		stop := memory.Answer(with, keys...)
		return hold(in.For.D(), func() fakebinance.Evidence {
			n := stop()
			return fakebinance.Evidence{Proven: n > 0, Text: fmt.Sprintf("%d requests answered with %s", n, with.Message)}
		}), nil
	}}
}

// unmade: commits are answered and not done, as by a broker that dies between
// its answer and its markers. Who believes the answer goes on after trades that
// the next abort takes away, and learns of it with the next trade.
var unmade = Fault{Name: "kafka-unmade", Kind: KindBroker, draw: func(rng *rand.Rand, t timing) soak.Injection {
	return grant(brokerTrouble(seconds(rng, 3, 30)+t.silence), t.silence)
}, begin: func(bed *testbed.Testbed, in soak.Injection) (Begun, error) {
	memory, err := inMemory(bed)
	if err != nil {
		return nil, err
	}
	stop := memory.Unmade()
	return hold(in.For.D(), func() fakebinance.Evidence {
		n := stop()
		return fakebinance.Evidence{Proven: n > 0, Text: fmt.Sprintf("%d commits answered and not done", n)}
	}), nil
}}

// brokerTrouble is what trouble of the broker is entitled to cause: nothing
// becomes visible while it lasts, and then owners start again.
func brokerTrouble(length time.Duration) soak.Injection {
	return soak.Injection{
		Target: fakebinance.TargetAll,
		For:    soak.Duration(length),
		Disturbance: soak.Disturbance{
			Pause:  soak.Duration(length + brokerRecovery),
			Settle: soak.Duration(brokerRecovery),
		},
	}
}

// brokerRecovery is for the client to find the broker again (its backoff goes
// to some seconds), for partitions to be owned anew, and what was missed.
const brokerRecovery = 25 * time.Second

var errNotInMemory = errors.New("this fault is for a Kafka in memory")

func inMemory(bed *testbed.Testbed) (*testbed.Memory, error) {
	if memory := bed.Memory(); memory != nil {
		return memory, nil
	}
	return nil, errNotInMemory
}
