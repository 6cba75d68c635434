package kafka

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
)

const (
	// readBytes bounds what a read of a topic has in memory, twice: once as it
	// comes and once as it is worked on.
	readBytes = 4 << 20
	// quietEnd is how long a partition may yield nothing before its end is
	// asked for again: the last records before it may belong to a transaction
	// that was aborted later, and are never shown.
	quietEnd = 10 * time.Second
	// settleRetry is the pause between two looks at a topic whose last
	// transaction is still being ended.
	settleRetry = 100 * time.Millisecond
	// asideTimeout is how long a transaction may be open: a thousand records
	// take milliseconds.
	asideTimeout = 30 * time.Second
)

// ErrNoTopic is why a topic cannot be read.
var ErrNoTopic = errors.New("the topic does not exist")

// Read hands every committed record of topic, from since on (zero: from the
// first one kept), to each, in the order of its partition, up to where the
// topic ends when it is called. It returns how many they were. The slices are
// each's only during the call.
func (c Connection) Read(ctx context.Context, topic string, since time.Time, each func(key, value []byte) error) (read int64, err error) {
	client, err := c.client(kgo.FetchIsolationLevel(kgo.ReadCommitted()), kgo.KeepControlRecords(), kgo.MaxConcurrentFetches(1),
		kgo.FetchMaxBytes(readBytes), kgo.FetchMaxPartitionBytes(readBytes/4))
	if err != nil {
		return 0, err
	}
	defer client.Close()
	at, ends, err := c.bounds(ctx, client, topic, since)
	if err != nil {
		return 0, fmt.Errorf("read topic %s: %w", topic, c.Security.Explain(err))
	}
	client.AddConsumePartitions(map[string]map[int32]kgo.Offset{topic: at})
	heard := time.Now()
	for len(ends) > 0 {
		polling, cancel := context.WithTimeout(ctx, quietEnd)
		fetched := client.PollFetches(polling)
		cancel()
		if ctx.Err() != nil {
			return read, ctx.Err()
		}
		for _, failed := range fetched.Errors() {
			if !errors.Is(failed.Err, context.DeadlineExceeded) {
				return read, fmt.Errorf("read topic %s, partition %d: %w", topic, failed.Partition, c.Security.Explain(failed.Err))
			}
		}
		for _, record := range fetched.Records() {
			heard = time.Now()
			if end, ok := ends[record.Partition]; ok && record.Offset+1 >= end {
				delete(ends, record.Partition)
				if record.Offset >= end {
					continue // written after the read began
				}
			} else if !ok {
				continue
			}
			if record.Attrs.IsControl() {
				continue
			}
			read++
			if err := each(record.Key, record.Value); err != nil {
				return read, err
			}
		}
		if time.Since(heard) >= quietEnd {
			// Only a broker that answers may say that there is no more.
			if _, err := kadm.NewClient(client).ListCommittedOffsets(ctx, topic); err == nil {
				return read, nil
			}
		}
	}
	return read, nil
}

// bounds are where a read of topic begins, and where it ends, by partition;
// partitions with nothing between are left out.
func (c Connection) bounds(ctx context.Context, client *kgo.Client, topic string, since time.Time) (map[int32]kgo.Offset, map[int32]int64, error) {
	admin := kadm.NewClient(client)
	var from kadm.ListedOffsets
	var err error
	if since.IsZero() {
		from, err = admin.ListStartOffsets(ctx, topic)
	} else {
		from, err = admin.ListOffsetsAfterMilli(ctx, since.UnixMilli(), topic)
	}
	if err == nil {
		err = from.Error()
	}
	if errors.Is(err, kerr.UnknownTopicOrPartition) || err == nil && len(from[topic]) == 0 {
		return nil, nil, ErrNoTopic
	}
	if err != nil {
		return nil, nil, fmt.Errorf("ask where it begins: %w", err)
	}
	to, err := admin.ListCommittedOffsets(ctx, topic)
	if err == nil {
		err = to.Error()
	}
	if err != nil {
		return nil, nil, fmt.Errorf("ask where it ends: %w", err)
	}
	at, ends := map[int32]kgo.Offset{}, map[int32]int64{}
	from.Each(func(first kadm.ListedOffset) {
		if last, ok := to.Lookup(topic, first.Partition); ok && last.Offset > first.Offset {
			at[first.Partition], ends[first.Partition] = kgo.NewOffset().At(first.Offset), last.Offset
		}
	})
	return at, ends, nil
}

// Aside writes a topic beside the stream, exactly once: each Write is one
// transaction, and whoever opens an Aside under the same transactional id ends
// what another one had open.
type Aside struct {
	connection Connection
	topic      string
	client     *kgo.Client
}

// OpenAside creates topic where it does not exist, takes the transactional id,
// and waits until whatever was open under it is settled, so that a Read
// afterwards sees everything that was ever committed under it.
func (c Connection) OpenAside(ctx context.Context, topic, id string, partitions, replication int) (*Aside, error) {
	client, err := c.client(kgo.TransactionalID(id), kgo.TransactionTimeout(asideTimeout), kgo.DefaultProduceTopic(topic),
		kgo.RequiredAcks(kgo.AllISRAcks()), kgo.WithCompressor(newLz4Batches()))
	if err != nil {
		return nil, err
	}
	a := &Aside{c, topic, client}
	if err := a.open(ctx, id, partitions, replication); err != nil {
		client.Close()
		return nil, c.Security.Explain(err)
	}
	return a, nil
}

func (a *Aside) open(ctx context.Context, id string, partitions, replication int) error {
	if _, err := EnsureTopic(ctx, a.client, a.topic, partitions, replication, nil); err != nil {
		return err
	}
	if _, _, err := a.client.ProducerID(ctx); err != nil {
		return fmt.Errorf("take the transactional id %s: %w", id, err)
	}
	admin := kadm.NewClient(a.client)
	for {
		committed, err := admin.ListCommittedOffsets(ctx, a.topic)
		if err != nil {
			return fmt.Errorf("look at topic %s: %w", a.topic, err)
		}
		written, err := admin.ListEndOffsets(ctx, a.topic)
		if err != nil {
			return fmt.Errorf("look at topic %s: %w", a.topic, err)
		}
		settled := committed.Error() == nil && written.Error() == nil
		written.Each(func(end kadm.ListedOffset) {
			stable, ok := committed.Lookup(a.topic, end.Partition)
			settled = settled && ok && stable.Offset == end.Offset
		})
		if settled {
			return nil
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("wait for the last transaction in topic %s to be ended: %w", a.topic, ctx.Err())
		case <-time.After(settleRetry):
		}
	}
}

// Write writes records in one transaction: all of them are in the topic, in
// their order, or none. After an error the Aside must not be used again; what
// became of the transaction, only reading the topic tells.
func (a *Aside) Write(ctx context.Context, records []*kgo.Record) error {
	err := a.client.BeginTransaction()
	if err == nil {
		err = a.client.ProduceSync(ctx, records...).FirstErr()
	}
	if err == nil {
		err = endTransaction(ctx, a.client, a.topic)
	}
	if err != nil {
		return fmt.Errorf("write %d records to topic %s: %w", len(records), a.topic, a.connection.Security.Explain(err))
	}
	return nil
}

// Close ends the client. A transaction that is open is ended by whoever takes
// the transactional id next, or by its timeout.
func (a *Aside) Close() { a.client.Close() }
