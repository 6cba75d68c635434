package streamer

import (
	"slices"
	"sync/atomic"
	"time"

	"steadfeed/streamer/internal/binance"
	"steadfeed/streamer/internal/sequence"
)

// lane is the state of one symbol. The pipeline's goroutine owns it; the
// atomics are for those who look on.
type lane struct {
	slot    int
	symbol  string
	key     []byte
	topic   string
	subject string
	tracker sequence.Tracker
	metrics laneMetrics

	held      []binance.Trade // in order of id, all above what is missing
	repairing bool            // the history was asked and has not answered
	probeAt   time.Time       // when to ask about silence; zero: not at all
	probeID   int64           // the id that was expected when the session opened

	admitted int64
	// Since the last publish:
	touched    bool
	received   int64
	duplicated int64
	backfilled int64

	lastID  atomic.Int64 // highest id observed
	ackedID atomic.Int64 // highest id acknowledged
}

// hold keeps t until what is missing before it is here.
func (l *lane) hold(t *binance.Trade) {
	if n := len(l.held); n == 0 || l.held[n-1].ID < t.ID {
		l.held = append(l.held, *t)
		return
	}
	at, _ := slices.BinarySearchFunc(l.held, t.ID, func(held binance.Trade, id int64) int {
		return int(max(-1, min(1, held.ID-id)))
	})
	l.held = slices.Insert(l.held, at, *t)
}

// ready returns the held trades before which nothing is missing.
func (l *lane) ready() []binance.Trade {
	floor := l.tracker.Floor()
	n := 0
	for n < len(l.held) && l.held[n].ID < floor {
		n++
	}
	return l.held[:n]
}

// forget lets go of the first n held trades, and of the memory when none is left.
func (l *lane) forget(n int) {
	if n == len(l.held) {
		l.held = nil
		return
	}
	l.held = slices.Delete(l.held, 0, n)
}

// publish brings what was counted since the last time to the metrics.
func (l *lane) publish() {
	l.metrics.received.Add(float64(l.received))
	if l.duplicated > 0 {
		l.metrics.duplicate.Add(float64(l.duplicated))
	}
	if l.backfilled > 0 {
		l.metrics.backfilled.Add(float64(l.backfilled))
	}
	l.lastID.Store(l.tracker.Next() - 1)
	l.received, l.duplicated, l.backfilled, l.touched = 0, 0, 0, false
}
