package kafka

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"golang.org/x/time/rate"
)

const (
	// openPause is the time between two looks at a partition whose end is open.
	openPause = 20 * time.Millisecond
	// openPauseMax bounds it; it doubles.
	openPauseMax = 500 * time.Millisecond
	// repairAfter is how long an end may be open before it is looked into: a
	// fenced owner's transaction is aborted within some tens of milliseconds.
	repairAfter = 500 * time.Millisecond
	// hungAfter is how long until it is called hung, and somebody woken.
	hungAfter = time.Minute
)

// producer is an id with the epoch that the brokers gave it; of two with the
// same id the lower epoch is fenced.
type producer struct {
	id    int64
	epoch int16
}

// settledEnd returns the partition's end once nothing is open before it. Only
// then is it known what a reader will ever see.
//
// A broker that dies in the middle of a transaction can leave one open for
// ever: while a partition has no leader, the coordinator skips the marker that
// would end it, and neither fencing nor the transaction's timeout comes back
// to it. The transaction may even have been committed, as far as its producer
// was told; so no account but the partition's own can be trusted. It is ended
// here with a marker of our own, which takes a right on the cluster; without
// that right it is waited for, and after hungAfter said to be hung.
func (o *Owner) settledEnd(ctx context.Context, ours producer) (int64, error) {
	began, hung := time.Now(), false
	say := rate.Sometimes{First: 1, Interval: sameWarningEvery} // it is looked into twice a second
	defer func() {
		if hung {
			o.options.OnHung(false)
		}
	}()
	for pause := openPause; ; pause = min(2*pause, openPauseMax) {
		end, err := o.offset(ctx, o.options.Topic, latest, kmsgReadUncommitted)
		if err != nil {
			return 0, err
		}
		stable, err := o.offset(ctx, o.options.Topic, latest, kmsgReadCommitted)
		if err != nil {
			return 0, err
		}
		// Beyond the end is where a stranger has written since it was asked for.
		if stable >= end || !o.options.Transactional {
			return stable, nil
		}
		switch open := time.Since(began); {
		case open >= hungAfter && !hung:
			hung = true
			o.options.OnHung(true)
			fallthrough
		case open >= repairAfter:
			if err := o.endHanging(ctx, o.options.Topic, ours); err != nil {
				say.Do(func() {
					o.options.Log.Warn("a transaction is open at the partition's end: "+err.Error(), "topic", o.options.Topic,
						"partition", o.options.Partition, "stable", stable, "end", end, "open", open.Round(time.Millisecond))
				})
			}
		}
		select {
		case <-ctx.Done():
			return 0, ctx.Err()
		case <-time.After(pause):
		}
	}
}

// endHanging aborts a transaction that an earlier owner of ours left open in
// our partition of topic.
// Only one with our producer id and an epoch below ours is touched: with any
// other it could be a live owner's, and to abort that would tear a gap. The
// error says what stays open, and why.
func (o *Owner) endHanging(ctx context.Context, topic string, ours producer) error {
	admin := kadm.NewClient(o.client)
	var where kadm.TopicsSet
	where.Add(topic, o.options.Partition)
	described, err := admin.DescribeProducers(ctx, where)
	for _, p := range described.SortedPartitions() {
		err = cmp.Or(err, p.Err)
	}
	if err != nil {
		return fmt.Errorf("look who has it open: %w", err)
	}
	var left []error
	for _, p := range described.SortedProducers() {
		if p.CurrentTxnStartOffset < 0 {
			continue
		}
		if p.ProducerID != ours.id || p.ProducerEpoch >= ours.epoch {
			left = append(left, fmt.Errorf("producer %d in epoch %d has it open, which is not ours to end (%d, %d)", p.ProducerID, p.ProducerEpoch, ours.id, ours.epoch))
			continue
		}
		answers, err := admin.WriteTxnMarkers(ctx, kadm.TxnMarkers{ProducerID: p.ProducerID, ProducerEpoch: p.ProducerEpoch,
			CoordinatorEpoch: p.CoordinatorEpoch, Topics: where})
		for _, a := range answers.SortedPartitions() {
			err = cmp.Or(err, a.Err)
		}
		if err != nil {
			left = append(left, fmt.Errorf("end the transaction of producer %d, epoch %d: %w", p.ProducerID, p.ProducerEpoch, err))
			continue
		}
		o.options.Log.Warn("ended a transaction that the brokers had left open", "topic", topic, "partition", o.options.Partition,
			"producer", p.ProducerID, "epoch", p.ProducerEpoch)
	}
	return errors.Join(left...)
}
