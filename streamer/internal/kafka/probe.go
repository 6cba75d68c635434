package kafka

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
)

// probeRetry bounds how long a probe tries again by itself.
const probeRetry = 3 * time.Second

// Probe asks brokers what a client may do there. It changes nothing.
type Probe struct {
	connection Connection
	client     *kgo.Client
	admin      *kadm.Client
}

// NewProbe returns a probe; it does not connect. What the client would say in
// the log comes back as an error.
func NewProbe(c Connection) (*Probe, error) {
	c.Log = slog.New(slog.DiscardHandler)
	client, err := c.client(kgo.RetryTimeout(probeRetry))
	if err != nil {
		return nil, err
	}
	return &Probe{c, client, kadm.NewClient(client)}, nil
}

// Close ends the probe.
func (p *Probe) Close() { p.client.Close() }

// Ping connects to a broker and authenticates.
func (p *Probe) Ping(ctx context.Context) error {
	return p.connection.Security.Explain(p.client.Ping(ctx))
}

// Found is what the brokers say about a topic or a group.
type Found struct {
	Exists     bool
	Partitions int
	// Allowed are the operations that we may do to it, as Kafka names them;
	// nil when the brokers do not say.
	Allowed []string
}

// Topic asks about a topic.
func (p *Probe) Topic(ctx context.Context, topic string) (Found, error) {
	found, err := p.admin.ListTopics(kadm.WithAuthorizedOps(ctx), topic)
	if err != nil {
		return Found{}, p.connection.Security.Explain(err)
	}
	detail := found[topic]
	if errors.Is(detail.Err, kerr.UnknownTopicOrPartition) {
		return Found{}, nil
	}
	return Found{true, len(detail.Partitions), names(detail.AuthorizedOperations)}, detail.Err
}

// CouldCreate has the brokers judge the creation of a topic without creating
// it.
func (p *Probe) CouldCreate(ctx context.Context, topic string, partitions, replication int) error {
	answer, err := p.admin.ValidateCreateTopics(ctx, int32(partitions), int16(replication), nil, topic)
	if err != nil {
		return p.connection.Security.Explain(err)
	}
	made := answer[topic]
	if made.Err != nil && made.ErrMessage != "" {
		return fmt.Errorf("%w (%s)", made.Err, made.ErrMessage)
	}
	return made.Err
}

// Group asks about a consumer group.
func (p *Probe) Group(ctx context.Context, group string) (Found, error) {
	found, err := p.admin.DescribeGroups(ctx, group)
	if err != nil {
		return Found{}, p.connection.Security.Explain(err)
	}
	detail := found[group]
	if errors.Is(detail.Err, kerr.GroupIDNotFound) {
		return Found{}, nil
	}
	return Found{Exists: true, Allowed: names(detail.AuthorizedOperations)}, detail.Err
}

// Transactional asks for a producer id under the transactional id, which needs
// the right to write under it. It begins no transaction, because even one that
// is aborted leaves a mark in the topic, which others who watch its offsets
// would have to explain.
func (p *Probe) Transactional(ctx context.Context, id string) error {
	client, err := p.connection.client(kgo.RetryTimeout(probeRetry), kgo.TransactionalID(id))
	if err != nil {
		return err
	}
	defer client.Close()
	_, _, err = client.ProducerID(ctx)
	return p.connection.Security.Explain(err)
}

// names are operations as Kafka's tools write them.
func names(operations []kadm.ACLOperation) (list []string) {
	for _, operation := range operations {
		list = append(list, operation.String())
	}
	return list
}
