package audit

import (
	"context"
	"fmt"
	"time"
)

// Totals are the figures of a moment, of all symbols together.
type Totals struct {
	Published int64 // owed to the topic so far
	Delivered int64 // in the topic, each counted once
	Behind    int64 // published and not in the topic, holes included
	Findings  int64 // broken guarantees so far, holes included

	// Trades for which a guarantee is broken as things stand. A hole counts as
	// lost until it is filled.
	Lost, Duplicate, Disordered, Altered int64

	// Of the trades that became visible since the last call: the median, and
	// the longest, which is also the age of the oldest trade that is still on
	// its way.
	LagP50, LagMax time.Duration

	// CaughtUp: no trade on its way has been due for longer than is fresh. A
	// hole does not count; it may never be filled.
	CaughtUp bool

	// VisibleTo: every trade that was due before is visible. Again, a hole does
	// not count.
	VisibleTo time.Time
}

// Now returns the figures and begins a new interval for the lags. It is cheap
// enough to be called each second; windows close and pauses of trades that are
// still invisible are noticed when it is called. at should carry a monotonic
// reading, as time.Now does: steps of the wall clock are seen by it.
func (a *Auditor) Now(at time.Time) Totals {
	a.mu.Lock()
	defer a.mu.Unlock()
	now := at.UnixMicro()
	a.latest = max(a.latest, now)
	a.clock.observe(at)
	var t Totals
	for _, c := range a.accounts {
		a.refresh(c)
		t.Published += c.published()
		t.Delivered += c.delivered
		t.Behind += c.behind()
		t.Findings += int64(len(c.missing))
		t.Lost += c.lost + c.missing.size()
		t.Duplicate += c.duplicate
		t.Disordered += c.disordered
		t.Altered += c.altered
	}
	t.Altered += a.strange.altered
	t.Findings += a.findings.total()
	a.look(now)
	oldest := a.oldestDue()
	if oldest < now {
		a.timeline.charge(oldest, now)
		a.recent.max = max(a.recent.max, now-oldest)
	}
	t.CaughtUp = now-oldest <= a.freshAge
	t.VisibleTo = time.UnixMicro(min(oldest, now))
	t.LagP50 = time.Duration(a.recent.quantile(0.5)) * time.Microsecond
	t.LagMax = time.Duration(a.recent.max) * time.Microsecond
	a.recent.reset()
	return t
}

// readPoll is how often ReadTo looks.
const readPoll = 20 * time.Millisecond

// ReadTo waits until Topic.Read has handed over everything up to end, the sum
// of the end offsets of the topic's partitions.
func (a *Auditor) ReadTo(ctx context.Context, end int64) error {
	ticker := time.NewTicker(readPoll)
	defer ticker.Stop()
	for a.read.Load() < end {
		select {
		case <-ticker.C:
		case <-ctx.Done():
			return fmt.Errorf("read the topic: at %d of %d: %w", a.read.Load(), end, context.Cause(ctx))
		}
	}
	return nil
}

// clock sees steps of the wall clock against the steady one.
type clock struct {
	before time.Time
	step   time.Duration
}

func (c *clock) observe(at time.Time) {
	if !c.before.IsZero() {
		steady := at.Sub(c.before)
		wall := at.Round(0).Sub(c.before.Round(0))
		c.step = max(c.step, (wall - steady).Abs())
	}
	c.before = at
}
