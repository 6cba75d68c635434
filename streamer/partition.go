package streamer

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync/atomic"
	"time"

	"steadfeed/streamer/internal/binance"
	"steadfeed/streamer/internal/kafka"
	"steadfeed/streamer/internal/record"
)

const (
	// chunk is how many trades a partition takes at once.
	chunk = 256
	// lookEvery is how often a partition looks at its clock.
	lookEvery = 250 * time.Millisecond
	// retakePause is the time before a partition is taken again after an
	// error, and fencedPause after somebody else took it: two who fight for
	// one must leave each other time to write.
	retakePause = 200 * time.Millisecond
	fencedPause = time.Second
	// commitPatience is how long a commit may take. The brokers abort a
	// transaction after ten seconds in any case, and an owner that begins anew
	// finds the leader and the coordinator that a dead broker's have moved to,
	// sooner than a client that retries what it has begun.
	commitPatience = 5 * time.Second
)

// partition carries the trades of the symbols that share a partition of the
// topic. It is crash-only: one owner after another, each of which begins from
// what Kafka itself has, and none of which goes on after an error.
type partition struct {
	topic  string
	number int32
	of     int32   // partitions of the topic
	lanes  []*lane // none: then it is owned and nothing is written to it

	*shared

	owner   atomic.Pointer[kafka.Owner] // nil while the partition is not ours to write
	wanted  atomic.Bool                 // the group gave it to us
	missing atomic.Int64                // trades known to exist and not here
	encoder *record.Encoder
	answers chan answer
	counts  counts
	told    counts  // what the metrics were told
	probing []*lane // that have to show life by themselves or be asked about
	touched []*lane // with figures to publish
}

// shared is what all partitions have in common.
type shared struct {
	config  *Config
	all     []*lane                 // of all partitions, by slot
	life    context.Context         // ends when everything must end at once
	fail    context.CancelCauseFunc // ends it
	recent  *recent
	feed    *binance.Feed
	repairs *repairs
	metrics *metrics
	log     *slog.Logger
	decoder *record.Decoder

	connection kafka.Connection
	quarantine *kafka.Quarantine

	draining     atomic.Bool  // the streamer stops
	held         atomic.Int64 // trades held back in all lanes
	registryAway atomic.Int64 // partitions that wait for the schema registry
}

// counts are what became of the trades that a partition took, from the streams
// or from the history: admitted, or a duplicate, or deferred (not kept, still
// missing, to come again from the history). Of those admitted, all that are not
// visible in Kafka, or failed, are on their way: held, or in flight.
type counts struct{ admitted, duplicates, deferred, visible, failed int64 }

// own carries trades until ctx ends, which is when the partition is given to
// somebody else, or the streamer stops. Then what has come so far is made
// visible, which is tried for as long as a drain may take.
func (p *partition) own(ctx context.Context, tenure *kafka.Tenure) {
	p.wanted.Store(true)
	defer p.wanted.Store(false)
	if len(p.lanes) == 0 {
		<-ctx.Done()
		return
	}
	log := p.log.With("topic", p.topic, "partition", p.number)
	for {
		err := p.once(ctx, log)
		switch {
		case err == nil || p.over(ctx):
			return
		case errors.Is(err, kafka.ErrPartitions): // will not heal
			p.fail(err)
			return
		}
		pause := retakePause
		if kafka.Fenced(err) {
			pause = fencedPause
			p.metrics.fenced.Inc()
		}
		log.Warn("taking the partition again: "+err.Error(), "in", pause)
		given := ctx.Done()
		if ctx.Err() != nil {
			given = nil // already, and it is drained: that is tried again and again
		}
		select {
		case <-time.After(pause):
		case <-given:
		case <-p.life.Done():
		}
		if p.over(ctx) || kafka.Fenced(err) && (ctx.Err() != nil || tenure.Resign()) {
			return // the group will say whose it is
		}
	}
}

// over tells whether there is nothing to take the partition for any more. After
// a loss there is not: it would only fence whoever has it. After a revocation
// the next owner finds what is left; but a drain is to leave nothing.
func (p *partition) over(ctx context.Context) bool {
	switch {
	case p.life.Err() != nil:
		return true
	case ctx.Err() == nil:
		return false
	}
	return !p.draining.Load() || errors.Is(context.Cause(ctx), kafka.ErrLost)
}

// owned tells whether this process writes the partition, or would.
func (p *partition) owned() bool {
	return p.owner.Load() != nil || p.wanted.Load() && len(p.lanes) == 0
}

// once is one ownership: it takes the partition, carries trades until ctx ends,
// and finishes. It ends with an error when it could not finish.
func (p *partition) once(ctx context.Context, log *slog.Logger) error {
	began := time.Now()
	taking := ctx
	if ctx.Err() != nil {
		taking = p.life // only to finish what an owner before could not
	}
	owner, err := kafka.Take(taking, p.ownerOptions())
	if err != nil {
		return err
	}
	defer owner.Close()
	defer p.abandon()
	p.begin(ctx, owner)
	log.Info("owns the partition", "symbols", len(p.lanes), "took", time.Since(began).Round(time.Millisecond))
	reader := p.recent.join(p.lanes)
	defer reader.leave()
	// What is under way when ctx ends is finished, unless the partition is
	// somebody else's already.
	work, cancel := context.WithCancel(p.life)
	defer cancel()
	defer context.AfterFunc(ctx, func() {
		if errors.Is(context.Cause(ctx), kafka.ErrLost) {
			cancel()
		}
	})()
	return p.carry(ctx, work, owner, reader)
}

func (p *partition) ownerOptions() kafka.OwnerOptions {
	return kafka.OwnerOptions{
		Connection:     p.connection,
		ID:             fmt.Sprintf("%s-%s-%d", p.config.Group, p.topic, p.number),
		Topic:          p.topic,
		Snapshots:      snapshotsOf(p.topic),
		Partition:      p.number,
		Partitions:     p.of,
		Transactional:  p.config.Delivery == ExactlyOnce,
		CommitInterval: p.config.CommitInterval,
		Decode:         p.decode,
		OnRetry:        p.metrics.retried.Inc,
		OnHung: func(hung bool) {
			if hung {
				p.metrics.hung.Inc()
			} else {
				p.metrics.hung.Dec()
			}
		},
	}
}

// begin makes the accounts of the lanes from what the owner found.
func (p *partition) begin(ctx context.Context, owner *kafka.Owner) {
	p.answers = make(chan answer, len(p.lanes))
	p.probing = p.probing[:0]
	for _, l := range p.lanes {
		l.account = account{mark: owner.Mark(l.symbol), opened: l.openedAt.Load()}
		switch before := l.before.Load(); {
		case l.mark.Known():
			p.resume(l, l.mark)
		case before != nil:
			p.resume(l, before)
		}
	}
	p.owner.Store(owner)
}

// resume begins the account of a lane after a trade. The exchange may have
// traded on while nobody listened.
func (p *partition) resume(l *lane, after *kafka.Mark) {
	l.tracker.Resume(after.ID)
	l.settledAt = after.TradedAt
	l.rhythm.since = time.Now().UnixMicro()
	p.probeSoon(l)
}

// abandon ends what an ownership has begun.
func (p *partition) abandon() {
	p.owner.Store(nil)
	// Whatever was on its way, in Kafka's hands or held back, is given up.
	p.counts.failed = p.counts.admitted - p.counts.visible
	p.publish()
	for _, l := range p.lanes {
		p.held.Add(-int64(len(l.held)))
		l.metrics.halted.Set(0) // whoever has it next will say
		l.account = account{}
	}
	p.missing.Store(0)
}

// carry is the life of an ownership, until ctx ends; work is for what it does.
func (p *partition) carry(ctx, work context.Context, owner *kafka.Owner, reader *reader) error {
	tick := time.NewTicker(lookEvery)
	defer tick.Stop()
	commit := time.NewTimer(time.Hour)
	defer commit.Stop()
	buf := make([]binance.Trade, 0, chunk)
	var took time.Duration // by the newest commit, which is part of the interval
	for due := (time.Time{}); ; {
		var err error
		select {
		case <-reader.wake:
			buf = reader.read(buf)
			err = p.take(work, owner, buf)
		case a := <-p.answers:
			owner.Clock(time.Now())
			err = p.repaired(work, owner, a)
		case <-tick.C:
			p.look(work)
		case <-commit.C:
		case <-ctx.Done():
			return p.finish(work, owner, reader, buf)
		}
		if err != nil {
			return err
		}
		now := time.Now()
		switch {
		case owner.Produced() == 0:
		case due.IsZero():
			wait := untilCommit(p.config.CommitInterval, took)
			due = now.Add(wait)
			commit.Reset(wait)
		}
		if owner.Full() || !due.IsZero() && !now.Before(due) {
			due = time.Time{}
			if err := p.commit(work, owner); err != nil {
				return err
			}
			took = time.Since(now)
		}
	}
}

// untilCommit is how long after its first record a transaction is committed, so
// that it is open no longer than interval: less the time that the newest commit
// took, and a fifth because the next may take longer.
func untilCommit(interval, took time.Duration) time.Duration {
	return max(interval*4/5-took, interval/2)
}

// take takes trades off the streams.
func (p *partition) take(ctx context.Context, owner *kafka.Owner, trades []binance.Trade) error {
	owner.Clock(time.Now())
	for i := range trades {
		t := &trades[i]
		l := p.all[t.Slot]
		l.rhythm.heard(t.ReceivedAt)
		if l.rhythm.halted {
			l.rhythm.halted = false
			l.metrics.halted.Set(0)
		}
		if err := p.offer(ctx, owner, l, t); err != nil {
			return err
		}
	}
	p.publish()
	return nil
}

// commit makes visible what was produced.
func (p *partition) commit(ctx context.Context, owner *kafka.Owner) error {
	ctx, cancel := context.WithTimeout(ctx, commitPatience)
	defer cancel()
	settled, err := owner.Commit(ctx)
	at := time.Now().UnixMicro()
	for i := range settled {
		p.metrics.visible(&settled[i], at)
	}
	p.counts.visible += int64(len(settled))
	p.metrics.trades(p.counts, &p.told)
	for _, l := range p.lanes {
		if l.mark.ID != l.ackedID.Load() {
			l.ackedID.Store(l.mark.ID)
		}
	}
	return err
}

// finish ends an ownership: what has come so far is carried, and committed.
// What waits behind a gap is left to the next owner.
func (p *partition) finish(ctx context.Context, owner *kafka.Owner, reader *reader, buf []binance.Trade) error {
	for left := reader.left(); left > 0; left -= len(buf) {
		if buf = reader.read(buf); len(buf) == 0 {
			break
		}
		if err := p.take(ctx, owner, buf); err != nil {
			return err
		}
		if owner.Full() {
			if err := p.commit(ctx, owner); err != nil {
				return err
			}
		}
	}
	if p.config.Delivery == AtLeastOnce { // no transaction waits for what is in flight
		if err := owner.Flush(ctx); err != nil {
			return err
		}
	}
	return p.commit(ctx, owner)
}

// publish brings what was counted since the last time to the metrics.
func (p *partition) publish() {
	p.metrics.trades(p.counts, &p.told)
	for _, l := range p.touched {
		l.publish()
	}
	p.touched = p.touched[:0]
}

// decode reads what resuming needs from a record's value. A record that nobody
// can read is not one of ours.
func (p *partition) decode(ctx context.Context, value []byte) (string, kafka.Mark, error) {
	symbol, id, tradedAt, err := p.decoder.Trade(ctx, value)
	if errors.Is(err, record.ErrUnreadable) {
		p.log.Warn("a record in the topic is not a trade: "+err.Error(), "topic", p.topic, "partition", p.number)
		return "", kafka.Mark{}, nil
	}
	return symbol, kafka.Mark{ID: id, TradedAt: tradedAt}, err
}
