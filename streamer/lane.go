package streamer

import (
	"slices"
	"sync/atomic"
	"time"

	"steadfeed/streamer/internal/binance"
	"steadfeed/streamer/internal/kafka"
	"steadfeed/streamer/internal/sequence"
)

// lane is one symbol.
type lane struct {
	slot    int
	symbol  string
	key     []byte
	topic   string
	subject string
	metrics laneMetrics

	// What the intake says, for all to see.
	lastID   atomic.Int64 // highest id seen on the stream
	openedAt atomic.Int64 // when the newest session of the stream opened; Unix nanoseconds
	newest   int64        // the same; the intake's own, as the next
	received int64        // since the last publish

	// ackedID is the highest id that is visible in Kafka because of us.
	ackedID atomic.Int64
	// before is the trade before the first one that this process owes: its
	// account begins there, until Kafka has a trade of it. nil: not known yet.
	before atomic.Pointer[kafka.Mark]

	account // the partition's goroutine owns it, while the partition is ours
}

// account is what is known of a symbol's trades while its partition is ours;
// each owner makes it anew from what Kafka has.
type account struct {
	tracker sequence.Tracker
	mark    *kafka.Mark // the newest trade in Kafka

	held      []binance.Trade // in order of id, all above what is missing
	repairing bool            // the history was asked and has not answered
	catching  bool            // the gap was asked about before
	settledAt int64           // time of the newest trade handed to Kafka; Unix microseconds

	opened  int64     // the session of which it is known whether the stream delivers
	probeAt time.Time // when to ask about a stream that is quiet on a new session; zero: not at all
	probeID int64     // the id that was expected when the session opened
	orient  time.Time // when to ask where the account begins; see orientSoon
	rhythm  rhythm

	admitted int64
	// Since the last publish:
	touched    bool
	duplicated int64
	backfilled int64
}

// publish brings what was counted since the last time to the metrics.
func (l *lane) publish() {
	l.metrics.duplicate.Add(float64(l.duplicated))
	l.metrics.backfilled.Add(float64(l.backfilled))
	l.duplicated, l.backfilled, l.touched = 0, 0, false
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

const (
	// silentLeast is the shortest silence of a stream that is looked into: longer
	// than a whole session may be silent, which is found without asking.
	silentLeast = 40 * time.Second
	// silentFactor is how many times its usual pause a stream may be silent
	// before it is looked into: with trades at random, one pause in some
	// hundred million is that long.
	silentFactor = 20
	// rhythmKnown is how many trades make a rhythm. Before, a stream is looked
	// into as seldom as at all.
	rhythmKnown = 32
	// silentAgainMost is the longest time between two looks at a silent stream.
	silentAgainMost = 10 * time.Minute
)

// rhythm is how often a stream usually delivers, and how long it has not.
// Times are Unix microseconds.
type rhythm struct {
	heardAt int64
	since   int64 // from when on its silence counts: what came before, on another session or to another owner, is asked about apart from this
	heards  int   // trades heard, up to rhythmKnown
	pause   int64 // usual time between two trades
	lookAt  int64 // not before this, once it was looked into; 0: never was
	halted  bool  // it was looked into, and nothing had been traded
}

// heard notes a trade on the stream.
func (r *rhythm) heard(at int64) {
	if r.heardAt != 0 && at > r.heardAt {
		r.pause += (at - r.heardAt - r.pause) / 16
	}
	r.heardAt, r.heards, r.lookAt = max(r.heardAt, at), min(r.heards+1, rhythmKnown), 0
}

// silent tells whether the stream should be looked into, and if so not again
// for as long as it has been silent already.
func (r *rhythm) silent(now int64) bool {
	from := max(r.heardAt, r.since)
	silence, limit := now-from, max(silentLeast.Microseconds(), silentFactor*r.pause)
	if r.heards < rhythmKnown {
		limit = max(limit, silentAgainMost.Microseconds())
	}
	if from == 0 || now < r.lookAt || silence < limit {
		return false
	}
	r.lookAt = now + min(silence, silentAgainMost.Microseconds())
	return true
}
