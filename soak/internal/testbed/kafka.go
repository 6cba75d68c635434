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
		_, err = docker(ctx, "stop", "--time", stopSeconds, name)
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

// inSyncWithin: a broker that comes back copies what it missed, seconds of it,
// and is taken in again within 10 s as a rule.
const inSyncWithin = 2 * time.Minute

// AwaitInSync waits until every partition has a leader and all of its replicas
// in step: until then another broker must not go away.
func AwaitInSync(ctx context.Context, brokers []string) error {
	ctx, cancel := context.WithTimeout(ctx, inSyncWithin)
	defer cancel()
	client, err := kgo.NewClient(kgo.SeedBrokers(brokers...), kgo.MetadataMinAge(readyPoll))
	if err != nil {
		return fmt.Errorf("wait for the replicas: %w", err)
	}
	defer client.Close()
	poll := time.NewTicker(readyPoll)
	defer poll.Stop()
	for {
		behind, err := outOfSync(ctx, kadm.NewClient(client))
		if err == nil && behind == "" {
			return nil
		}
		select {
		case <-poll.C:
		case <-ctx.Done():
			return fmt.Errorf("wait for the replicas: %s: %w", behind, errors.Join(err, context.Cause(ctx)))
		}
	}
}

// outOfSync names a partition that is not in order; empty when all are.
func outOfSync(ctx context.Context, admin *kadm.Client) (string, error) {
	topics, err := admin.ListTopicsWithInternal(ctx)
	if err != nil {
		return "", err
	}
	for _, p := range topics.TopicsSet().Topics() {
		for _, partition := range topics[p].Partitions {
			if partition.Err != nil || partition.Leader < 0 || len(partition.ISR) < len(partition.Replicas) {
				return fmt.Sprintf("topic %s partition %d: leader %d, %d of %d replicas in step",
					p, partition.Partition, partition.Leader, len(partition.ISR), len(partition.Replicas)), partition.Err
			}
		}
	}
	return "", nil
}
