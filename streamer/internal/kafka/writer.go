// Package kafka writes records and accounts for every one of them: a record is
// in flight until the brokers have acknowledged it, and how many may be in
// flight is limited, so a slow or absent cluster stops the caller instead of
// filling memory.
//
// It exists to keep the rules of the Kafka client (what may be used again and
// when, what blocks, which errors are final) in one place. Records go out
// idempotently with acks=all: retries within this process neither repeat nor
// reorder (KIP-98). What a crash leaves behind is not its business.
package kafka

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
)

const (
	// MaxInFlight bounds the records that wait for an acknowledgement. Beyond
	// 4,000 nothing is gained in throughput, and memory grows.
	MaxInFlight = 3000
	// metadataMinAge is how soon the client may ask again where a partition's
	// leader is; a moved leader is found that much sooner than by default.
	metadataMinAge = 250 * time.Millisecond
)

// Options are what a Writer needs.
type Options struct {
	Brokers []string
	Linger  time.Duration // how long a record waits for others to go with it
	Dial    func(ctx context.Context, network, addr string) (net.Conn, error)
	// Security is how the brokers are reached over what Dial opens.
	Security Security
	Log      *slog.Logger
	// OnAck is called for each acknowledged record, in the order of its
	// partition, from the client's goroutine: it must not block. at is when
	// the brokers' answer came, in Unix microseconds.
	OnAck func(r *Record, at int64)
	// OnRetry is called for each request that has to be sent again.
	OnRetry func()
}

// Record is one record on its way. Slot, ID, EventAt and ProducedAt are the
// caller's, to know it again in OnAck.
type Record struct {
	Slot       int
	ID         int64
	EventAt    int64 // Unix microseconds
	ProducedAt int64 // Unix microseconds

	// Body is the value to be; it has room for MaxBody bytes. Append to it
	// before Produce.
	Body []byte

	record kgo.Record
	slab   *slab

	// The client keeps a record's context and nothing else of ours, so a
	// Record is the context of its own record: the way back from there to
	// here. The client may look at it after the record is settled and in use
	// again (it does while it waits for a new topic), so what it sees must
	// not change: the life of the writer.
	life
}

// life is a context under a name that is not exported.
type life = context.Context

// MaxBody is the most that should be appended to a Record's Body; more is
// right but costs an allocation.
const MaxBody = 256

// Writer sends records. Next and Produce are for one goroutine; the rest may
// be called from any.
type Writer struct {
	client   *kgo.Client
	close    context.CancelFunc // ends the life of the records
	options  Options
	promise  func(*kgo.Record, error) // settle, bound once: a method value costs an allocation each time
	records  sync.Pool
	slabs    slabs
	inFlight atomic.Int64
	waiting  atomic.Bool  // Produce waits for room
	answered atomic.Int64 // when the newest acknowledgement came; Unix microseconds
	busy     atomic.Int64 // when the first record of those in flight was produced; Unix microseconds
	now      time.Time    // what records are stamped with; see Clock
	failed   chan error   // holds the first record's failure
}

// NewWriter returns a writer. It does not wait for the brokers.
func NewWriter(o Options) (*Writer, error) {
	w := &Writer{options: o, failed: make(chan error, 1)}
	clientLog, err := newClientLog(o.Log)
	if err != nil {
		return nil, err
	}
	client, err := kgo.NewClient(append(o.Security.Options(o.Dial),
		kgo.SeedBrokers(o.Brokers...),
		kgo.ClientID("steadfeed"),
		kgo.RequiredAcks(kgo.AllISRAcks()),
		kgo.WithCompressor(newLz4Batches()),
		kgo.ProducerLinger(o.Linger),
		kgo.MaxBufferedRecords(MaxInFlight),
		kgo.MetadataMinAge(metadataMinAge),
		// A topic may be deleted and made again under us; wait for it.
		kgo.UnknownTopicRetries(-1),
		kgo.WithLogger(clientLog),
		kgo.WithHooks(answers{w}),
	)...)
	if err != nil {
		return nil, fmt.Errorf("kafka client for %v: %w", o.Brokers, err)
	}
	w.client, w.promise = client, w.settle
	var life context.Context
	life, w.close = context.WithCancel(context.Background())
	w.records.New = func() any { return &Record{life: life} }
	w.now = time.Now()
	w.answered.Store(w.now.UnixMicro())
	return w, nil
}

// dialer marks every failure of dial as one of the network. The client gives
// records up when a connection fails for any other reason; to us a broker that
// cannot be reached is away, whatever the reason, and is waited for.
func dialer(dial func(context.Context, string, string) (net.Conn, error)) func(context.Context, string, string) (net.Conn, error) {
	return func(ctx context.Context, network, addr string) (net.Conn, error) {
		conn, err := dial(ctx, network, addr)
		var marked *net.OpError
		if err != nil && !errors.As(err, &marked) {
			err = &net.OpError{Op: "dial", Net: network, Err: err}
		}
		return conn, err
	}
}

// EnsureTopic creates topic when it does not exist.
func (w *Writer) EnsureTopic(ctx context.Context, topic string, partitions int, replication int) error {
	return w.options.Security.Explain(EnsureTopic(ctx, w.client, topic, partitions, replication, nil))
}

// Next returns an empty record to fill and give to Produce.
func (w *Writer) Next() *Record {
	r := w.records.Get().(*Record)
	r.Body, r.slab = w.slabs.take()
	return r
}

// Clock sets the time that records are stamped with from now on. Reading the
// clock for every record would be a tenth of all work.
func (w *Writer) Clock(now time.Time) { w.now = now }

// Produce sends r to topic under key. It waits while MaxInFlight records are
// unacknowledged, until ctx ends. r belongs to the writer from here on.
func (w *Writer) Produce(ctx context.Context, topic string, key []byte, r *Record) error {
	r.Body = w.slabs.fill(r.slab, r.Body)
	r.ProducedAt = w.now.UnixMicro()
	r.record = kgo.Record{Topic: topic, Key: key, Value: r.Body, Context: r, Timestamp: w.now}
	inFlight := w.inFlight.Add(1)
	if inFlight == 1 {
		w.busy.Store(r.ProducedAt)
	}
	if inFlight > MaxInFlight {
		w.waiting.Store(true)
		w.client.Produce(ctx, &r.record, w.promise)
		w.waiting.Store(false)
		w.now = time.Now()
	} else {
		w.client.Produce(ctx, &r.record, w.promise)
	}
	return ctx.Err()
}

// settle ends a record's time in flight.
func (w *Writer) settle(done *kgo.Record, err error) {
	r := done.Context.(*Record)
	if err == nil {
		w.options.OnAck(r, w.answered.Load())
	} else {
		err = fmt.Errorf("produce trade id %d of %s to topic %s: %w", r.ID, done.Key, done.Topic, err)
		select {
		case w.failed <- err:
		default: // one is enough: no later record counts either
		}
	}
	w.slabs.release(r.slab)
	r.Body, r.slab = nil, nil
	w.records.Put(r)
	w.inFlight.Add(-1)
}

// Failed yields the error of the first record that cannot be delivered. The
// client retries whatever can be retried, for ever; what comes here is final,
// and records behind it must not be trusted to be in order.
func (w *Writer) Failed() <-chan error { return w.failed }

// Drain waits until every record is acknowledged, or ctx ends.
func (w *Writer) Drain(ctx context.Context) error {
	if err := w.client.Flush(ctx); err != nil {
		return fmt.Errorf("wait for %d records in flight: %w", w.InFlight(), err)
	}
	return nil
}

// Close gives up what is in flight and ends the client.
func (w *Writer) Close() {
	w.close()
	w.client.Close()
}

// InFlight is the number of records that wait for an acknowledgement.
func (w *Writer) InFlight() int64 { return w.inFlight.Load() }

// Waiting tells whether Produce waits for room.
func (w *Writer) Waiting() bool { return w.waiting.Load() }

// Silent is how long the brokers have not answered although records wait for
// them.
func (w *Writer) Silent() time.Duration {
	if w.InFlight() == 0 {
		return 0
	}
	return time.Since(time.UnixMicro(max(w.answered.Load(), w.busy.Load())))
}

// answers watches the answers to produce requests. They come just before the
// promises of their records run, so one look at the clock serves them all.
type answers struct{ w *Writer }

var _ kgo.HookBrokerE2E = answers{}

// OnBrokerE2E implements kgo.HookBrokerE2E. A request that got no answer will
// be sent again.
func (a answers) OnBrokerE2E(_ kgo.BrokerMetadata, key int16, e2e kgo.BrokerE2E) {
	switch {
	case key != produceKey:
	case e2e.Err() == nil:
		a.w.answered.Store(time.Now().UnixMicro())
	default:
		a.w.options.OnRetry()
	}
}

// produceKey is the API key of a produce request (Kafka protocol guide).
const produceKey = 0
