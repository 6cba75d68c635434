package audit

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"golang.org/x/sync/errgroup"
)

const (
	// topicPoll is how often Kafka is asked for a topic that does not exist
	// yet; what the topic gets before it is found looks late.
	topicPoll = 100 * time.Millisecond

	// fetchBytes and partitionBytes bound what one fetch brings, and so the
	// harness's memory: a second of a busy market is far below.
	fetchBytes     = 8 << 20
	partitionBytes = 1 << 20

	// trimEvery and trimKeep: what was audited is deleted once a minute, all
	// but the newest records of a partition. A subject that starts again reads
	// the end of its topic to know where to resume.
	trimEvery  = time.Minute
	trimKeep   = 10_000
	trimWithin = 10 * time.Second

	// registryTimeout bounds one request to the registry.
	registryTimeout = 5 * time.Second
)

// Topic is where the subject writes, to be read as a consumer would.
type Topic struct {
	Brokers  []string
	Registry string // URL
	Topic    string
	// Keep leaves in the topic what has been read, for those who read it after.
	Keep bool
	// Dial opens connections to brokers and registry; nil: net.Dialer.
	Dial func(ctx context.Context, network, address string) (net.Conn, error)
}

// Read hands every committed record of the topic to a, from its beginning,
// until ctx ends; then it returns nil. A topic that does not exist is waited
// for. Unless Keep is set, what has been read is deleted from the topic, so that
// an in-memory broker stays small: never point it at a topic that others need.
func (t Topic) Read(ctx context.Context, a *Auditor) error {
	transport := &http.Transport{DialContext: t.Dial}
	defer transport.CloseIdleConnections()
	decode, err := newDecoder(t.Registry, &http.Client{Transport: transport, Timeout: registryTimeout})
	if err != nil {
		return err
	}
	client, err := kgo.NewClient(t.settings()...)
	if err != nil {
		return fmt.Errorf("read topic %s: %w", t.Topic, err)
	}
	defer client.Close()

	var read positions
	group, reading := errgroup.WithContext(ctx)
	group.Go(func() error { return t.trimming(reading, kadm.NewClient(client), &read) })
	group.Go(func() error { return t.poll(reading, client, decode, &read, a) })
	if err := group.Wait(); err != nil && ctx.Err() == nil {
		return fmt.Errorf("read topic %s: %w", t.Topic, err)
	}
	return nil
}

// End is how far the topic can be read, as the sum of the ends of its
// partitions, for [Auditor.ReadTo]; written is how far it was written. The two
// differ while a transaction is open. Nothing was written to a topic that does
// not exist.
func (t Topic) End(ctx context.Context) (committed, written int64, err error) {
	settings := []kgo.Opt{kgo.SeedBrokers(t.Brokers...)}
	if t.Dial != nil {
		settings = append(settings, kgo.Dialer(t.Dial))
	}
	client, err := kgo.NewClient(settings...)
	if err != nil {
		return 0, 0, fmt.Errorf("find the end of topic %s: %w", t.Topic, err)
	}
	defer client.Close()
	admin := kadm.NewClient(client)
	sum := func(list func(context.Context, ...string) (kadm.ListedOffsets, error)) (int64, error) {
		offsets, err := list(ctx, t.Topic)
		if err == nil {
			err = offsets.Error()
		}
		if err != nil && !errors.Is(err, kerr.UnknownTopicOrPartition) {
			return 0, fmt.Errorf("find the end of topic %s: %w", t.Topic, err)
		}
		var end int64
		offsets.Each(func(o kadm.ListedOffset) { end += max(o.Offset, 0) })
		return end, nil
	}
	if committed, err = sum(admin.ListCommittedOffsets); err != nil {
		return 0, 0, err
	}
	written, err = sum(admin.ListEndOffsets)
	return committed, written, err
}

const (
	// closeTransactions: Kafka ends a transaction that nobody ends after 10 s
	// (the transaction timeout of the streamer), and looks each 10 s.
	closeTransactions = 30 * time.Second
	settledPoll       = 200 * time.Millisecond
)

// Settled waits until no transaction is open and returns where the topic
// ends, for [Auditor.ReadTo]. One that is still open after the time that Kafka
// needs to end it is waited for no more: open is how much cannot be read then.
func (t Topic) Settled(ctx context.Context) (committed, open int64, err error) {
	waiting, cancel := context.WithTimeout(ctx, closeTransactions)
	defer cancel()
	for {
		committed, written, err := t.End(waiting)
		if err == nil && committed == written {
			return committed, 0, nil
		}
		if waiting.Err() == nil {
			_ = pauseFor(waiting, settledPoll) // how it ends is looked at below
		}
		switch {
		case waiting.Err() == nil:
		case err != nil:
			return 0, 0, err
		default:
			return committed, written - committed, nil
		}
	}
}

func (t Topic) settings() []kgo.Opt {
	settings := []kgo.Opt{
		kgo.SeedBrokers(t.Brokers...),
		kgo.ConsumeTopics(t.Topic),
		kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()),
		kgo.FetchIsolationLevel(kgo.ReadCommitted()),
		kgo.KeepControlRecords(), // so that the end of a partition is known when it ends in one
		kgo.FetchMaxBytes(fetchBytes),
		kgo.FetchMaxPartitionBytes(partitionBytes),
		kgo.MetadataMinAge(topicPoll),
		kgo.DisableClientMetrics(), // an auditor has nothing to tell
	}
	if t.Dial != nil {
		settings = append(settings, kgo.Dialer(t.Dial))
	}
	return settings
}

func (t Topic) poll(ctx context.Context, client *kgo.Client, decode *decoder, read *positions, a *Auditor) error {
	for {
		fetches := client.PollFetches(ctx)
		visible := time.Now()
		if ctx.Err() != nil {
			return ctx.Err()
		}
		for _, e := range fetches.Errors() {
			if permanent(e.Err) {
				return fmt.Errorf("partition %d: %w", e.Partition, e.Err)
			}
		}
		for record := range fetches.RecordsAll() {
			if err := t.observe(ctx, record, visible, decode, a); err != nil {
				return err
			}
			a.read.Add(read.advance(record.Partition, record.Offset+1))
		}
	}
}

func (t Topic) observe(ctx context.Context, record *kgo.Record, visible time.Time, decode *decoder, a *Auditor) error {
	if record.Attrs.IsControl() {
		return nil
	}
	trade, receivedAt, err := decode.decode(ctx, record.Value)
	switch {
	case errors.Is(err, errUnreadable):
		a.Unreadable(record.Key, record.Partition, record.Offset, err)
		return nil
	case err != nil:
		return err
	}
	a.Observe(Record{
		Key: string(record.Key), Partition: record.Partition, Offset: record.Offset,
		Trade: trade, ReceivedAt: receivedAt, VisibleAt: visible,
	})
	return nil
}

// permanent tells whether a fetch will go on to fail. What Kafka itself calls
// fatal is; so is a log that ends before what has been read. Anything else is a
// broker that is away, starts, or elects a leader, whatever stands in front of
// it says meanwhile, and the client goes on.
func permanent(err error) bool {
	var refused *kerr.Error
	var truncated *kgo.ErrDataLoss
	return errors.As(err, &refused) && !refused.Retriable || errors.As(err, &truncated)
}

// positions are the next offsets to read, by partition.
type positions struct {
	mu   sync.Mutex
	next map[int32]int64
}

// advance moves a partition on and returns by how much. The first record of a
// partition counts for all that lay before it.
func (p *positions) advance(partition int32, next int64) (by int64) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.next == nil {
		p.next = make(map[int32]int64)
	}
	by = next - p.next[partition]
	p.next[partition] = next
	return by
}

// trimmable are the offsets before which everything may be deleted.
func (p *positions) trimmable(topic string) kadm.Offsets {
	p.mu.Lock()
	defer p.mu.Unlock()
	offsets := make(kadm.Offsets)
	for partition, next := range p.next {
		if next > trimKeep {
			offsets.AddOffset(topic, partition, next-trimKeep, -1)
		}
	}
	return offsets
}

// trimming deletes what was read, each minute until ctx ends.
func (t Topic) trimming(ctx context.Context, admin *kadm.Client, read *positions) error {
	if t.Keep {
		return nil
	}
	ticker := time.NewTicker(trimEvery)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-ticker.C:
			t.trim(ctx, admin, read)
		}
	}
}

// trim is a kindness to the broker: when it is refused, the audit is as good.
func (t Topic) trim(ctx context.Context, admin *kadm.Client, read *positions) {
	offsets := read.trimmable(t.Topic)
	if len(offsets) == 0 {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, trimWithin)
	defer cancel()
	_, _ = admin.DeleteRecords(ctx, offsets)
}
