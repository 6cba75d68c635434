package kafka

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
)

const (
	// MaxInFlight bounds the records of a partition that wait for the brokers'
	// acknowledgement. Beyond 4,000 nothing is gained in throughput, and
	// memory grows.
	MaxInFlight = 3000
	// MaxTransaction bounds the records of a transaction: Full says when to
	// commit before the interval is over. A record costs 40 bytes until then.
	MaxTransaction = 1 << 14
	// transactionTimeout is after how long without a commit the brokers abort
	// a transaction by themselves. Nothing waits for it: whoever takes the
	// partition over aborts what was left open.
	transactionTimeout = 10 * time.Second
	// concurrentBackoff is the pause before a request is repeated that came
	// while the transaction before it was still being completed.
	concurrentBackoff = 5 * time.Millisecond
	// lingerWithoutTransaction is how long a record waits for others to go
	// with it when nothing else makes it wait.
	lingerWithoutTransaction = 5 * time.Millisecond
	// snapshotEvery is how often what was written is summed up, so that the
	// next owner reads no more of the partition than this.
	snapshotEvery = 5 * time.Second
)

// OwnerOptions are what an Owner needs. All fields are required unless said.
type OwnerOptions struct {
	Connection
	ID         string // transactional; who takes the same id owns the partition
	Topic      string
	Snapshots  string // topic of what was written, with as many partitions
	Partition  int32
	Partitions int32 // of the topic
	// Transactional is exactly-once: records are visible, to those who read
	// committed ones, all together at each Commit. Without it a record is
	// visible when it is acknowledged, and a crash may repeat some.
	Transactional  bool
	CommitInterval time.Duration
	// Decode reads key, id and time of trade of a record's value, for the
	// records at the end of the partition. An empty key: not a record of ours.
	Decode func(ctx context.Context, value []byte) (key string, mark Mark, err error)
	// OnRetry is called for each request that has to be sent again.
	OnRetry func()
	// OnHung is told when the partition's end stays open although its last
	// owner is fenced, and when that is over.
	OnHung func(bool)
}

// Owner owns one partition: nobody else's records become visible in it until
// somebody takes it away, and then none of ours do. It is crash-only: after
// any error it is of no more use, and what it had not committed was not
// written. Close it and take the partition again.
//
// An Owner is for one goroutine, but for InFlight and Waiting.
type Owner struct {
	options OwnerOptions
	client  *kgo.Client
	life    context.Context // of the records
	end     context.CancelFunc
	promise func(record *kgo.Record, e error) // settle, bound once: a method value costs an allocation each time
	records sync.Pool
	slabs   slabs
	now     time.Time // what records are stamped with; see Clock

	marks    map[string]*Mark
	next     int64        // offset of the next record, where it is known
	open     bool         // a transaction was begun
	begun    atomic.Int64 // when the oldest record that is not committed was produced; Unix microseconds, 0: none
	produced int          // records since the last commit
	pending  atomic.Int64 // the same, for those who look on
	wrote    bool         // since the last snapshot
	snapshot time.Time    // when that was written

	mu      sync.Mutex // of what the client's goroutine tells
	first   int64      // offset of the first record since the last commit; -1: none yet
	last    int64
	settled []Settled
	spare   []Settled
	failure error
}

// Take takes the partition: it fences whoever owned it, waits until nothing of
// theirs is open, and reads from the partition itself what is in it.
func Take(ctx context.Context, o OwnerOptions) (*Owner, error) {
	owner, err := newOwner(o)
	if err != nil {
		return nil, err
	}
	if err := owner.resume(ctx); err != nil {
		owner.Close()
		return nil, fmt.Errorf("take partition %d of %s: %w", o.Partition, o.Topic, err)
	}
	return owner, nil
}

func newOwner(o OwnerOptions) (*Owner, error) {
	owner := &Owner{options: o, marks: map[string]*Mark{}, first: -1}
	linger := lingerWithoutTransaction
	options := []kgo.Opt{
		kgo.RecordPartitioner(kgo.ManualPartitioner()),
		kgo.RequiredAcks(kgo.AllISRAcks()),
		kgo.WithCompressor(newLz4Batches()),
		kgo.MaxBufferedRecords(MaxInFlight),
		// A topic may be deleted and made again under us; wait for it.
		kgo.UnknownTopicRetries(-1),
		kgo.FetchIsolationLevel(kgo.ReadCommitted()),
		kgo.KeepControlRecords(),
		kgo.FetchMaxBytes(tailBytes),
		kgo.FetchMaxPartitionBytes(tailBytes),
		kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()),
		kgo.WithHooks(retries{o.OnRetry}),
	}
	if o.Transactional {
		// Nothing is visible before the commit, which flushes. But the first
		// batch of a transaction takes the brokers longest, to add the partition
		// to it; sent half-way, it does not keep the commit waiting.
		linger = o.CommitInterval / 2
		options = append(options, kgo.TransactionalID(o.ID), kgo.TransactionTimeout(transactionTimeout),
			kgo.ConcurrentTransactionsBackoff(concurrentBackoff))
	}
	client, err := o.client(append(options, kgo.ProducerLinger(linger))...)
	if err != nil {
		return nil, err
	}
	owner.client, owner.promise = client, owner.settle
	owner.life, owner.end = context.WithCancel(context.Background())
	owner.records.New = func() any { return &Record{life: owner.life} }
	owner.now = time.Now()
	owner.snapshot = owner.now
	return owner, nil
}

// Mark is how far key has come; the Owner moves it with each commit.
func (o *Owner) Mark(key string) *Mark {
	m := o.marks[key]
	if m == nil {
		m = &Mark{}
		o.marks[key] = m
	}
	return m
}

// Next returns an empty record to fill and give to Produce.
func (o *Owner) Next() *Record {
	r := o.records.Get().(*Record)
	r.Body, r.slab = o.slabs.take()
	return r
}

// Return takes back a record that is not to be produced.
func (o *Owner) Return(r *Record) {
	o.slabs.release(r.slab)
	r.Body, r.slab = nil, nil
	o.records.Put(r)
}

// Clock sets the time that records are stamped with from now on. Reading the
// clock for every record would be a tenth of all work.
func (o *Owner) Clock(now time.Time) { o.now = now }

// Produce sends r under key. It waits while MaxInFlight records are
// unacknowledged, until ctx ends. r belongs to the owner from here on.
func (o *Owner) Produce(ctx context.Context, key []byte, r *Record) error {
	if o.options.Transactional && !o.open {
		if err := o.client.BeginTransaction(); err != nil {
			return fmt.Errorf("begin a transaction: %w", err)
		}
		o.open = true
	}
	r.Body = o.slabs.fill(r.slab, r.Body)
	r.ProducedAt = o.now.UnixMicro()
	r.record = kgo.Record{Topic: o.options.Topic, Partition: o.options.Partition, Key: key, Value: r.Body, Context: r, Timestamp: o.now}
	if o.produced == 0 {
		o.begun.Store(r.ProducedAt)
	}
	o.produced++
	o.pending.Store(int64(o.produced))
	o.client.Produce(ctx, &r.record, o.promise)
	return ctx.Err()
}

// settle ends a record's time in flight. It runs on the client's goroutine, in
// the order of the partition.
func (o *Owner) settle(done *kgo.Record, err error) {
	r := done.Context.(*Record)
	o.mu.Lock()
	if err == nil {
		if o.first < 0 {
			o.first = done.Offset
		}
		o.last = done.Offset
		o.settled = append(o.settled, Settled{r.Mark, r.ID, r.TradedAt, r.EventAt, r.ProducedAt})
	} else if o.failure == nil { // one is enough: no later record counts either
		o.failure = fmt.Errorf("produce id %d of %s to partition %d of %s: %w", r.ID, done.Key, done.Partition, done.Topic, err)
	}
	o.mu.Unlock()
	o.Return(r)
}

// Full tells that a commit is due whatever the time.
func (o *Owner) Full() bool { return o.produced >= MaxTransaction }

// Produced is how many records were produced since the last commit.
func (o *Owner) Produced() int { return o.produced }

// Commit makes everything produced so far visible and returns what that is; it
// is valid until the next Commit. In between, nothing of it is visible, and
// after an error nothing ever will be that the next owner does not see.
//
// Without transactions it only returns what was acknowledged since.
func (o *Owner) Commit(ctx context.Context) ([]Settled, error) {
	if err := o.addSnapshot(); err != nil {
		return nil, err
	}
	if o.open {
		if err := o.Flush(ctx); err != nil {
			return nil, err
		}
		// A commit would also commit a transaction some of whose records
		// failed: a gap.
		if err := o.intact(); err != nil {
			return nil, err
		}
		if err := endTransaction(ctx, o.client, o.options.Topic); err != nil {
			// It may be committed all the same. Only the partition knows.
			return nil, fmt.Errorf("commit %d records to partition %d of %s: %w", o.produced, o.options.Partition, o.options.Topic, err)
		}
		o.open = false
	}
	return o.committed()
}

// Flush waits until every record is acknowledged, or ctx ends.
func (o *Owner) Flush(ctx context.Context) error {
	if err := o.client.Flush(ctx); err != nil {
		return fmt.Errorf("wait for the acknowledgement of %d records: %w", o.produced, err)
	}
	return nil
}

// intact tells whether every record of the transaction is in the partition,
// and nobody else's among them.
func (o *Owner) intact() error {
	o.mu.Lock()
	defer o.mu.Unlock()
	switch {
	case o.failure != nil:
		return o.failure
	case o.first >= 0 && o.first != o.next:
		return fmt.Errorf("partition %d of %s: offset %d was due and the first record went to %d: %w", o.options.Partition, o.options.Topic, o.next, o.first, ErrForeign)
	}
	return nil
}

// ErrForeign is why a transaction is given up: somebody else wrote to the
// partition. After the death of a broker it can be a marker written twice.
var ErrForeign = errors.New("somebody else has written here")

// committed takes over what was settled, and moves the marks.
func (o *Owner) committed() ([]Settled, error) {
	o.mu.Lock()
	settled := o.settled
	o.settled, o.spare = o.spare[:0], settled
	if o.first >= 0 {
		o.next = o.last + 1
		if o.options.Transactional {
			o.next++ // the marker of the commit
		}
	}
	o.first = -1
	err := o.failure
	o.mu.Unlock()
	for i := range settled {
		s := &settled[i]
		s.Mark.ID, s.Mark.TradedAt = s.ID, s.TradedAt
	}
	o.wrote = o.wrote || len(settled) > 0
	o.produced -= len(settled)
	o.pending.Store(int64(o.produced))
	switch {
	case o.produced == 0:
		o.begun.Store(0)
	case len(settled) > 0:
		o.begun.Store(settled[len(settled)-1].ProducedAt)
	}
	return settled, err
}

// InFlight is the number of records that are not yet visible for certain. It
// may be called from any goroutine, as Waiting.
func (o *Owner) InFlight() int64 { return o.pending.Load() }

// Waiting is for how long records have waited without one becoming visible.
func (o *Owner) Waiting() time.Duration {
	begun := o.begun.Load()
	if begun == 0 {
		return 0
	}
	return time.Since(time.UnixMicro(begun))
}

// Close gives up what is not committed and ends the client. An open
// transaction is left to the next owner, which aborts it.
func (o *Owner) Close() {
	o.end()
	o.client.Close()
}

// Fenced tells whether err says that somebody else has taken the partition. A
// commit whose transaction the next owner has aborted already is told that there
// is none.
func Fenced(err error) bool {
	return errors.Is(err, kerr.ProducerFenced) || errors.Is(err, kerr.InvalidProducerEpoch) || errors.Is(err, kerr.InvalidTxnState)
}

// retries counts the produce requests that got no answer and are sent again.
type retries struct{ count func() }

var _ kgo.HookBrokerE2E = retries{}

// OnBrokerE2E implements kgo.HookBrokerE2E.
func (r retries) OnBrokerE2E(_ kgo.BrokerMetadata, key int16, e2e kgo.BrokerE2E) {
	if key == produceKey && e2e.Err() != nil {
		r.count()
	}
}

// produceKey is the API key of a produce request (Kafka protocol guide).
const produceKey = 0
