package testbed

import (
	"cmp"
	"io"

	"github.com/twmb/franz-go/pkg/sr/srfake"
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
	// Discard accepts records and forgets them: for benchmarks, where what
	// counts is the client's work.
	Discard bool
}

// NewBackend starts one broker and one registry.
func NewBackend(options BackendOptions) (*Backend, error) {
	memory, err := NewMemory(cmp.Or(options.Log, io.Discard), options.Discard)
	if err != nil {
		return nil, err
	}
	return &Backend{Memory: memory, registry: NewRegistry()}, nil
}

// RegistryURL is the address of the schema registry.
func (b *Backend) RegistryURL() string { return b.registry.URL() }

// Close stops both.
func (b *Backend) Close() {
	_ = b.Memory.Close() // its only failure is a door that was left shut
	b.registry.Close()
}
