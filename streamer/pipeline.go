package streamer

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
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
	// tickEvery is how often the loop looks at its clock.
	tickEvery = 500 * time.Millisecond
	// registryRetry is the pause between calls to a registry that does not answer.
	registryRetry = 2 * time.Second
)

// pipeline is the one goroutine that every trade passes: it puts the trades of
// each symbol in order, holds them back while earlier ones are fetched, and
// hands them to the writer.
//
// Every trade offered to it ends as exactly one of: admitted (now, or after it
// was held), duplicate, or deferred (not kept, still missing, to come again
// from the history).
type pipeline struct {
	feed    *binance.Feed
	repairs *repairs
	encoder *record.Encoder
	writer  *kafka.Writer
	metrics *metrics
	log     *slog.Logger

	lanes     []*lane // by slot
	held      int     // trades held in all lanes
	repairing int     // lanes about which the history was asked
	touched   []int   // slots with figures to publish at the end of the batch
	probing   []int   // slots that have to show life by themselves or be asked about
	counts    counts

	acknowledged atomic.Int64 // records
	beat         atomic.Int64 // Unix seconds of the newest turn of the loop
	registryAway atomic.Bool  // the loop waits for the schema registry
}

// counts are what the pipeline has done so far. A trade that it was given, on
// the stream or by the history, was admitted, or a duplicate, or deferred.
type counts struct{ admitted, duplicates, deferred int64 }

// errDrainTimeout is why the work ends when a drain takes too long.
var errDrainTimeout = errors.New("drain timed out")

// run carries trades until stop is closed (then it drains, within
// drainTimeout), ctx ends (then it returns at once), or something fails for
// good. stopFeed ends the sessions; they are gone when it returns.
func (p *pipeline) run(ctx context.Context, stop <-chan struct{}, stopFeed func(), drainTimeout time.Duration) error {
	ctx, cancel := context.WithCancelCause(ctx)
	var watching sync.WaitGroup
	defer watching.Wait()
	defer cancel(nil)
	stopped := make(chan struct{})
	// Beside the loop, because that may be waiting for Kafka: the sessions end
	// at once all the same, and the time of the drain counts from here.
	watching.Go(func() {
		select {
		case <-stop:
		case <-ctx.Done():
			return
		}
		p.log.Info("draining", "timeout", drainTimeout)
		limit := time.AfterFunc(drainTimeout, func() { cancel(errDrainTimeout) })
		defer limit.Stop()
		stopFeed()
		close(stopped)
		<-ctx.Done()
	})
	err := p.loop(ctx, stopped)
	if err != nil && errors.Is(context.Cause(ctx), errDrainTimeout) {
		return fmt.Errorf("drain: after %v %d trades were still missing and %d records not acknowledged", drainTimeout, p.missing(), p.writer.InFlight())
	}
	return err
}

// loop is the life of the pipeline. stopped is closed when the sessions are
// gone.
func (p *pipeline) loop(ctx context.Context, stopped <-chan struct{}) error {
	tick := time.NewTicker(tickEvery)
	defer tick.Stop()
	for {
		p.beat.Store(time.Now().Unix())
		select {
		case b := <-p.feed.Batches():
			if err := p.batch(ctx, b); err != nil {
				return err
			}
		case a := <-p.repairs.answers:
			if err := p.repaired(ctx, a); err != nil {
				return err
			}
		case <-tick.C:
			p.probe()
		case err := <-p.writer.Failed():
			return err
		case <-stopped:
			return p.drain(ctx)
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// batch takes everything that came off a session in one go.
func (p *pipeline) batch(ctx context.Context, b *binance.Batch) error {
	defer b.Release()
	now := time.Now()
	p.writer.Clock(now)
	for _, slot := range b.Opened {
		if l := p.lanes[slot]; l.tracker.Started() {
			if l.probeAt.IsZero() {
				p.probing = append(p.probing, slot)
			}
			l.probeAt, l.probeID = now.Add(quietAfter), l.tracker.Next()
		}
	}
	for i := range b.Trades {
		t := &b.Trades[i]
		p.lanes[t.Slot].received++
		if err := p.offer(ctx, t); err != nil {
			return err
		}
	}
	if len(b.Trades) > 0 {
		p.metrics.lastTrade.Set(float64(now.UnixMilli()) / 1000)
	}
	p.metrics.frames(len(b.Trades), b.Control, b.Rejected)
	p.publish()
	return nil
}

// offer decides what becomes of one trade.
func (p *pipeline) offer(ctx context.Context, t *binance.Trade) error {
	l := p.lanes[t.Slot]
	p.touch(l)
	if p.held >= maxHeld && l.tracker.Started() && t.ID > l.tracker.Floor() {
		// It would have to be held and there is no room.
		l.tracker.Miss(t.ID)
		p.counts.deferred++
		p.request(l)
		return nil
	}
	next := l.tracker.Next()
	switch l.tracker.Observe(t.ID) {
	case sequence.Duplicate:
		p.counts.duplicates++
		l.duplicated++
		return nil
	case sequence.Refused:
		p.counts.deferred++
		p.request(l)
		return nil
	case sequence.New:
		if t.ID != next && l.admitted > 0 {
			l.metrics.gaps.Inc()
			p.log.Info("gap", "symbol", l.symbol, "first_id", next, "last_id", t.ID-1, "trades", t.ID-next)
		}
	}
	p.counts.admitted++
	l.admitted++
	if t.ID >= l.tracker.Floor() {
		l.hold(t)
		p.held++
		p.request(l)
		return nil
	}
	if err := p.produce(ctx, l, t); err != nil {
		return err
	}
	return p.release(ctx, l)
}

// release hands on the held trades that nothing is missing before any more.
func (p *pipeline) release(ctx context.Context, l *lane) error {
	if len(l.held) == 0 {
		return nil
	}
	ready := l.ready()
	for i := range ready {
		if err := p.produce(ctx, l, &ready[i]); err != nil {
			return err
		}
	}
	l.forget(len(ready))
	p.held -= len(ready)
	return nil
}

// produce hands one trade to the writer; it waits while too many are in flight.
func (p *pipeline) produce(ctx context.Context, l *lane, t *binance.Trade) error {
	r := p.writer.Next()
	r.Slot, r.ID, r.EventAt = t.Slot, t.ID, t.EventAt
	var ok bool
	for r.Body, ok = p.encoder.Append(r.Body, l.subject, t); !ok; r.Body, ok = p.encoder.Append(r.Body, l.subject, t) {
		if err := p.prepare(ctx, l.subject); err != nil {
			return err
		}
	}
	return p.writer.Produce(ctx, l.topic, l.key, r)
}

// prepare asks the registry for subject's schema id until it answers.
func (p *pipeline) prepare(ctx context.Context, subject string) error {
	p.registryAway.Store(true)
	defer p.registryAway.Store(false)
	return retry(ctx, p.log, registryRetry, func() error { return p.encoder.Prepare(ctx, subject) })
}

// request has the lane's lowest gap fetched, unless that is under way.
func (p *pipeline) request(l *lane) {
	if l.repairing {
		return
	}
	if gap, ok := l.tracker.Gap(); ok {
		p.started(l)
		p.repairs.ask(ask{slot: l.slot, gap: gap})
	}
}

// probe asks the history about streams that stayed silent on a new session.
func (p *pipeline) probe() {
	if len(p.probing) == 0 {
		return
	}
	now := time.Now()
	waiting := p.probing[:0]
	for _, slot := range p.probing {
		switch l := p.lanes[slot]; {
		case l.tracker.Next() != l.probeID: // it delivers
			l.probeAt = time.Time{}
		case now.Before(l.probeAt) || l.repairing:
			waiting = append(waiting, slot)
		default:
			l.probeAt = time.Time{}
			p.askBeyond(l)
		}
	}
	p.probing = waiting
}

// askBeyond has the history say whether the lane's symbol has trades above the
// highest one known.
func (p *pipeline) askBeyond(l *lane) {
	next := l.tracker.Next()
	p.started(l)
	p.repairs.ask(ask{slot: l.slot, gap: sequence.Gap{First: next, Last: next + binance.HistoryLimit - 1}, probe: true})
}

// started notes that the history was asked about l.
func (p *pipeline) started(l *lane) {
	l.repairing = true
	p.repairing++
}

// repaired takes what the history gave for a gap.
func (p *pipeline) repaired(ctx context.Context, a answer) error {
	l := p.lanes[a.slot]
	p.writer.Clock(time.Now())
	l.repairing = false
	p.repairing--
	from := a.gap.First
	for i := range a.trades {
		t := &a.trades[i]
		if err := p.giveUp(ctx, l, sequence.Gap{First: from, Last: t.ID - 1}); err != nil {
			return err
		}
		from = t.ID + 1
		before := l.admitted
		if err := p.offer(ctx, t); err != nil {
			return err
		}
		l.backfilled += l.admitted - before
	}
	if a.gone {
		if err := p.giveUp(ctx, l, sequence.Gap{First: from, Last: a.gap.Last}); err != nil {
			return err
		}
	}
	p.request(l)
	if a.probe && len(a.trades) == binance.HistoryLimit && !l.repairing {
		p.askBeyond(l) // there may be more than one answer holds
	}
	p.publish()
	return nil
}

// giveUp declares lost what is missing in the range: the exchange has answered
// and does not have it.
func (p *pipeline) giveUp(ctx context.Context, l *lane, g sequence.Gap) error {
	if g.Last < g.First {
		return nil
	}
	lost := l.tracker.Abandon(g)
	if lost == 0 {
		return nil
	}
	l.metrics.lost.Add(float64(lost))
	p.log.Error("trades lost: the exchange's history does not have them", "symbol", l.symbol, "first_id", g.First, "last_id", g.Last, "trades", lost)
	p.touch(l)
	return p.release(ctx, l)
}

// touch notes that the lane's figures change.
func (p *pipeline) touch(l *lane) {
	if !l.touched {
		l.touched = true
		p.touched = append(p.touched, l.slot)
	}
}

// publish brings the figures of the lanes that changed to the metrics: once a
// batch, so that a trade costs no atomic operation.
func (p *pipeline) publish() {
	for _, slot := range p.touched {
		p.lanes[slot].publish()
	}
	p.touched = p.touched[:0]
	p.metrics.held.Set(float64(p.held))
	p.metrics.trades(p.counts)
	p.metrics.remaining.Set(float64(p.missing()))
}

// missing is the number of trades known to exist and not yet here.
func (p *pipeline) missing() int64 {
	if p.repairing == 0 {
		return 0
	}
	var sum int64
	for _, l := range p.lanes {
		if l.repairing {
			sum += l.tracker.Missing()
		}
	}
	return sum
}

// drain finishes what the sessions left: it waits until every gap is closed
// and every record acknowledged.
func (p *pipeline) drain(ctx context.Context) error {
	for left := true; left; {
		select {
		case b := <-p.feed.Batches():
			if err := p.batch(ctx, b); err != nil {
				return err
			}
		default:
			left = false
		}
	}
	for p.missing() > 0 {
		select {
		case a := <-p.repairs.answers:
			if err := p.repaired(ctx, a); err != nil {
				return err
			}
		case err := <-p.writer.Failed():
			return err
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	if err := p.writer.Drain(ctx); err != nil {
		return fmt.Errorf("drain: %w", err)
	}
	select {
	case err := <-p.writer.Failed():
		return err
	default:
	}
	p.log.Info("drained", "admitted", p.counts.admitted, "duplicates", p.counts.duplicates, "deferred", p.counts.deferred,
		"acknowledged", p.acknowledged.Load())
	if n := p.acknowledged.Load(); n != p.counts.admitted {
		return fmt.Errorf("drain: %d trades were admitted and %d acknowledged", p.counts.admitted, n)
	}
	return nil
}

// retry calls attempt until it succeeds, or the schema registry refuses for
// good, or ctx ends, and says once a failure why it has to wait.
func retry(ctx context.Context, log *slog.Logger, pause time.Duration, attempt func() error) error {
	for {
		err := attempt()
		if err == nil || errors.Is(err, record.ErrRefused) {
			return err
		}
		if ctx.Err() != nil {
			return ctx.Err()
		}
		log.Warn(err.Error(), "retry_in", pause)
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(pause):
		}
	}
}
