package kafka

import (
	"context"
	"errors"
	"fmt"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
)

// Admin looks for topics and makes them.
type Admin struct{ client *kgo.Client }

// NewAdmin returns an Admin. It does not wait for the brokers.
func NewAdmin(c Connection) (*Admin, error) {
	client, err := c.client()
	return &Admin{client}, err
}

// Close ends the connections.
func (a *Admin) Close() { a.client.Close() }

// EnsureTopic is the function of that name.
func (a *Admin) EnsureTopic(ctx context.Context, topic string, partitions, replication int, configs map[string]*string) (int32, error) {
	return EnsureTopic(ctx, a.client, topic, partitions, replication, configs)
}

// EnsureTopic creates topic when it does not exist, and returns how many
// partitions it has. A replication factor of -1 takes the cluster's default;
// configs may be nil. A topic that exists is left as it is, and needs no right
// to create one.
func EnsureTopic(ctx context.Context, client *kgo.Client, topic string, partitions, replication int, configs map[string]*string) (int32, error) {
	admin := kadm.NewClient(client)
	found, err := admin.ListTopics(ctx, topic)
	if err != nil {
		return 0, fmt.Errorf("ask for topic %s: %w", topic, err)
	}
	detail, ok := found[topic]
	if ok && detail.Err == nil && len(detail.Partitions) > 0 {
		return int32(len(detail.Partitions)), nil
	}
	made, err := admin.CreateTopic(ctx, int32(partitions), int16(replication), configs, topic)
	if err == nil {
		err = made.Err
	}
	if errors.Is(err, kerr.TopicAlreadyExists) {
		err = fmt.Errorf("somebody else has just made it, with as many partitions as a second look will tell: %w", err)
	}
	if err != nil {
		return 0, fmt.Errorf("create topic %s: %w", topic, err)
	}
	return int32(partitions), nil
}
