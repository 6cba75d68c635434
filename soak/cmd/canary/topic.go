package main

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"time"

	"github.com/twmb/avro"
	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/sr"

	"steadfeed/streamer/schema"
)

const (
	partitions  = 6                     // of the topic, as the streamer makes it
	openTimeout = 20 * time.Second      // for registry and brokers to answer at start
	commitEvery = 50 * time.Millisecond // the longest that a trade waits for its transaction
	queued      = 1 << 12               // trades that wait for a transaction; then the socket fills
	dialWithin  = time.Minute           // for a broker to be there again
	dialAgain   = 100 * time.Millisecond
)

// errReplaced says that another copy has put up its fence: this one must not
// write any more, and cannot.
var errReplaced = errors.New("replaced by another copy")

// topic writes trades to Kafka in transactions under one name, so that only
// the newest copy of the canary can write: opening it is the fence.
type topic struct {
	kind     string // of flaw
	settings settings
	client   *kgo.Client
	codec    *avro.Schema
	header   []byte // Confluent wire format: a zero byte and the schema id
	figures  *figures
	trades   chan trade
	written  chan struct{} // closed when all trades are
	failed   chan error    // the first record that could not be written
}

// openTopic registers the schema, makes the topic where it does not exist, and
// fences off every other copy.
func openTopic(ctx context.Context, kind string, settings settings, figures *figures) (*topic, error) {
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
	options := []kgo.Opt{
		kgo.SeedBrokers(settings.brokers...),
		kgo.DefaultProduceTopic(settings.topic),
		kgo.ProducerLinger(settings.linger),
		kgo.MetadataMinAge(100 * time.Millisecond), // the topic was made a moment ago
		kgo.Dialer(patiently(new(net.Dialer).DialContext)),
	}
	if kind != both {
		options = append(options, kgo.TransactionalID("canary-"+settings.topic))
	}
	client, err := kgo.NewClient(options...)
	if err != nil {
		return nil, fmt.Errorf("open Kafka: %w", err)
	}
	_, err = kadm.NewClient(client).CreateTopic(ctx, partitions, -1, nil, settings.topic)
	if err != nil && !errors.Is(err, kerr.TopicAlreadyExists) {
		client.Close()
		return nil, fmt.Errorf("create topic %s: %w", settings.topic, err)
	}
	if _, _, err := client.ProducerID(ctx); err != nil {
		client.Close()
		return nil, fmt.Errorf("put up the fence: %w", err)
	}
	header := binary.BigEndian.AppendUint32([]byte{schema.Magic}, uint32(registered.ID))
	t := &topic{
		kind: kind, settings: settings, client: client, codec: codec, header: header, figures: figures,
		trades: make(chan trade, queued), written: make(chan struct{}), failed: make(chan error, 1),
	}
	go t.write() // until drain, which waits for it, or the end of the process
	return t, nil
}

// dialFunc opens a connection, as net.Dialer's DialContext does.
type dialFunc func(ctx context.Context, network, address string) (net.Conn, error)

// patiently dials until a broker that is being started again is there, for
// dialWithin at most: a commit for which there is nobody would otherwise end
// the canary for what is no flaw of its own. Its error is the last that an
// attempt ended with while there was still time.
func patiently(dial dialFunc) dialFunc {
	return func(ctx context.Context, network, address string) (net.Conn, error) {
		ctx, cancel := context.WithTimeout(ctx, dialWithin)
		defer cancel()
		var said error
		for {
			conn, err := dial(ctx, network, address)
			if err == nil {
				return conn, nil
			}
			if said == nil || ctx.Err() == nil {
				said = err
			}
			select {
			case <-time.After(dialAgain):
			case <-ctx.Done():
				return nil, said
			}
		}
	}
}

// produce hands a trade over; it blocks while too many are on their way, and
// the socket behind it fills.
func (t *topic) produce(out trade) { t.trades <- out }

// write puts trades into transactions, each as long as commitEvery, until
// there are no more.
func (t *topic) write() {
	defer close(t.written)
	for first := range t.trades {
		if err := t.transaction(first); err != nil {
			t.fail(err)
			for range t.trades { // nobody must wait for one that has failed
			}
			return
		}
	}
}

// transaction writes a trade and those that come within commitEvery.
func (t *topic) transaction(first trade) error {
	ctx := context.Background() // drain has a limit of its own
	if t.kind != both {
		if err := t.client.BeginTransaction(); err != nil {
			return fmt.Errorf("begin transaction: %w", replaced(err))
		}
	}
	t.send(first)
	for end := time.After(commitEvery); ; {
		select {
		case next, more := <-t.trades:
			if more {
				t.send(next)
				continue
			}
		case <-end:
		}
		break
	}
	if err := t.client.Flush(ctx); err != nil {
		return fmt.Errorf("flush: %w", replaced(err))
	}
	if t.kind != both {
		select {
		case err := <-t.failed:
			return err // not to be committed without the record that failed
		default:
		}
		t.awaitTopic()
		if err := t.client.EndTransaction(ctx, kgo.TryCommit); err != nil {
			return fmt.Errorf("commit: %w", replaced(err))
		}
	}
	return nil
}

// awaitTopic waits until the client has noted the partitions of the topic, which
// it does after it has sent the first records: a transaction that is ended before
// is taken for an empty one and aborted, without an error (kgo v1.22.3).
func (t *topic) awaitTopic() {
	for {
		if leader, _, err := t.client.PartitionLeader(t.settings.topic, 0); leader >= 0 || err != nil {
			return
		}
		time.Sleep(time.Millisecond)
	}
}

func (t *topic) send(out trade) {
	value, err := t.codec.AppendEncode(append(make([]byte, 0, 64), t.header...), &out)
	if err != nil {
		t.fail(fmt.Errorf("encode %s %d: %w", out.Symbol, out.ID, err))
		return
	}
	t.client.Produce(context.Background(), &kgo.Record{Key: []byte(out.Symbol), Value: value}, func(_ *kgo.Record, err error) {
		if err != nil {
			t.fail(fmt.Errorf("produce %s %d: %w", out.Symbol, out.ID, replaced(err)))
			return
		}
		t.figures.produced.Inc()
	})
}

// replaced recognises a fence. A commit of what the next one has aborted
// already is told that there is no such transaction.
func replaced(err error) error {
	if errors.Is(err, kerr.ProducerFenced) || errors.Is(err, kerr.InvalidProducerEpoch) || errors.Is(err, kerr.InvalidProducerIDMapping) ||
		errors.Is(err, kerr.InvalidTxnState) {
		return fmt.Errorf("%w: %w", errReplaced, err)
	}
	return err
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

// drain waits until everything produced is committed; produce must not be
// called any more.
func (t *topic) drain(within time.Duration) error {
	close(t.trades)
	limit := time.NewTimer(within)
	defer limit.Stop()
	select {
	case <-t.written:
	case <-limit.C:
		return fmt.Errorf("not drained within %s", within)
	}
	select {
	case err := <-t.failed:
		return err
	default:
		return nil
	}
}

func (t *topic) close() { t.client.Close() }
