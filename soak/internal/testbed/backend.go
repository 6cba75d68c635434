package testbed

import (
	"fmt"
	"io"
	"strconv"

	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/sr/srfake"
)

// The in-memory Kafka keeps its log in this process. It frees a segment only
// when all of it has been deleted, and its own default of 100 MiB would never
// be reached in a run: the harness would grow and take the subject's place in
// every memory chart. With small segments, and the auditor deleting what it
// has audited, it stays flat.
const (
	segmentBytes = 256 << 10
	partitions   = 6 // of a topic whose creator does not say
)

// Backend is the in-memory Kafka and schema registry, on the loopback
// interface.
type Backend struct {
	cluster  *kfake.Cluster
	registry *srfake.Registry
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
	if options.Log == nil {
		options.Log = io.Discard
	}
	settings := []kfake.Opt{
		kfake.NumBrokers(1),
		kfake.DefaultNumPartitions(partitions),
		kfake.AllowAutoTopicCreation(),
		kfake.BrokerConfigs(map[string]string{"log.segment.bytes": strconv.Itoa(segmentBytes)}),
		kfake.WithLogger(kfake.BasicLogger(options.Log, kfake.LogLevelWarn)),
	}
	if options.Discard {
		settings = append(settings, kfake.BlackholeProduce())
	}
	cluster, err := kfake.NewCluster(settings...)
	if err != nil {
		return nil, fmt.Errorf("start the in-memory Kafka: %w", err)
	}
	return &Backend{cluster: cluster, registry: srfake.New()}, nil
}

// Brokers are the addresses of the cluster.
func (b *Backend) Brokers() []string { return b.cluster.ListenAddrs() }

// RegistryURL is the address of the schema registry.
func (b *Backend) RegistryURL() string { return b.registry.URL() }

// End is the sum of the end offsets of a topic's partitions: how many records,
// and transaction markers, it was ever given. A topic that does not exist was
// given none.
func (b *Backend) End(topic string) int64 {
	var end int64
	for _, partition := range b.cluster.PartitionInfos(topic) {
		end += partition.HighWatermark
	}
	return end
}

// Close stops both.
func (b *Backend) Close() {
	b.cluster.Close()
	b.registry.Close()
}
