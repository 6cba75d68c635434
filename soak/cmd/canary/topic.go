package main

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"time"

	"github.com/twmb/avro"
	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/sr"

	"steadfeed/streamer/schema"
)

const (
	partitions  = 6                // of the topic, as the streamer makes it
	openTimeout = 20 * time.Second // for registry and brokers to answer at start
)

// topic writes trades to Kafka.
type topic struct {
	client  *kgo.Client
	codec   *avro.Schema
	header  []byte // Confluent wire format: a zero byte and the schema id
	figures *figures
	failed  chan error // the first record that could not be written
}

// openTopic registers the schema and makes the topic where it does not exist.
func openTopic(ctx context.Context, settings settings, figures *figures) (*topic, error) {
	ctx, cancel := context.WithTimeout(ctx, openTimeout)
	defer cancel()
	codec, err := avro.Parse(schema.Trade)
	if err != nil {
		return nil, fmt.Errorf("parse schema: %w", err)
	}
	registry, err := sr.NewClient(sr.URLs(settings.registry))
	if err != nil {
		return nil, fmt.Errorf("open registry %s: %w", settings.registry, err)
	}
	registered, err := registry.CreateSchema(ctx, schema.Subject(settings.topic), sr.Schema{Schema: schema.Trade})
	if err != nil {
		return nil, fmt.Errorf("register schema at %s: %w", settings.registry, err)
	}
	client, err := kgo.NewClient(
		kgo.SeedBrokers(settings.brokers...),
		kgo.DefaultProduceTopic(settings.topic),
		kgo.ProducerLinger(settings.linger),
		kgo.MetadataMinAge(100*time.Millisecond), // the topic was made a moment ago
	)
	if err != nil {
		return nil, fmt.Errorf("open Kafka: %w", err)
	}
	_, err = kadm.NewClient(client).CreateTopic(ctx, partitions, -1, nil, settings.topic)
	if err != nil && !errors.Is(err, kerr.TopicAlreadyExists) {
		client.Close()
		return nil, fmt.Errorf("create topic %s: %w", settings.topic, err)
	}
	header := binary.BigEndian.AppendUint32([]byte{schema.Magic}, uint32(registered.ID))
	return &topic{client: client, codec: codec, header: header, figures: figures, failed: make(chan error, 1)}, nil
}

// produce hands a trade to the client; it blocks while too many are on their
// way, and the socket behind it fills.
func (t *topic) produce(out trade) {
	value, err := t.codec.AppendEncode(append(make([]byte, 0, 64), t.header...), &out)
	if err != nil {
		t.fail(fmt.Errorf("encode %s %d: %w", out.Symbol, out.ID, err))
		return
	}
	t.client.Produce(context.Background(), &kgo.Record{Key: []byte(out.Symbol), Value: value}, func(_ *kgo.Record, err error) {
		if err != nil {
			t.fail(fmt.Errorf("produce %s %d: %w", out.Symbol, out.ID, err))
			return
		}
		t.figures.produced.Inc()
	})
}

func (t *topic) fail(err error) {
	select {
	case t.failed <- err:
	default: // the first one ends the canary
	}
}

// watch returns with the first failed record, or nil when ctx ends.
func (t *topic) watch(ctx context.Context) error {
	select {
	case err := <-t.failed:
		return err
	case <-ctx.Done():
		return nil
	}
}

// drain waits until everything produced is acknowledged.
func (t *topic) drain(within time.Duration) error {
	ctx, cancel := context.WithTimeout(context.Background(), within)
	defer cancel()
	if err := t.client.Flush(ctx); err != nil {
		return fmt.Errorf("drain within %s: %w", within, err)
	}
	select {
	case err := <-t.failed:
		return err
	default:
		return nil
	}
}

func (t *topic) close() { t.client.Close() }
