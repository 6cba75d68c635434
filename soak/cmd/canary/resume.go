package main

import (
	"context"
	"fmt"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"steadfeed/streamer/schema"
)

const (
	// resumeTail is how many offsets at the end of each partition are read for
	// the last trade of each symbol. A symbol that was silent for longer is
	// forgotten: a canary is no streamer.
	resumeTail = 5000
	// resumeWithin bounds the reading of them.
	resumeWithin = 20 * time.Second
)

// resume is the id with which each symbol goes on, from what the topic itself
// holds. It is exact because the fence is up: nobody writes any more. Only
// records of the canary's own schema are read.
func (t *topic) resume(ctx context.Context) (map[string]int64, error) {
	next := map[string]int64{}
	if t.kind == forgets {
		return next, nil
	}
	ctx, cancel := context.WithTimeout(ctx, resumeWithin)
	defer cancel()
	fail := func(err error) (map[string]int64, error) {
		return nil, fmt.Errorf("resume from topic %s: %w", t.settings.topic, err)
	}
	admin := kadm.NewClient(t.client)
	starts, err := admin.ListStartOffsets(ctx, t.settings.topic)
	if err != nil {
		return fail(err)
	}
	ends, err := admin.ListCommittedOffsets(ctx, t.settings.topic)
	if err != nil {
		return fail(err)
	}
	from, left := map[int32]kgo.Offset{}, map[int32]int64{}
	for partition, end := range ends[t.settings.topic] {
		start, _ := starts.Lookup(t.settings.topic, partition)
		if end.Offset > start.Offset {
			from[partition], left[partition] = kgo.NewOffset().At(max(start.Offset, end.Offset-resumeTail)), end.Offset
		}
	}
	if len(left) == 0 {
		return next, nil
	}
	reader, err := kgo.NewClient(
		kgo.SeedBrokers(t.settings.brokers...),
		kgo.ConsumePartitions(map[string]map[int32]kgo.Offset{t.settings.topic: from}),
		kgo.FetchIsolationLevel(kgo.ReadCommitted()),
		kgo.KeepControlRecords(), // a partition ends in one
	)
	if err != nil {
		return fail(err)
	}
	defer reader.Close()
	for len(left) > 0 {
		fetches := reader.PollFetches(ctx)
		if err := ctx.Err(); err != nil {
			return fail(err)
		}
		for record := range fetches.RecordsAll() {
			if record.Offset+1 >= left[record.Partition] {
				delete(left, record.Partition)
			}
			var last trade
			if record.Attrs.IsControl() || len(record.Value) < schema.HeaderSize {
				continue
			}
			if _, err := t.codec.Decode(record.Value[schema.HeaderSize:], &last); err != nil {
				return fail(fmt.Errorf("partition %d offset %d: %w", record.Partition, record.Offset, err))
			}
			next[last.Symbol] = max(next[last.Symbol], last.ID+1)
		}
	}
	return next, nil
}
