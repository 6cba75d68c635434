package testbed

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
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

// SharedRegistry is one on a listener of one's choice: the address under which
// containers see this machine, or one of a network in memory.
type SharedRegistry struct {
	listener net.Listener
	server   *http.Server
	done     chan struct{}
}

// NewSharedRegistry starts one that knows no schema, at a free port of an
// address of this machine.
func NewSharedRegistry(host string) (*SharedRegistry, error) {
	listener, err := net.Listen("tcp", net.JoinHostPort(host, "0"))
	if err != nil {
		return nil, fmt.Errorf("start the registry: %w", err)
	}
	return serveRegistry(listener), nil
}

// serveRegistry starts one on a listener.
func serveRegistry(listener net.Listener) *SharedRegistry {
	r := &SharedRegistry{listener: listener, done: make(chan struct{}),
		server: &http.Server{Handler: srfake.NewRegistry().Handler(), ReadHeaderTimeout: metricsTimeout}}
	go func() {
		defer close(r.done)
		_ = r.server.Serve(listener) // it ends with Close
	}()
	return r
}

// URL is its address.
func (r *SharedRegistry) URL() string { return "http://" + r.listener.Addr().String() }

// Close stops it.
func (r *SharedRegistry) Close() {
	_ = r.server.Close()
	<-r.done
}

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
