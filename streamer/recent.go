package streamer

import (
	"context"
	"sync"
	"time"

	"steadfeed/streamer/internal/binance"
)

const (
	// maxRecent is how many trades are kept of all symbols together, 1.3 MB: 16
	// seconds at 1,000 a second, twice what it takes to replace a process that
	// was killed. A partition that changes hands goes on
	// from here without asking the exchange for history.
	maxRecent = 1 << 14
	// stallAfter is how long a partition that takes nothing may hold up the
	// sessions. After that it is left behind: the others go on, and what it
	// misses here it gets from the history.
	stallAfter = 2 * time.Second
)

// recent holds the newest trades in the order in which they came, whether
// anybody wants them or not: one writer, and a reader for each partition that
// is ours. A reader that joins begins with the oldest. A writer that would
// overwrite what a reader has not read waits for it: that is the back-pressure
// from Kafka to the sockets; but not longer than stallAfter for one that does
// not read at all.
type recent struct {
	room chan struct{} // a reader has read, and the writer may be waiting

	mu      sync.Mutex // never held while waiting
	trades  []binance.Trade
	head    int64     // trades ever added; the newest is at head-1
	readers []*reader // by slot; nil where the symbol is not ours
	joined  []*reader
}

// reader reads the trades of some symbols.
type reader struct {
	ring   *recent
	wake   chan struct{} // there is something to read
	at     int64         // the next to look at
	unread int           // trades for it from there on
	took   time.Time     // when it last read
	behind bool          // it is not waited for
}

func newRecent(symbols int) *recent {
	return &recent{room: make(chan struct{}, 1), trades: make([]binance.Trade, 0, maxRecent), readers: make([]*reader, symbols)}
}

// add takes trades, waiting for readers that are behind. It is for one
// goroutine.
func (r *recent) add(ctx context.Context, trades []binance.Trade) error {
	for len(trades) > 0 {
		n, wait := r.put(trades, time.Now())
		trades = trades[n:]
		if len(trades) == 0 {
			break
		}
		timer := time.NewTimer(wait)
		select {
		case <-r.room:
		case <-timer.C:
		case <-ctx.Done():
			timer.Stop()
			return ctx.Err()
		}
		timer.Stop()
	}
	return nil
}

// put takes as many trades as there is room for, and says how long a reader
// that is in the way may still take before it is left behind.
func (r *recent) put(trades []binance.Trade, now time.Time) (n int, wait time.Duration) {
	r.mu.Lock()
	defer r.mu.Unlock()
	room := int64(maxRecent)
	wait = stallAfter
	for _, reader := range r.joined {
		if reader.unread == 0 {
			reader.at, reader.took = r.head, now
		}
		free := maxRecent - (r.head - reader.at)
		switch left := stallAfter - now.Sub(reader.took); {
		case reader.behind || free >= int64(len(trades)):
			continue
		case free <= 0 && left <= 0:
			reader.behind = true
			continue
		case free <= 0:
			wait = min(wait, left)
		}
		room = min(room, free)
	}
	n = int(min(room, int64(len(trades))))
	for i := range trades[:n] {
		t := &trades[i]
		if len(r.trades) < maxRecent {
			r.trades = append(r.trades, *t)
		} else {
			r.trades[r.head%maxRecent] = *t
		}
		r.head++
		if reader := r.readers[t.Slot]; reader != nil {
			reader.unread++
		}
	}
	for _, reader := range r.joined {
		if reader.unread > 0 {
			reader.signal()
		}
	}
	return n, wait
}

// join makes a reader of the lanes' trades. There is at most one for each.
func (r *recent) join(lanes []*lane) *reader {
	r.mu.Lock()
	defer r.mu.Unlock()
	reader := &reader{ring: r, wake: make(chan struct{}, 1), took: time.Now()}
	for _, l := range lanes {
		r.readers[l.slot] = reader
	}
	r.joined = append(r.joined, reader)
	reader.rewind()
	reader.signal()
	return reader
}

// rewind goes back to the oldest trade.
func (d *reader) rewind() {
	r := d.ring
	d.at, d.unread = max(0, r.head-maxRecent), 0
	for i := d.at; i < r.head; i++ {
		if r.readers[r.trades[i%maxRecent].Slot] == d {
			d.unread++
		}
	}
}

func (d *reader) signal() {
	select {
	case d.wake <- struct{}{}:
	default:
	}
}

// leave ends the reader.
func (d *reader) leave() {
	r := d.ring
	r.mu.Lock()
	defer r.mu.Unlock()
	for slot, other := range r.readers {
		if other == d {
			r.readers[slot] = nil
		}
	}
	for i, other := range r.joined {
		if other == d {
			r.joined = append(r.joined[:i], r.joined[i+1:]...)
			break
		}
	}
	r.freed()
}

// freed tells a writer that waits.
func (r *recent) freed() {
	select {
	case r.room <- struct{}{}:
	default:
	}
}

// read fills buf, up to its capacity, with the next trades of the reader's
// symbols. What was overwritten in the meantime is missing.
func (d *reader) read(buf []binance.Trade) []binance.Trade {
	r := d.ring
	r.mu.Lock()
	defer r.mu.Unlock()
	buf = buf[:0]
	d.took = time.Now()
	if r.head-d.at > maxRecent {
		d.rewind()
	}
	d.behind = false
	for ; d.unread > 0 && len(buf) < cap(buf); d.at++ {
		if t := &r.trades[d.at%maxRecent]; r.readers[t.Slot] == d {
			buf = append(buf, *t)
			d.unread--
		}
	}
	if d.unread > 0 {
		d.signal()
	}
	r.freed()
	return buf
}

// kept is how many trades there are.
func (r *recent) kept() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return len(r.trades)
}

// left is how many trades the reader has not read yet.
func (d *reader) left() int {
	d.ring.mu.Lock()
	defer d.ring.mu.Unlock()
	return d.unread
}
