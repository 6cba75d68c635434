package kafka

import (
	"context"
	"errors"
	"fmt"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
)

// EnsureTopic creates topic when it does not exist. A replication factor of -1
// takes the cluster's default; configs may be nil. A topic that exists is left
// as it is, and needs no right to create one.
func EnsureTopic(ctx context.Context, client *kgo.Client, topic string, partitions, replication int, configs map[string]*string) error {
	admin := kadm.NewClient(client)
	found, err := admin.ListTopics(ctx, topic)
	if err != nil {
		return fmt.Errorf("ask for topic %s: %w", topic, err)
	}
	if detail, ok := found[topic]; ok && detail.Err == nil {
		return nil
	}
	answer, err := admin.CreateTopic(ctx, int32(partitions), int16(replication), configs, topic)
	if err == nil {
		err = answer.Err
	}
	if err != nil && !errors.Is(err, kerr.TopicAlreadyExists) {
		return fmt.Errorf("create topic %s: %w", topic, err)
	}
	return nil
}
