package testbed

import (
	"context"
	"fmt"
	"io"
	"net"
	"strconv"
	"sync"

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
	m := &Memory{door: &door{listener: listen}}
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

// Close implements Kafka.
func (m *Memory) Close() error {
	err := m.door.open() // the cluster closes its listener itself, and must find one
	m.cluster.Close()
	return err
}

// door is a listener that can be shut, with everybody who came in thrown out,
// and opened again at the same address. While it is shut the system refuses
// connections, as it does for a process that is gone.
type door struct {
	listener func(network, address string) (net.Listener, error)

	mu      sync.Mutex // never held while waiting
	address string
	inner   net.Listener // nil while shut
	opened  chan struct{}
	inside  map[net.Conn]struct{}
	closed  bool
}

// listen is a kfake.ListenFn.
func (d *door) listen(network, address string) (net.Listener, error) {
	inner, err := d.listener(network, address)
	if err != nil {
		return nil, err
	}
	d.inner, d.address = inner, inner.Addr().String()
	d.opened, d.inside = make(chan struct{}), make(map[net.Conn]struct{})
	close(d.opened)
	return d, nil
}

func (d *door) shut() error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.inner == nil {
		return nil
	}
	inner := d.inner
	d.inner, d.opened = nil, make(chan struct{})
	for conn := range d.inside {
		_ = conn.Close() // its reader says what matters
	}
	clear(d.inside)
	if err := inner.Close(); err != nil {
		return fmt.Errorf("take the broker at %s away: %w", d.address, err)
	}
	return nil
}

func (d *door) open() error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.inner != nil || d.closed {
		return nil
	}
	inner, err := d.listener("tcp", d.address)
	if err != nil {
		return fmt.Errorf("bring the broker at %s back: %w", d.address, err)
	}
	d.inner = inner
	close(d.opened)
	return nil
}

// Accept implements net.Listener. While the door is shut it waits.
func (d *door) Accept() (net.Conn, error) {
	for {
		d.mu.Lock()
		inner, opened, closed := d.inner, d.opened, d.closed
		d.mu.Unlock()
		if closed {
			return nil, net.ErrClosed
		}
		if inner == nil {
			<-opened // by open or Close
			continue
		}
		conn, err := inner.Accept()
		if err == nil {
			if d.admit(inner, conn) {
				return &visit{conn, d}, nil
			}
			_ = conn.Close() // came in while the door was being shut
			continue
		}
		d.mu.Lock()
		same := d.inner == inner
		d.mu.Unlock()
		if same {
			return nil, err
		}
	}
}

func (d *door) admit(by net.Listener, conn net.Conn) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.inner != by {
		return false
	}
	d.inside[conn] = struct{}{}
	return true
}

// Close implements net.Listener.
func (d *door) Close() error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.closed {
		return nil
	}
	d.closed = true
	if d.inner == nil {
		close(d.opened)
		return nil
	}
	inner := d.inner
	d.inner = nil
	return inner.Close()
}

// Addr implements net.Listener; it is the same while the door is shut.
func (d *door) Addr() net.Addr {
	address, err := net.ResolveTCPAddr("tcp", d.address)
	if err != nil {
		panic(err) // it is what a listener called itself
	}
	return address
}

// visit is a connection that the door knows of.
type visit struct {
	net.Conn
	door *door
}

// Close implements net.Conn.
func (v *visit) Close() error {
	v.door.mu.Lock()
	delete(v.door.inside, v.Conn)
	v.door.mu.Unlock()
	return v.Conn.Close()
}
