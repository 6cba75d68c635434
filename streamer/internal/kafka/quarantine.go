package kafka

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
	"golang.org/x/time/rate"
)

// Where something that was rejected came from.
const (
	FromStream  = "stream"  // a frame
	FromHistory = "history" // a row of the exchange's history
	FromRecord  = "record"  // a trade that could not be made a record
)

const (
	// MaxRejected and maxRejectedBytes bound what waits for the brokers. What
	// does not fit is counted and let go: nothing in quarantine is worth the
	// memory that trades need.
	MaxRejected      = 1000
	maxRejectedBytes = 4 << 20
	// maxRaw bounds one value, well below the million bytes that a broker takes
	// by default. A longer one is cut, and a header says so.
	maxRaw = 512 << 10
	// quarantinePartitions of a topic that does not exist yet: it is to stay
	// next to empty, and one partition keeps it in the order of arrival.
	quarantinePartitions = 1
	// ensureRetry is the pause between attempts to create the topic; each that
	// fails is said.
	ensureRetry = sameWarningEvery
)

// QuarantineOptions are what a Quarantine needs.
type QuarantineOptions struct {
	Connection
	Topic       string
	Replication int // of a topic that does not exist yet; -1: the cluster's default
}

// Rejected is something that was not taken for a trade.
type Rejected struct {
	Reason string // why, for a reader
	Source string // FromStream, FromHistory or FromRecord
	Symbol string // the record's key; empty where it is not known
	ID     int64  // of the trade; zero where it is not known
	Raw    []byte // as it came
	At     time.Time
}

// Quarantine keeps what could not be decoded, encoded or believed, in a topic
// of its own, so that somebody can look at it and nothing is lost in silence.
//
// It never stops what it serves: Put does not wait, what does not fit is
// counted, and no failure here is an error elsewhere. It has no client and
// costs no memory until the first Put. Its methods may be called from any
// goroutine.
type Quarantine struct {
	options QuarantineOptions
	// life is that of the goroutine that creates the topic, and of the records.
	life    context.Context
	end     context.CancelFunc
	running sync.WaitGroup
	pending sync.WaitGroup // records that the client has

	mu     sync.Mutex
	client *kgo.Client // nil before the first Put
	closed bool

	written atomic.Int64
	notKept atomic.Int64
	said    rate.Sometimes // the newest of those that came
	missed  rate.Sometimes // the newest of those that were not kept
}

// NewQuarantine returns a quarantine. It connects at the first Put.
func NewQuarantine(o QuarantineOptions) (*Quarantine, error) {
	if len(o.Brokers) == 0 || o.Topic == "" {
		return nil, fmt.Errorf("quarantine in topic %q of brokers %v: both must be named", o.Topic, o.Brokers)
	}
	q := &Quarantine{options: o, said: rate.Sometimes{First: 1, Interval: sameWarningEvery}, missed: rate.Sometimes{First: 1, Interval: sameWarningEvery}}
	q.life, q.end = context.WithCancel(context.Background())
	return q, nil
}

// Put keeps a copy of what was rejected, or counts it as not kept. It does not
// wait.
func (q *Quarantine) Put(r Rejected) {
	q.said.Do(func() {
		q.options.Log.Warn("not taken for a trade: to quarantine", "reason", r.Reason, "source", r.Source, "symbol", r.Symbol, "trade_id", r.ID,
			"bytes", len(r.Raw), "topic", q.options.Topic, "so_far", q.written.Load())
	})
	client, err := q.connect()
	if err != nil {
		q.lose(err)
		return
	}
	client.TryProduce(q.life, r.record(q.options.Topic), func(_ *kgo.Record, err error) {
		defer q.pending.Done()
		if err != nil {
			q.lose(err)
			return
		}
		q.written.Add(1)
	})
}

// record is r as it is kept.
func (r Rejected) record(topic string) *kgo.Record {
	record := &kgo.Record{Topic: topic, Value: append([]byte(nil), r.Raw[:min(len(r.Raw), maxRaw)]...), Headers: []kgo.RecordHeader{
		{Key: "reason", Value: []byte(r.Reason)},
		{Key: "source", Value: []byte(r.Source)},
		{Key: "received_at", Value: []byte(r.At.UTC().Format(time.RFC3339Nano))},
	}}
	if r.Symbol != "" {
		record.Key = []byte(r.Symbol)
	}
	if r.ID != 0 {
		record.Headers = append(record.Headers, kgo.RecordHeader{Key: "trade_id", Value: strconv.AppendInt(nil, r.ID, 10)})
	}
	if len(r.Raw) > maxRaw {
		record.Headers = append(record.Headers, kgo.RecordHeader{Key: "cut_from_bytes", Value: strconv.AppendInt(nil, int64(len(r.Raw)), 10)})
	}
	return record
}

// errClosed is why nothing is kept any more.
var errClosed = errors.New("the quarantine is closed")

// connect returns the client for one record, which is pending from then on; the
// first call makes it.
func (q *Quarantine) connect() (*kgo.Client, error) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.closed {
		return nil, errClosed
	}
	if q.client != nil {
		q.pending.Add(1)
		return q.client, nil
	}
	client, err := q.options.client(
		kgo.RequiredAcks(kgo.AllISRAcks()),
		kgo.WithCompressor(newLz4Batches()),
		kgo.MaxBufferedRecords(MaxRejected),
		kgo.MaxBufferedBytes(maxRejectedBytes),
		kgo.UnknownTopicRetries(-1), // until it is created
	)
	if err != nil {
		return nil, err
	}
	q.client = client
	q.running.Go(func() { q.ensure(client) })
	q.pending.Add(1)
	return client, nil
}

// ensure makes sure that the topic is there; records wait in the client until
// then.
func (q *Quarantine) ensure(client *kgo.Client) {
	for {
		_, err := EnsureTopic(q.life, client, q.options.Topic, quarantinePartitions, q.options.Replication, nil)
		if err == nil || q.life.Err() != nil {
			return
		}
		q.options.Log.Warn("quarantine: "+q.options.Security.Explain(err).Error(), "retry_in", ensureRetry)
		select {
		case <-q.life.Done():
			return
		case <-time.After(ensureRetry):
		}
	}
}

// lose counts one that was not kept.
func (q *Quarantine) lose(err error) {
	lost := q.notKept.Add(1)
	q.missed.Do(func() {
		q.options.Log.Warn("quarantine: not kept: "+q.options.Security.Explain(err).Error(), "topic", q.options.Topic, "so_far", lost)
	})
}

// Written is the number of records that the brokers have acknowledged.
func (q *Quarantine) Written() int64 { return q.written.Load() }

// NotKept is the number of those that did not fit or could not be written.
func (q *Quarantine) NotKept() int64 { return q.notKept.Load() }

// Close waits until everything put is written, or ctx ends, and gives up the
// rest. What is put later is not kept.
func (q *Quarantine) Close(ctx context.Context) error {
	q.mu.Lock()
	client := q.client
	q.closed = true
	q.mu.Unlock()
	var err error
	if client != nil {
		if err = client.Flush(ctx); err != nil {
			err = fmt.Errorf("wait for %d records to quarantine: %w", client.BufferedProduceRecords(), err)
		}
	}
	q.end()
	q.running.Wait()
	if client != nil {
		client.Close()
		q.pending.Wait() // the client tells of the last records after its end
	}
	return err
}
