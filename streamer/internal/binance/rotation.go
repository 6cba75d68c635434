package binance

import (
	"context"
	"math/rand/v2"
	"time"
)

// Rotation is make-before-break. A session is replaced while it works, in this
// order:
//
//  1. A new session is dialled; the old one reads on.
//  2. The new one has to show that it delivers every stream: either a trade of
//     the stream came on it, or, after some patience, the exchange says that
//     the stream had nothing to deliver since (see [Feed.examine]).
//  3. Both go on for a moment, so that what is still on its way on the old one
//     arrives; then the old one is closed with 1000.
//
// A new session that misses a trade is the bad one of the two: it is closed,
// the old one stays, and the rotation is tried again later. When the old one
// ends meanwhile, the new one simply takes over.

// RotationReason is why a session is replaced: a value of the label reason.
type RotationReason string

const (
	RotationScheduled RotationReason = "scheduled"     // its time in the schedule came
	RotationAge       RotationReason = "age"           // it is nearly as old as the exchange allows
	RotationShutdown  RotationReason = "shutdown"      // its server announced that it leaves
	RotationSilent    RotationReason = "silent_stream" // one of its streams is suspected to be silent
)

const (
	// ageLimit is when a session is replaced at the latest. The exchange ends it
	// at 24 hours (Binance: web-socket-streams.md).
	ageLimit = 23*time.Hour + 30*time.Minute
	// rotationJitter is the share of the interval by which an instant of the
	// schedule may be early or late.
	rotationJitter = 0.05
	// patienceLimit is how long a new session may take to show each stream by
	// itself before the exchange is asked.
	patienceLimit = 10 * time.Second
	// overlapLimit is how long the old session reads on when the new one is
	// known to be complete.
	overlapLimit = 2 * time.Second
	// inFlightGrace is how long a trade that the exchange shows may take to
	// arrive on the stream, before the stream counts as silent.
	inFlightGrace = 5 * time.Second
	// askAgain is the pause after the exchange could not be asked.
	askAgain = 5 * time.Second
	// A rotation that failed is tried again after a delay that doubles.
	rotationRetryFirst = 10 * time.Second
	rotationRetryMax   = 10 * time.Minute
	// suspicionPause is the least time between rotations of a group for silent
	// streams: each costs a connection.
	suspicionPause = 5 * time.Minute
)

// scheduled is instant k, from 1 on, of the rotations of a group. The schedule
// is absolute: how long rotations take does not move it.
func scheduled(start time.Time, interval time.Duration, seed uint64, group int, k int64) time.Time {
	draw := rand.New(rand.NewPCG(seed, uint64(group)<<40|uint64(k)))
	shift := time.Duration((2*draw.Float64() - 1) * rotationJitter * float64(interval))
	return start.Add(time.Duration(k)*interval + shift)
}

// patience is patienceLimit, or less when rotations follow quickly.
func (o *Options) patience() time.Duration { return min(patienceLimit, o.quarter()) }

// overlap is overlapLimit, or less when rotations follow quickly.
func (o *Options) overlap() time.Duration { return min(overlapLimit, o.quarter()) }

func (o *Options) quarter() time.Duration {
	if o.RotationInterval == 0 {
		return patienceLimit
	}
	return o.RotationInterval / 4
}

// verdict is what the exchange says about the streams that a new session did
// not deliver.
type verdict struct {
	session *session
	missed  string // symbol of a trade that it should have delivered; empty: none
}

// examine asks the exchange about each stream on which s has not delivered yet.
// It returns an error when ctx ended before all was known.
func (f *Feed) examine(ctx context.Context, s *session) (verdict, error) {
	for at, slot := range s.slots {
		served, err := f.served(ctx, s, at)
		if err != nil {
			return verdict{}, err
		}
		if !served {
			return verdict{session: s, missed: f.options.Symbols[slot]}, nil
		}
	}
	return verdict{session: s}, nil
}

// served tells whether the stream at position at has all that it should have:
// a trade of it came, or there was none. It asks until it knows.
func (f *Feed) served(ctx context.Context, s *session, at int) (bool, error) {
	slot := s.slots[at]
	for !s.heard[at].Load() {
		newest, any, err := f.options.Newest(ctx, slot)
		wait := inFlightGrace
		switch {
		case ctx.Err() != nil:
			return false, ctx.Err()
		case err != nil:
			wait = askAgain
			s.log.Warn("whether a stream is quiet could not be asked: "+err.Error(), "symbol", f.options.Symbols[slot], "retry_in", wait)
		case !any || s.predates(at, &newest):
			return true, nil
		}
		select {
		case <-ctx.Done():
			return false, ctx.Err()
		case <-time.After(wait):
		}
		if err == nil {
			return s.heard[at].Load(), nil
		}
	}
	return true, nil
}

// predates tells whether the newest trade of the stream at position at is one
// that s need not have delivered: it was known when s opened, or was made
// before the first event that s delivered on any stream. Both times are the
// exchange's, so its clock and ours need not agree; only when nothing at all is
// known do we compare with ours.
func (s *session) predates(at int, newest *Trade) bool {
	if newest.ID <= s.known[at] {
		return true
	}
	if first := s.firstEventAt.Load(); first != 0 {
		return newest.TradedAt < first
	}
	return s.known[at] == 0 && newest.TradedAt < s.opened.Add(-inFlightGrace).UnixMicro()
}

// hear notes that the stream of t delivers. Its reader calls it.
func (s *session) hear(t *Trade) {
	at := t.Slot - s.slots[0] // the slots of a group are consecutive
	if at < 0 || at >= len(s.heard) || s.heard[at].Load() {
		return
	}
	s.firstEventAt.CompareAndSwap(0, t.EventAt)
	s.heard[at].Store(true)
	if s.unheard.Add(-1) == 0 {
		close(s.complete)
	}
}
