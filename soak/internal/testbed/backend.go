package testbed

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/sr/srfake"

	"steadfeed/streamer/schema"
)

// Registry is a schema registry in this process, on the loopback interface.
type Registry struct{ fake *srfake.Registry }

// NewRegistry starts one that knows no schema.
func NewRegistry() *Registry { return &Registry{srfake.New()} }

// URL is its address.
func (r *Registry) URL() string { return r.fake.URL() }

// Close stops it.
func (r *Registry) Close() { r.fake.Close() }

// Backend is the in-memory Kafka with its schema registry.
type Backend struct {
	*Memory
	registry *Registry
}

// BackendOptions say how a Backend is to behave.
type BackendOptions struct {
	Log io.Writer // of the cluster's warnings; nil discards them
}

// NewBackend starts one broker and one registry.
func NewBackend(options BackendOptions) (*Backend, error) {
	memory, err := NewMemory(cmp.Or(options.Log, io.Discard))
	if err != nil {
		return nil, err
	}
	return &Backend{Memory: memory, registry: NewRegistry()}, nil
}

// RegistryURL is the address of the schema registry.
func (b *Backend) RegistryURL() string { return b.registry.URL() }

// trimPause is the time between two deletions of Forget: some 100 MB at the
// fastest that a streamer was seen to write.
const trimPause = 500 * time.Millisecond

// Forget deletes what is in the trades' topic, again and again until ctx ends:
// for benchmarks, which write faster than memory lasts and read nothing.
func (b *Backend) Forget(ctx context.Context) error {
	const topic = schema.Topic
	client, err := kgo.NewClient(kgo.SeedBrokers(b.Brokers()...))
	if err != nil {
		return fmt.Errorf("forget what is in %s: %w", topic, err)
	}
	defer client.Close()
	admin := kadm.NewClient(client)
	for {
		if ends, err := admin.ListCommittedOffsets(ctx, topic); err == nil && ends.Error() == nil {
			if _, err := admin.DeleteRecords(ctx, ends.Offsets()); err != nil && ctx.Err() == nil {
				return fmt.Errorf("forget what is in %s: %w", topic, err)
			}
		}
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(trimPause):
		}
	}
}

// Close stops both.
func (b *Backend) Close() {
	_ = b.Memory.Close() // its only failure is a door that was left shut
	b.registry.Close()
}
