package audit

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"slices"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"

	"steadfeed/soak"
)

const (
	// mergeFetchBytes is what one fetch may bring, all partitions together, as
	// it is on the wire. Records unpack to some ten times that, and three such
	// fetches can be in memory: one being read, one waiting, one on its way.
	mergeFetchBytes = 1 << 20
	// mergePartitionBytes is the least that a partition may bring, so that a
	// topic of many partitions still moves.
	mergePartitionBytes = 64 << 10

	// queueRecords is how many records of one partition may wait for another
	// partition; beyond, it is not fetched until half of them are taken.
	queueRecords = 20_000

	// quietAfter is when partitions that bring nothing, though their end has
	// not been reached, are looked into: a compacted topic can end in offsets
	// without records.
	quietAfter = 10 * time.Second
	// goneAfter is when Kafka counts as gone.
	goneAfter = time.Minute
	// askWithin bounds one question to Kafka.
	askWithin = 20 * time.Second
	// pollWithin is how long one poll waits; then progress is told.
	pollWithin = 500 * time.Millisecond
)

// merge reads the partitions of a topic as one sequence in the order of the
// records' times, from given offsets to given ends.
//
// Nothing orders two partitions but time. Where a symbol's trades lie in
// several of them, reading one after the other would look like millions of
// holes; in the order of time there are as few as the topic really has. A
// partition that is ahead waits, in a bounded queue.
type merge struct {
	topic  string
	client *kgo.Client
	admin  *kadm.Client
	queues []*queue
	follow time.Duration // after all ends
	quiet  time.Duration // quietAfter, but for tests
}

// queue is one partition.
type queue struct {
	soak.PartitionReading
	cut     bool // there were records before From
	records []*kgo.Record
	paused  bool
	moved   time.Time // when it last brought something
}

func (q *queue) done() bool { return q.Next >= q.End }

// openMerge finds out where the partitions begin and end.
func openMerge(ctx context.Context, topic string, since, follow time.Duration, settings []kgo.Opt) (*merge, error) {
	fail := func(err error) (*merge, error) {
		if errors.Is(err, io.EOF) { // a broker says no more than that
			err = fmt.Errorf("the connection was closed by Kafka, as it does when it wants TLS or other credentials: %w", err)
		}
		return nil, fmt.Errorf("read topic %s: %w", topic, err)
	}
	asking, err := kgo.NewClient(settings...)
	if err != nil {
		return fail(err)
	}
	defer asking.Close()
	ctx, cancel := context.WithTimeout(ctx, askWithin)
	defer cancel()
	admin := kadm.NewClient(asking)
	earliest, err := admin.ListStartOffsets(ctx, topic)
	if err == nil {
		err = earliest.Error()
	}
	if err != nil {
		return fail(err)
	}
	from := earliest
	if since > 0 {
		if from, err = admin.ListOffsetsAfterMilli(ctx, time.Now().Add(-since).UnixMilli(), topic); err == nil {
			err = from.Error()
		}
		if err != nil {
			return fail(err)
		}
	}
	ends, err := admin.ListCommittedOffsets(ctx, topic)
	if err == nil {
		err = ends.Error()
	}
	if err != nil {
		return fail(err)
	}
	m := &merge{topic: topic, follow: follow, quiet: quietAfter}
	starts := map[int32]kgo.Offset{}
	for _, partition := range ends[topic] {
		at, known := from.Lookup(topic, partition.Partition)
		if !known {
			return fail(fmt.Errorf("partition %d: nothing is known of its beginning", partition.Partition))
		}
		first := min(at.Offset, partition.Offset) // after a time that nothing was written after is the end
		q := &queue{moved: time.Now(), cut: first > 0}
		q.Partition, q.From, q.Next, q.End = partition.Partition, first, first, partition.Offset
		m.queues = append(m.queues, q)
		starts[q.Partition] = kgo.NewOffset().At(first)
	}
	slices.SortFunc(m.queues, func(a, b *queue) int { return cmp.Compare(a.Partition, b.Partition) })
	if len(m.queues) == 0 {
		return fail(errors.New("it does not exist, or nobody may see it"))
	}
	each := max(mergeFetchBytes/int32(len(m.queues)), mergePartitionBytes)
	m.client, err = kgo.NewClient(append(settings,
		kgo.ConsumePartitions(map[string]map[int32]kgo.Offset{topic: starts}),
		kgo.ConsumeResetOffset(kgo.NoResetOffset()), // what is deleted while it is read must not look lost
		kgo.FetchIsolationLevel(kgo.ReadCommitted()),
		kgo.KeepControlRecords(),
		kgo.FetchMaxBytes(mergeFetchBytes),
		kgo.FetchMaxPartitionBytes(each),
	)...)
	if err != nil {
		return fail(err)
	}
	m.admin = kadm.NewClient(m.client)
	return m, nil
}

func (m *merge) close() { m.client.Close() }

// failed is an error of Kafka, not of the records.
func (m *merge) failed(err error) error { return fmt.Errorf("read topic %s: %w", m.topic, err) }

// run hands every committed record to take, until the ends, then for as long
// as it is to follow, or until ctx ends or take returns an error. It calls
// look at least twice a second.
func (m *merge) run(ctx context.Context, take func(*queue, *kgo.Record) error, look func()) error {
	for {
		ended, err := m.drain(take, false)
		if err != nil {
			return err
		}
		look()
		if ended {
			break
		}
		if err := m.poll(ctx); err != nil {
			return err
		}
		if err := m.checkQuiet(ctx); err != nil {
			return err
		}
	}
	for until := time.Now().Add(m.follow); time.Now().Before(until); look() {
		for _, q := range m.queues {
			m.pause(q, false)
		}
		if err := m.poll(ctx); err != nil {
			return err
		}
		if _, err := m.drain(take, true); err != nil {
			return err
		}
	}
	return nil
}

// drain takes records in the order of time for as long as every partition that
// is not done has one; with all set, whatever there is. ended tells that all
// partitions are done and empty.
func (m *merge) drain(take func(*queue, *kgo.Record) error, all bool) (ended bool, err error) {
	for {
		var oldest *queue
		bound := int64(math.MaxInt64) // the time of the next oldest
		for _, q := range m.queues {
			if len(q.records) == 0 {
				if !q.done() && !all {
					return false, nil
				}
				continue
			}
			at := written(q.records[0])
			switch {
			case oldest == nil:
				oldest = q
			case at < written(oldest.records[0]):
				bound = written(oldest.records[0])
				oldest = q
			default:
				bound = min(bound, at)
			}
		}
		if oldest == nil {
			return true, nil
		}
		for first := true; len(oldest.records) > 0 && (first || written(oldest.records[0]) < bound); first = false {
			record := oldest.records[0]
			oldest.records[0] = nil // frees it while its neighbours wait
			oldest.records = oldest.records[1:]
			if err := take(oldest, record); err != nil {
				return false, err
			}
		}
		if len(oldest.records) < queueRecords/2 && !(oldest.done() && m.follow == 0) {
			m.pause(oldest, false)
		}
	}
}

func written(r *kgo.Record) int64 { return r.Timestamp.UnixMilli() }

// poll waits a little for more records.
func (m *merge) poll(ctx context.Context) error {
	within, cancel := context.WithTimeout(ctx, pollWithin)
	defer cancel()
	fetches := m.client.PollFetches(within)
	if ctx.Err() != nil {
		return ctx.Err()
	}
	for _, e := range fetches.Errors() {
		switch {
		case errors.Is(e.Err, context.DeadlineExceeded):
		case errors.Is(e.Err, kerr.OffsetOutOfRange):
			return m.failed(fmt.Errorf("partition %d: records were deleted before they were read: begin later, with -since: %w", e.Partition, e.Err))
		case permanent(e.Err):
			return m.failed(fmt.Errorf("partition %d: %w", e.Partition, e.Err))
		}
	}
	now := time.Now()
	fetches.EachPartition(func(p kgo.FetchTopicPartition) {
		for _, q := range m.queues {
			if q.Partition == p.Partition && len(p.Records) > 0 {
				m.enqueue(q, p.Records, now)
			}
		}
	})
	return nil
}

func (m *merge) enqueue(q *queue, records []*kgo.Record, now time.Time) {
	q.moved = now
	for _, record := range records {
		if m.follow == 0 && record.Offset >= q.End {
			break
		}
		q.Next = record.Offset + 1
		if !record.Attrs.IsControl() {
			q.records = append(q.records, record)
		}
	}
	if records[len(records)-1].Offset >= q.End {
		q.Next = max(q.Next, q.End) // the end itself may hold no record
	}
	m.pause(q, len(q.records) > queueRecords || q.done() && m.follow == 0)
}

func (m *merge) pause(q *queue, paused bool) {
	if q.paused == paused {
		return
	}
	q.paused = paused
	partitions := map[string][]int32{m.topic: {q.Partition}}
	if paused {
		m.client.PauseFetchPartitions(partitions)
	} else {
		m.client.ResumeFetchPartitions(partitions)
	}
}

// checkQuiet looks into partitions that the others wait for in vain. When none
// of those that have not ended brings anything, and Kafka answers, then nothing
// is left between the last record and the end. While another still moves, it
// may just not have been their turn.
func (m *merge) checkQuiet(ctx context.Context) error {
	now := time.Now()
	var quiet []*queue
	var moved time.Time // the newest move
	for _, q := range m.queues {
		if q.done() {
			continue
		}
		if q.moved.After(moved) {
			moved = q.moved
		}
		if len(q.records) == 0 {
			quiet = append(quiet, q)
		}
	}
	if len(quiet) == 0 || now.Sub(moved) < m.quiet {
		return nil
	}
	asking, cancel := context.WithTimeout(ctx, askWithin)
	defer cancel()
	ends, err := m.admin.ListCommittedOffsets(asking, m.topic)
	if err == nil {
		err = ends.Error()
	}
	for _, q := range quiet {
		switch {
		case err == nil:
			q.Next = q.End
		case now.Sub(moved) > goneAfter:
			return m.failed(fmt.Errorf("nothing came for %s, and Kafka does not answer: %w", goneAfter, err))
		}
	}
	return ctx.Err()
}

// readings are how far each partition was read.
func (m *merge) readings() []soak.PartitionReading {
	out := make([]soak.PartitionReading, len(m.queues))
	for i, q := range m.queues {
		out[i] = q.PartitionReading
	}
	return out
}
