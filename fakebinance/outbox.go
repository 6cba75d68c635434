package fakebinance

import (
	"sync"
	"sync/atomic"
	"time"
)

const (
	// maxOutbox bounds the bytes that wait for one session: five minutes of
	// three symbols at 50 trades a second, or several seconds of the busiest
	// traffic ever recorded. A client that is further behind is cut, as the
	// exchange would cut it.
	maxOutbox = 8 << 20
	// flatOutOutbox is how far the publisher runs ahead of a session when it
	// publishes flat out: enough to keep a writer busy, small enough to stay
	// in the processor's cache.
	flatOutOutbox = 512 << 10
	// flatOutAll bounds what it runs ahead of all sessions together, down to
	// one batch for each.
	flatOutAll = 64 << 20
	// batchBytes is what a writer hands to its socket at once: a round of the
	// publisher fits, and it is four TLS records.
	batchBytes = 64 << 10
)

// batch is some whole frames on their way to one session.
type batch struct {
	bytes  []byte
	trades int64
	first  time.Time // when the first of them was handed over
	at     time.Time // when the last of them was
}

var batches = sync.Pool{New: func() any { return &batch{bytes: make([]byte, 0, batchBytes)} }}

func newBatch() *batch { return batches.Get().(*batch) }

// free gives a batch back for another use. One that grew far beyond the others
// is left to the collector.
func (b *batch) free() {
	if cap(b.bytes) > 2*batchBytes {
		return
	}
	b.bytes, b.trades = b.bytes[:0], 0
	batches.Put(b)
}

// outbox is what waits to be written to a session. The publisher and the
// session's reader put in, its writer takes out.
type outbox struct {
	wake chan struct{} // holds a token when there is something to take
	room chan struct{} // holds a token when it became half empty, or closed

	size atomic.Int64 // bytes waiting

	mu    sync.Mutex
	queue []*batch
	final bool // a close frame is the last in the queue: nothing may follow it
}

func newOutbox() *outbox {
	return &outbox{wake: make(chan struct{}, 1), room: make(chan struct{}, 1)}
}

// push puts in b, which now belongs to the outbox, and reports whether there
// was room. Batches under slow frames keep apart by spread, so that each can
// be held back for its own time; else small ones become one.
func (o *outbox) push(b *batch, spread time.Duration) bool {
	size := int64(len(b.bytes))
	o.mu.Lock()
	if o.final {
		o.mu.Unlock()
		b.free()
		return true
	}
	if o.size.Load()+size > maxOutbox {
		o.mu.Unlock()
		b.free()
		return false
	}
	o.size.Add(size)
	if n := len(o.queue); n > 0 && o.queue[n-1].takes(b, spread) {
		tail := o.queue[n-1]
		tail.bytes = append(tail.bytes, b.bytes...)
		tail.trades += b.trades
		tail.at = b.at
		o.mu.Unlock()
		b.free()
	} else {
		o.queue = append(o.queue, b)
		o.mu.Unlock()
	}
	signal(o.wake)
	return true
}

// takes reports whether b may be appended to the waiting batch.
func (b *batch) takes(next *batch, spread time.Duration) bool {
	if len(b.bytes)+len(next.bytes) > cap(b.bytes) {
		return false
	}
	return spread == 0 || next.at.Sub(b.first) < spread
}

// put puts in a frame that is no trade: an answer, a ping or a pong.
func (o *outbox) put(frame []byte, spread time.Duration) bool {
	return o.push(batchOf(frame), spread)
}

func batchOf(frame []byte) *batch {
	b := newBatch()
	b.bytes = append(b.bytes, frame...)
	b.first = time.Now()
	b.at = b.first
	return b
}

// finish throws away what waits and puts in closeFrame, whose last frame is a
// close frame, as the last.
// Only the first call has an effect.
func (o *outbox) finish(closeFrame []byte) {
	o.mu.Lock()
	if !o.final {
		o.final = true
		o.clear()
		b := batchOf(closeFrame)
		o.queue = append(o.queue, b)
		o.size.Add(int64(len(b.bytes)))
	}
	o.mu.Unlock()
	signal(o.wake)
	signal(o.room)
}

// closing tells that a close frame was put in.
func (o *outbox) closing() bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.final
}

// discard empties the outbox for good.
func (o *outbox) discard() {
	o.mu.Lock()
	o.final = true
	o.clear()
	o.mu.Unlock()
	signal(o.room)
}

func (o *outbox) clear() {
	for _, b := range o.queue {
		b.free()
	}
	o.queue = nil
	o.size.Store(0)
}

// take takes out the next batch, nil when there is none; last tells that it
// ends with the close frame.
func (o *outbox) take() (b *batch, last bool) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if len(o.queue) == 0 {
		return nil, false
	}
	b = o.queue[0]
	o.queue[0] = nil
	o.queue = o.queue[1:]
	if o.size.Add(-int64(len(b.bytes))) <= flatOutOutbox/2 {
		signal(o.room)
	}
	return b, o.final && len(o.queue) == 0
}

// full tells that a publisher that runs flat out for so many sessions must wait.
func (o *outbox) full(sessions int) bool {
	return o.size.Load() >= int64(max(batchBytes, min(flatOutOutbox, flatOutAll/sessions)))
}

// signal leaves a token in c unless there is one.
func signal(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}
