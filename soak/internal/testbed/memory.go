package testbed

import (
	"context"
	"fmt"
	"io"
	"net"
	"strconv"
	"sync/atomic"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kmsg"
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

// Memory is a Kafka of one broker in this process, on the loopback interface.
// It forgets nothing when it is taken away and brought back: what a restart of
// it tests is the client, not the log.
type Memory struct {
	cluster *kfake.Cluster
	door    *door
}

var _ Kafka = (*Memory)(nil)

// NewMemory starts it on the loopback interface. log receives its warnings.
func NewMemory(log io.Writer) (*Memory, error) { return newMemory(log, net.Listen) }

// newMemory starts it where listen says, at a port that is free or given.
func newMemory(log io.Writer, listen func(network, address string) (net.Listener, error), ports ...int) (*Memory, error) {
	m := &Memory{door: &door{name: "the broker", listener: listen}}
	settings := []kfake.Opt{
		kfake.NumBrokers(1),
		kfake.DefaultNumPartitions(partitions),
		kfake.AllowAutoTopicCreation(),
		kfake.BrokerConfigs(map[string]string{"log.segment.bytes": strconv.Itoa(segmentBytes)}),
		kfake.WithLogger(kfake.BasicLogger(log, kfake.LogLevelWarn)),
		kfake.ListenFn(m.door.listen),
	}
	if len(ports) > 0 {
		settings = append(settings, kfake.Ports(ports...))
	}
	cluster, err := kfake.NewCluster(settings...)
	if err != nil {
		return nil, fmt.Errorf("start the in-memory Kafka: %w", err)
	}
	m.cluster = cluster
	return m, nil
}

// Brokers implements Kafka.
func (m *Memory) Brokers() []string { return m.cluster.ListenAddrs() }

// Nodes implements Kafka.
func (m *Memory) Nodes() int { return 1 }

// Away implements Kafka: connections are cut and new ones refused. In memory
// there is no difference between an orderly stop and a crash.
func (m *Memory) Away(context.Context, int, bool) error { return m.door.shut() }

// Back implements Kafka.
func (m *Memory) Back(context.Context, int) error { return m.door.open() }

// Answer answers requests of some kinds with an error, in place of doing what
// they ask for (with NOT_ENOUGH_REPLICAS_AFTER_APPEND it is done all the same),
// until stop is called, which says how many.
func (m *Memory) Answer(with *kerr.Error, keys ...kmsg.Key) (stop func() int) {
	handle := m.cluster.Fault(
		kfake.Fault{Keys: keys, Err: with, Count: -1},
		kfake.Fault{Keys: keys, Err: with, Count: -1, TopLevel: true})
	return func() int {
		hits := handle.Hits()
		handle.Remove()
		return hits
	}
}

// Unmade answers that transactions are committed without committing them, until
// stop is called, which says how many. What was written stays open, and goes with
// the next commit or the next abort: so it is with a broker that died between
// its answer and its markers.
func (m *Memory) Unmade() (stop func() int64) {
	var answered atomic.Int64
	var over atomic.Bool
	m.cluster.ControlKey(int16(kmsg.EndTxn), func(request kmsg.Request) (kmsg.Response, error, bool) {
		if over.Load() {
			m.cluster.DropControl()
			return nil, nil, false
		}
		m.cluster.KeepControl()
		asked := request.(*kmsg.EndTxnRequest)
		if !asked.Commit {
			return nil, nil, false
		}
		answered.Add(1)
		answer := asked.ResponseKind().(*kmsg.EndTxnResponse)
		answer.ProducerID, answer.ProducerEpoch = asked.ProducerID, asked.ProducerEpoch
		return answer, nil, true
	})
	return func() int64 {
		over.Store(true)
		return answered.Load()
	}
}

// Close implements Kafka.
func (m *Memory) Close() error {
	err := m.door.open() // the cluster closes its listener itself, and must find one
	m.cluster.Close()
	return err
}
