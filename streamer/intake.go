package streamer

import (
	"context"
	"sync/atomic"
	"time"

	"steadfeed/streamer/internal/binance"
	"steadfeed/streamer/internal/kafka"
)

// tickEvery is how often the intake shows that it is alive when nothing comes.
const tickEvery = 500 * time.Millisecond

// intake is the one goroutine that takes what comes off the sessions, for all
// symbols, whether their partitions are ours or not, and puts it where those
// that are ours find it.
type intake struct {
	feed    *binance.Feed
	recent  *recent
	lanes   []*lane // all, by slot
	metrics *metrics

	touched []*lane      // with figures to publish at the end of the batch
	beat    atomic.Int64 // Unix seconds of the newest turn of the loop
}

// run takes batches until ended is closed, which says that the sessions are
// gone, and then what is left of theirs; or until ctx ends.
func (n *intake) run(ctx context.Context, ended <-chan struct{}) error {
	tick := time.NewTicker(tickEvery)
	defer tick.Stop()
	for {
		n.beat.Store(time.Now().Unix())
		select {
		case b := <-n.feed.Batches():
			if err := n.batch(ctx, b); err != nil {
				return err
			}
		case <-tick.C:
		case <-ended:
			return n.rest(ctx)
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// rest takes what the sessions left.
func (n *intake) rest(ctx context.Context) error {
	for {
		select {
		case b := <-n.feed.Batches():
			if err := n.batch(ctx, b); err != nil {
				return err
			}
		default:
			return nil
		}
	}
}

// batch takes everything that came off a session in one go.
func (n *intake) batch(ctx context.Context, b *binance.Batch) error {
	defer b.Release()
	now := time.Now()
	for _, slot := range b.Opened {
		n.lanes[slot].openedAt.Store(now.UnixNano())
	}
	for i := range b.Trades {
		t := &b.Trades[i]
		l := n.lanes[t.Slot]
		if l.received == 0 {
			n.touched = append(n.touched, l)
			if l.before.Load() == nil {
				l.before.CompareAndSwap(nil, &kafka.Mark{ID: t.ID - 1, TradedAt: t.TradedAt})
			}
		}
		l.received++
		l.newest = max(l.newest, t.ID)
	}
	for _, l := range n.touched {
		l.metrics.received.Add(float64(l.received))
		l.lastID.Store(l.newest)
		l.received = 0
	}
	n.touched = n.touched[:0]
	if len(b.Trades) > 0 {
		n.metrics.lastTrade.Set(float64(now.UnixMilli()) / 1000)
	}
	n.metrics.frames(len(b.Trades), b.Control, b.Rejected)
	return n.recent.add(ctx, b.Trades)
}
