package testbed

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"
)

// Kafka is where the topic of a test lives: in memory, in containers of its
// own, or somewhere that was there before.
type Kafka interface {
	// Brokers are the addresses to begin with.
	Brokers() []string
	// Nodes is how many brokers can be taken away and brought back, numbered
	// from 0; none where they are not ours.
	Nodes() int
	// Away takes a broker away and returns when it is gone: hard as kill -9
	// does, else as an orderly stop does.
	Away(ctx context.Context, node int, hard bool) error
	// Back starts it again. It returns before the broker answers.
	Back(ctx context.Context, node int) error
	// Close ends what was started.
	Close() error
}

// Existing is a Kafka that was there before and stays. With the names of its
// containers, of which this machine's Docker must know, its brokers can be
// taken away.
type Existing struct {
	Addresses  []string
	Containers []string
}

var _ Kafka = (*Existing)(nil)

// Brokers implements Kafka.
func (e *Existing) Brokers() []string { return e.Addresses }

// Nodes implements Kafka.
func (e *Existing) Nodes() int { return len(e.Containers) }

// Away implements Kafka.
func (e *Existing) Away(ctx context.Context, node int, hard bool) error {
	return containerAway(ctx, e.Containers[node], hard)
}

// Back implements Kafka.
func (e *Existing) Back(ctx context.Context, node int) error {
	return containerBack(ctx, e.Containers[node])
}

// Close implements Kafka; there is nothing to end.
func (e *Existing) Close() error { return nil }

func containerAway(ctx context.Context, name string, hard bool) error {
	var err error
	if hard {
		_, err = docker(ctx, "kill", name)
	} else {
		_, err = docker(ctx, "stop", "-t", stopSeconds, name)
	}
	if err != nil {
		return fmt.Errorf("take the broker %s away: %w", name, err)
	}
	return nil
}

func containerBack(ctx context.Context, name string) error {
	if _, err := docker(ctx, "start", name); err != nil {
		return fmt.Errorf("bring the broker %s back: %w", name, err)
	}
	return nil
}

const (
	// inSyncWithin: a broker that comes back copies what it missed, and is taken
	// in again within 10 s as a rule; three of them on two busy cores took a
	// minute.
	inSyncWithin = 5 * time.Minute
	// answersWithin is for a broker to start: 35 s were seen on a machine with
	// other work.
	answersWithin = 2 * time.Minute
	// askWithin bounds one question to a Kafka that may be starting. A client
	// that waits longer would wait for a connection that nobody will serve.
	askWithin = 2 * time.Second
)

// AwaitInSync waits until every partition has a leader and all of its replicas
// in step: until then another broker must not go away.
func AwaitInSync(ctx context.Context, brokers []string) error {
	return awaitKafka(ctx, brokers, inSyncWithin, "wait for the replicas", outOfSync)
}

// AwaitAnswer waits until a broker that was started answers.
func AwaitAnswer(ctx context.Context, broker string) error {
	return awaitKafka(ctx, []string{broker}, answersWithin, "wait for "+broker, func(ctx context.Context, admin *kadm.Client) (string, error) {
		_, err := admin.BrokerMetadata(ctx)
		return "", err
	})
}

// awaitKafka asks, each time with a client of its own, until there is nothing
// to complain of.
func awaitKafka(ctx context.Context, brokers []string, within time.Duration, what string,
	ask func(context.Context, *kadm.Client) (complaint string, err error),
) error {
	ctx, cancel := context.WithTimeout(ctx, within)
	defer cancel()
	poll := time.NewTicker(readyPoll)
	defer poll.Stop()
	for {
		complaint, err := askOnce(ctx, brokers, ask)
		if err == nil && complaint == "" {
			return nil
		}
		select {
		case <-poll.C:
		case <-ctx.Done():
			return fmt.Errorf("%s: %s: %w", what, complaint, errors.Join(err, context.Cause(ctx)))
		}
	}
}

func askOnce(ctx context.Context, brokers []string, ask func(context.Context, *kadm.Client) (string, error)) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, askWithin)
	defer cancel()
	client, err := kgo.NewClient(kgo.SeedBrokers(brokers...), kgo.DialTimeout(askWithin))
	if err != nil {
		return "", err
	}
	defer client.Close()
	return ask(ctx, kadm.NewClient(client))
}

// outOfSync names a partition that is not in order; empty when all are.
func outOfSync(ctx context.Context, admin *kadm.Client) (string, error) {
	topics, err := admin.ListTopicsWithInternal(ctx)
	if err != nil {
		return "", err
	}
	for _, topic := range topics {
		for _, p := range topic.Partitions {
			if p.Err != nil || p.Leader < 0 || len(p.ISR) < len(p.Replicas) {
				return fmt.Sprintf("topic %s partition %d: leader %d, %d of %d replicas in step",
					topic.Topic, p.Partition, p.Leader, len(p.ISR), len(p.Replicas)), p.Err
			}
		}
	}
	return "", nil
}
