package streamer

import (
	"context"
	"errors"
	"time"

	"steadfeed/streamer/internal/binance"
	"steadfeed/streamer/internal/kafka"
	"steadfeed/streamer/internal/record"
	"steadfeed/streamer/internal/sequence"
)

const (
	// maxHeld bounds the trades, of all symbols together, that wait for
	// earlier ones to be fetched: about 5 MB. Trades beyond it are not kept
	// but left to the history, which has them too.
	maxHeld = 1 << 16
	// quietAfter is how long a stream may stay silent on a new session before
	// the history is asked whether it missed anything: a stream that delivers
	// shows a gap by itself.
	quietAfter = 2 * time.Second
	// registryRetry is the pause between calls to a registry that does not answer.
	registryRetry = 2 * time.Second
	// orientAgain is the time between two questions where the account of a symbol
	// begins that was never traded.
	orientAgain = 10 * time.Minute
	// deadAfter is how old a trade must be that a silent stream did not
	// deliver, for the stream to be called dead: younger ones may be on their
	// way.
	deadAfter = 5 * time.Second
)

// offer decides what becomes of one trade. In order, it goes to Kafka at once;
// after a gap it waits, and the gap is asked about.
func (p *partition) offer(ctx context.Context, owner *kafka.Owner, l *lane, t *binance.Trade) error {
	if p.held.Load() >= maxHeld && l.tracker.Started() && t.ID > l.tracker.Floor() {
		// It would have to be held and there is no room.
		l.tracker.Miss(t.ID)
		p.counts.deferred++
		p.request(ctx, l)
		return nil
	}
	next := l.tracker.Next()
	switch l.tracker.Observe(t.ID) {
	case sequence.Duplicate:
		p.counts.duplicates++
		l.duplicated++
		p.touch(l)
		return nil
	case sequence.Refused:
		p.counts.deferred++
		p.request(ctx, l)
		return nil
	case sequence.New:
		if t.ID != next && (l.admitted > 0 || l.mark.Known()) {
			l.metrics.gaps.Inc()
			p.log.Info("gap", "symbol", l.symbol, "first_id", next, "last_id", t.ID-1, "trades", t.ID-next)
		}
	}
	p.counts.admitted++
	l.admitted++
	if t.ID >= l.tracker.Floor() {
		l.hold(t)
		p.held.Add(1)
		p.request(ctx, l)
		return nil
	}
	if err := p.produce(ctx, owner, l, t); err != nil {
		return err
	}
	return p.release(ctx, owner, l)
}

// release hands on the held trades that nothing is missing before any more.
func (p *partition) release(ctx context.Context, owner *kafka.Owner, l *lane) error {
	if len(l.held) == 0 {
		return nil
	}
	ready := l.ready()
	for i := range ready {
		if err := p.produce(ctx, owner, l, &ready[i]); err != nil {
			return err
		}
	}
	l.forget(len(ready))
	p.held.Add(-int64(len(ready)))
	return nil
}

// produce hands one trade to Kafka; it waits while too many are in flight. One
// that the registry refuses for good goes to quarantine, and is lost to the
// topic.
func (p *partition) produce(ctx context.Context, owner *kafka.Owner, l *lane, t *binance.Trade) error {
	l.settledAt = t.TradedAt
	r := owner.Next()
	r.Mark, r.ID, r.TradedAt, r.EventAt = l.mark, t.ID, t.TradedAt, t.EventAt
	var ok bool
	for r.Body, ok = p.encoder.Append(r.Body, l.subject, t); !ok; r.Body, ok = p.encoder.Append(r.Body, l.subject, t) {
		err := p.prepare(ctx, l.subject)
		if errors.Is(err, record.ErrRefused) {
			rejectTrade(p.quarantine, t, err)
			l.metrics.lost.Inc()
			p.counts.failed++
			owner.Return(r)
			return nil
		}
		if err != nil {
			return err
		}
	}
	return owner.Produce(ctx, l.key, r)
}

// prepare asks the registry for subject's schema id until it answers.
func (p *partition) prepare(ctx context.Context, subject string) error {
	p.registryAway.Add(1)
	defer p.registryAway.Add(-1)
	return retry(ctx, p.log, registryRetry, func() error { return p.encoder.Prepare(ctx, subject) })
}

// touch notes that the lane has figures to publish.
func (p *partition) touch(l *lane) {
	if !l.touched {
		l.touched = true
		p.touched = append(p.touched, l)
	}
}

// request has the lane's lowest gap fetched, unless that is under way. While a
// second session of the symbol is open it can wait: that one may deliver it.
func (p *partition) request(ctx context.Context, l *lane) {
	if l.repairing || p.feed.Overlapping(l.slot) {
		return // look comes back to it
	}
	gap, ok := l.tracker.Gap()
	if ok {
		p.ask(ctx, l, ask{gap: gap})
	}
	l.catching = ok
}

// ask has the history asked about the lane. When the queue is full, look comes
// back to it. A gap that is being fetched may grow older while its turn comes.
func (p *partition) ask(ctx context.Context, l *lane, a ask) bool {
	a.ctx, a.slot, a.replies, a.maxAge = ctx, l.slot, p.answers, p.config.BackfillMaxAge
	if l.catching {
		a.maxAge *= 2
	}
	if l.settledAt != 0 {
		a.since = time.UnixMicro(l.settledAt)
	}
	l.repairing = p.repairs.ask(a)
	return l.repairing
}

// look is what has to be done from time to time: gaps that could not be asked
// about, streams that are quiet on a new session, streams that have fallen
// silent.
func (p *partition) look(ctx context.Context) {
	now := time.Now()
	var missing int64
	for _, l := range p.lanes {
		if !l.tracker.Started() {
			p.orientSoon(ctx, l, now)
			continue
		}
		missing += l.tracker.Missing()
		p.request(ctx, l)
		if opened := l.openedAt.Load(); opened != l.opened {
			l.opened, l.rhythm.since = opened, opened/1000
			p.probeSoon(l)
		}
		if !l.repairing && p.feed.Connected() && l.rhythm.silent(now.UnixMicro()) {
			p.askBeyond(ctx, l, true)
		}
	}
	p.missing.Store(missing)
	waiting := p.probing[:0]
	for _, l := range p.probing {
		switch {
		case l.tracker.Next() != l.probeID: // it delivers
			l.probeAt = time.Time{}
		case now.Before(l.probeAt) || l.repairing || !p.askBeyond(ctx, l, false):
			waiting = append(waiting, l)
		default:
			l.probeAt = time.Time{}
		}
	}
	p.probing = waiting
}

// orientSoon has the exchange asked where the account of a lane begins of which
// neither Kafka nor the stream has a trade: without that, trades made while the
// session is away would not be known to be missing.
func (p *partition) orientSoon(ctx context.Context, l *lane, now time.Time) {
	switch opened := l.openedAt.Load(); {
	case opened == 0 || l.repairing || l.before.Load() != nil:
	case l.orient.IsZero():
		l.orient = time.Unix(0, opened).Add(quietAfter)
	case now.After(l.orient):
		l.orient = now.Add(orientAgain)
		p.ask(ctx, l, ask{newest: true, probe: true})
	}
}

// oriented takes the exchange's newest trade of a lane: its account begins after
// it, unless the stream has said meanwhile where.
func (p *partition) oriented(l *lane, a answer) {
	if len(a.trades) == 0 || l.tracker.Started() {
		return
	}
	before := &kafka.Mark{ID: a.trades[0].ID, TradedAt: a.trades[0].TradedAt}
	if l.before.CompareAndSwap(nil, before) {
		p.resume(l, before)
	}
}

// probeSoon has the lane asked about if its stream shows nothing by itself.
func (p *partition) probeSoon(l *lane) {
	if l.probeAt.IsZero() {
		p.probing = append(p.probing, l)
	}
	l.probeAt, l.probeID = time.Now().Add(quietAfter), l.tracker.Next()
}

// askBeyond has the history say whether the lane's symbol has trades above the
// highest one known.
func (p *partition) askBeyond(ctx context.Context, l *lane, silent bool) bool {
	next := l.tracker.Next()
	return p.ask(ctx, l, ask{gap: sequence.Gap{First: next, Last: next + binance.HistoryLimit - 1}, probe: true, silent: silent})
}

// repaired takes what the history gave for a gap.
func (p *partition) repaired(ctx context.Context, owner *kafka.Owner, a answer) error {
	l := p.all[a.slot]
	l.repairing = false
	if a.newest {
		p.oriented(l, a)
		return nil
	}
	if a.silent {
		p.heardOf(l, a)
	}
	if a.left >= a.gap.First {
		if err := p.giveUp(ctx, owner, l, sequence.Gap{First: a.gap.First, Last: a.left}, "they are older than -backfill-max-age; fetch them with: streamer repair"); err != nil {
			return err
		}
	}
	from := max(a.gap.First, a.left+1)
	for i := range a.trades {
		t := &a.trades[i]
		if err := p.giveUp(ctx, owner, l, sequence.Gap{First: from, Last: t.ID - 1}, "the exchange's history does not have them"); err != nil {
			return err
		}
		from = t.ID + 1
		before := l.admitted
		if err := p.offer(ctx, owner, l, t); err != nil {
			return err
		}
		l.backfilled += l.admitted - before
	}
	p.touch(l)
	if a.gone {
		if err := p.giveUp(ctx, owner, l, sequence.Gap{First: from, Last: a.gap.Last}, "the exchange's history does not have them"); err != nil {
			return err
		}
	}
	p.request(ctx, l)
	if a.probe && len(a.trades) == binance.HistoryLimit && !l.repairing {
		p.askBeyond(ctx, l, false) // there may be more than one answer holds
	}
	p.publish()
	return nil
}

// heardOf takes the exchange's word about a stream that is silent against its
// rhythm: nothing was traded, which can be so for hours; or the stream is dead,
// and its session has to be replaced.
func (p *partition) heardOf(l *lane, a answer) {
	silence := time.Since(time.UnixMicro(l.rhythm.heardAt)).Round(time.Second)
	if len(a.trades) == 0 {
		if !l.rhythm.halted {
			l.rhythm.halted = true
			l.metrics.halted.Set(1)
			p.log.Debug("no trade, says the exchange", "symbol", l.symbol, "silent", silence)
		}
		return
	}
	if l.tracker.Next() != a.gap.First {
		return // it has delivered since it was asked about
	}
	if first := time.UnixMicro(a.trades[0].TradedAt); time.Since(first) > deadAfter {
		p.log.Warn("the stream is dead: the exchange traded and it did not say so", "symbol", l.symbol, "silent", silence, "missed_since", first.UTC())
		p.feed.Suspect(l.slot)
	}
}

// giveUp declares lost what is missing in the range: nobody will bring it.
func (p *partition) giveUp(ctx context.Context, owner *kafka.Owner, l *lane, g sequence.Gap, why string) error {
	if g.Last < g.First {
		return nil
	}
	lost := l.tracker.Abandon(g)
	if lost == 0 {
		return nil
	}
	l.metrics.lost.Add(float64(lost))
	p.log.Error("trades lost: "+why, "symbol", l.symbol, "first_id", g.First, "last_id", g.Last, "trades", lost)
	return p.release(ctx, owner, l)
}
