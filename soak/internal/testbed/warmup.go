package testbed

import (
	"context"
	"fmt"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"
)

const (
	warmTopic = "soak.warm-up"
	// warmInARow transactions must take no more than warmCommit each. To three
	// brokers that had just started, the first trades took up to 3.5 s.
	warmInARow = 20
	warmCommit = 150 * time.Millisecond
	warmWithin = time.Minute
)

// warmUp does transactions in a topic of its own until a Kafka that has just
// started does them as fast as it will: its brokers compile their code and make
// topics of their own while the first ones wait, which would be counted as the
// subject's delay. After a minute it goes on all the same: what is slow for good,
// the check of freshness shows.
func warmUp(ctx context.Context, brokers []string) error {
	ctx, cancel := context.WithTimeout(ctx, answersWithin)
	defer cancel()
	client, err := kgo.NewClient(kgo.SeedBrokers(brokers...), kgo.TransactionalID(warmTopic), kgo.DefaultProduceTopic(warmTopic),
		kgo.RecordPartitioner(kgo.RoundRobinPartitioner()), kgo.MetadataMinAge(readyPoll))
	if err != nil {
		return fmt.Errorf("warm up Kafka: %w", err)
	}
	defer client.Close()
	admin := kadm.NewClient(client)
	if _, err := admin.CreateTopic(ctx, partitions, -1, nil, warmTopic); err != nil {
		return fmt.Errorf("warm up Kafka: create %s: %w", warmTopic, err)
	}
	began, quick := time.Now(), 0
	for quick < warmInARow && time.Since(began) < warmWithin {
		before := time.Now()
		if err := commitOnce(ctx, client); err != nil {
			return fmt.Errorf("warm up Kafka: %w", err)
		}
		if quick++; time.Since(before) > warmCommit {
			quick = 0
		}
	}
	if _, err := admin.DeleteTopic(ctx, warmTopic); err != nil {
		return fmt.Errorf("warm up Kafka: delete %s: %w", warmTopic, err)
	}
	return nil
}

// commitOnce writes a record into each partition in one transaction.
func commitOnce(ctx context.Context, client *kgo.Client) error {
	if err := client.BeginTransaction(); err != nil {
		return err
	}
	records := make([]*kgo.Record, partitions)
	for i := range records {
		records[i] = kgo.StringRecord("warm")
	}
	if err := client.ProduceSync(ctx, records...).FirstErr(); err != nil {
		return err
	}
	return client.EndTransaction(ctx, kgo.TryCommit)
}
