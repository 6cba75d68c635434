package kafka

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
)

const (
	// tailBytes bounds what is fetched at once of a partition's end.
	tailBytes = 1 << 20
	// tailPatience is how long the brokers may give nothing of the partition's
	// end before the take-over begins anew. How long all of it takes has no
	// limit: a topic that was never summed up is read from its beginning.
	tailPatience = 30 * time.Second
	// snapshotPatience is the same for the snapshots, which can be done without.
	snapshotPatience = 5 * time.Second
	// snapshotsRead is how many records back the newest snapshot is first
	// looked for: it is the last but the marker of its commit, unless the
	// brokers aborted others after it.
	snapshotsRead = 8
)

// SnapshotConfigs are the settings of the snapshots' topic: only the newest of
// each partition is of use.
func SnapshotConfigs() map[string]*string {
	compact, hour := "compact", "3600000"
	return map[string]*string{"cleanup.policy": &compact, "segment.ms": &hour}
}

// snapshot sums up what is in a partition before an offset. It is what makes
// resuming cheap, and right for a key whose last record the topic no longer
// has; the records from that offset on count for more.
type snapshot struct {
	Offset     int64           `json:"offset"`
	Partitions int32           `json:"partitions"` // of the topic, which decides what belongs here
	Marks      map[string]Mark `json:"marks"`      // by key
}

// ErrPartitions is why a partition cannot be owned: the topic was given more
// partitions, so that keys have moved, away from what was written of them.
var ErrPartitions = errors.New("the number of the topic's partitions was changed")

// resume makes the owner ready to write: fenced the one before, nothing open,
// and the marks of all keys known.
func (o *Owner) resume(ctx context.Context) error {
	ours := producer{}
	if o.options.Transactional {
		// InitProducerID: fences the owner before us, and aborts what it left
		// open (KIP-98).
		var err error
		if ours.id, ours.epoch, err = o.client.ProducerID(ctx); err != nil {
			return fmt.Errorf("fence the owner before: %w", err)
		}
	}
	end, err := o.settledEnd(ctx, ours)
	if err != nil {
		return err
	}
	from, err := o.readSnapshot(ctx, ours)
	if err != nil {
		return err
	}
	start, err := o.offset(ctx, o.options.Topic, earliest, kmsgReadUncommitted)
	if err != nil {
		return err
	}
	o.next = end
	if from = max(from, start); from >= end {
		return nil
	}
	return o.read(ctx, o.options.Topic, from, end, tailPatience, func(r *kgo.Record) error {
		key, mark, err := o.options.Decode(ctx, r.Value)
		if err != nil {
			return fmt.Errorf("offset %d: %w", r.Offset, err)
		}
		if key == "" {
			return nil
		}
		if have := o.Mark(key); !have.Known() || mark.ID > have.ID {
			*have = mark
		}
		return nil
	})
}

// readSnapshot takes over the newest snapshot's marks and returns the offset
// from which the partition itself has to be read: 0 where there is none.
func (o *Owner) readSnapshot(ctx context.Context, ours producer) (from int64, err error) {
	end, err := o.offset(ctx, o.options.Snapshots, latest, kmsgReadCommitted)
	if err != nil {
		return 0, err
	}
	whole, err := o.offset(ctx, o.options.Snapshots, latest, kmsgReadUncommitted)
	if err != nil {
		return 0, err
	}
	if end < whole && o.options.Transactional {
		// It need not be waited for, but no snapshot behind it would be seen.
		if err := o.endHanging(ctx, o.options.Snapshots, ours); err != nil {
			o.options.Log.Warn("a transaction is open among the snapshots: "+err.Error(), "topic", o.options.Snapshots, "partition", o.options.Partition)
		}
	}
	start, err := o.offset(ctx, o.options.Snapshots, earliest, kmsgReadUncommitted)
	if err != nil {
		return 0, err
	}
	var newest []byte
	for back := int64(snapshotsRead); newest == nil && end > start; back *= 8 {
		first := max(start, end-back)
		err := o.read(ctx, o.options.Snapshots, first, end, snapshotPatience, func(r *kgo.Record) error {
			newest = r.Value
			return nil
		})
		if err != nil && ctx.Err() != nil {
			return 0, err
		}
		// An end that cannot be reached was compacted away. An older snapshot,
		// or none, only means that more of the partition is read.
		if first == start || errors.Is(err, errEndUnread) {
			break
		}
	}
	if newest == nil {
		return 0, nil
	}
	var s snapshot
	if err := json.Unmarshal(newest, &s); err != nil {
		return 0, fmt.Errorf("read the snapshot in %s: %w", o.options.Snapshots, err)
	}
	if s.Partitions != o.options.Partitions {
		return 0, fmt.Errorf("%w: from %d to %d", ErrPartitions, s.Partitions, o.options.Partitions)
	}
	for key, mark := range s.Marks {
		*o.Mark(key) = mark
	}
	return s.Offset, nil
}

// addSnapshot writes, as part of the transaction, what the partition holds
// before it.
func (o *Owner) addSnapshot() error {
	if !o.wrote || o.now.Sub(o.snapshot) < snapshotEvery || o.options.Transactional && !o.open {
		return nil
	}
	s := snapshot{Offset: o.next, Partitions: o.options.Partitions, Marks: make(map[string]Mark, len(o.marks))}
	for key, mark := range o.marks {
		if mark.Known() {
			s.Marks[key] = *mark
		}
	}
	value, err := json.Marshal(s)
	if err != nil {
		return err
	}
	o.snapshot, o.wrote = o.now, false
	record := &kgo.Record{Topic: o.options.Snapshots, Partition: o.options.Partition, Key: []byte(o.options.Topic), Value: value}
	// It does not wait: where there is no room for it, the next one will do.
	o.client.TryProduce(o.life, record, func(_ *kgo.Record, err error) {
		if err == nil || errors.Is(err, kgo.ErrMaxBuffered) {
			return
		}
		o.mu.Lock()
		defer o.mu.Unlock()
		if o.failure == nil {
			o.failure = fmt.Errorf("write a snapshot to partition %d of %s: %w", o.options.Partition, o.options.Snapshots, err)
		}
	})
	return nil
}

// errEndUnread is why a read ended before its end.
var errEndUnread = errors.New("the brokers did not give the partition up to its end")

// read calls each with every committed record of our partition of topic, from
// an offset to an end at which something, if only a marker, is known to be. It
// gives up when nothing came for as long as patience.
func (o *Owner) read(ctx context.Context, topic string, from, end int64, patience time.Duration, each func(*kgo.Record) error) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	silence := time.AfterFunc(patience, func() { cancel(errEndUnread) })
	defer silence.Stop()
	at := map[string]map[int32]kgo.Offset{topic: {o.options.Partition: kgo.NewOffset().At(from)}}
	o.client.AddConsumePartitions(at)
	defer o.client.RemoveConsumePartitions(map[string][]int32{topic: {o.options.Partition}})
	for next := from; next < end; {
		fetched := o.client.PollFetches(ctx)
		if ctx.Err() != nil {
			return fmt.Errorf("read %s from offset %d to %d: %w", topic, from, end, context.Cause(ctx))
		}
		if err := fetched.Err(); err != nil {
			return fmt.Errorf("read %s from offset %d to %d: %w", topic, from, end, err)
		}
		silence.Reset(patience)
		var failed error
		fetched.EachRecord(func(r *kgo.Record) {
			next = max(next, r.Offset+1)
			if failed == nil && !r.Attrs.IsControl() && r.Offset < end {
				failed = each(r)
			}
		})
		if failed != nil {
			return fmt.Errorf("read %s: %w", topic, failed)
		}
	}
	return nil
}

// What offset can ask for (Kafka protocol guide, ListOffsets).
const (
	latest   = -1
	earliest = -2

	kmsgReadUncommitted = 0
	kmsgReadCommitted   = 1
)

// offset asks for the first or the last offset of our partition of topic: for
// the last, read uncommitted gives the high watermark and read committed the
// last stable offset, below which no transaction is open.
func (o *Owner) offset(ctx context.Context, topic string, which int64, isolation int8) (int64, error) {
	request := kmsg.NewPtrListOffsetsRequest()
	request.IsolationLevel = isolation
	t := kmsg.NewListOffsetsRequestTopic()
	t.Topic = topic
	p := kmsg.NewListOffsetsRequestTopicPartition()
	p.Partition, p.Timestamp, p.CurrentLeaderEpoch = o.options.Partition, which, -1
	t.Partitions = append(t.Partitions, p)
	request.Topics = append(request.Topics, t)
	answer, err := request.RequestWith(ctx, o.client)
	if err != nil {
		return 0, fmt.Errorf("ask for an offset of %s: %w", topic, err)
	}
	if len(answer.Topics) != 1 || len(answer.Topics[0].Partitions) != 1 {
		return 0, fmt.Errorf("ask for an offset of %s: no answer for partition %d", topic, o.options.Partition)
	}
	got := &answer.Topics[0].Partitions[0]
	if err := kerr.ErrorForCode(got.ErrorCode); err != nil {
		return 0, fmt.Errorf("ask for an offset of %s: %w", topic, err)
	}
	return got.Offset, nil
}
