package fakebinance

import (
	"strings"
	"time"
)

const (
	// roundTrades bounds the trades of one round: so many make a batch of some
	// 45 KB, and what others ask of the publisher waits a fraction of a
	// millisecond.
	roundTrades = 256
	// roundFloor is the shortest time between rounds that are not full: trades
	// that are due within it travel together, and the publisher doesn't spin.
	roundFloor = time.Millisecond
	// idleWait is how long the publisher sleeps when nothing is due in sight.
	idleWait = time.Hour
)

// publisher owns the streams and the sessions: all of its state is touched by
// one goroutine only, run. Others have it call a function of theirs with ask.
type publisher struct {
	source  Source
	ledger  *Ledger
	flatOut bool

	asks chan func()
	quit chan struct{} // closed to end run
	done chan struct{} // closed when run has ended

	publishing bool
	started    time.Time // zero before
	stopped    bool      // for good
	closed     bool      // sessions are shut as they open
	lines      map[string]*line
	byStream   map[string]channel
	queue      []*line // a heap: the line whose next trade is due first is on top
	sessions   map[*session]struct{}
	listening  int          // subscriptions to streams that exist
	injections []*Injection // not ended, with target all

	deflater deflater

	tampering int    // faults that change trades and have not ended
	frame     []byte // of the trade that they change
	text      []byte // of the event that is being rendered

	// Of the current round.
	touched []*line
	dirty   []*session
	due     []int64
}

// line is one symbol's trades on their way out.
type line struct {
	symbol      string
	trade       func(id int64) Trade
	payload     *tradePayload
	account     *account
	next        Trade
	subscribers subscribers
	derived     derived
	tally       tally

	// Of the current round.
	touched bool
	heard   bool  // some session subscribed to it
	first   int64 // id
	last    int64
}

func newPublisher(source Source, ledger *Ledger, flatOut bool) *publisher {
	p := &publisher{
		source:   source,
		ledger:   ledger,
		flatOut:  flatOut,
		asks:     make(chan func()),
		quit:     make(chan struct{}),
		done:     make(chan struct{}),
		lines:    make(map[string]*line),
		byStream: make(map[string]channel),
		sessions: make(map[*session]struct{}),
	}
	for _, symbol := range source.Symbols() {
		l := &line{
			symbol:  symbol,
			trade:   func(id int64) Trade { return source.Trade(symbol, id) },
			payload: newTradePayload(symbol),
			account: ledger.accounts[symbol],
		}
		// A market knows its symbols by name; looking the name up once is enough.
		if market, ok := source.(*Market); ok {
			l.trade = market.lines[symbol].trade
		}
		p.lines[symbol] = l
		p.byStream[strings.ToLower(symbol)+"@trade"] = channel{l, &l.subscribers}
		p.byStream[strings.ToLower(symbol)+"@aggTrade"] = channel{l, &l.derived.aggregates}
		p.byStream[strings.ToLower(symbol)+"@bookTicker"] = channel{l, &l.derived.book}
		p.queue = append(p.queue, l)
	}
	return p
}

// run publishes what is due until quit is closed.
func (p *publisher) run() {
	defer close(p.done)
	timer := time.NewTimer(idleWait)
	defer timer.Stop()
	for {
		wait := p.round()
		if wait == 0 {
			select {
			case f := <-p.asks:
				f()
			case <-p.quit:
				return
			default:
			}
			continue
		}
		timer.Reset(wait)
		select {
		case <-timer.C:
		case f := <-p.asks:
			f()
		case <-p.quit:
			return
		}
	}
}

// ask has f called on the publisher's goroutine and returns when it has been.
// It reports false, without a call, when the publisher has ended.
func (p *publisher) ask(f func()) bool {
	called := make(chan struct{})
	select {
	case p.asks <- func() { defer close(called); f() }:
		<-called
		return true
	case <-p.done:
		return false
	}
}

// start begins to publish. What was due before is history: REST serves it, no
// session gets it.
func (p *publisher) start() {
	if p.publishing || p.stopped {
		return
	}
	p.publishing, p.started = true, time.Now()
	now := p.started.UnixMicro()
	for _, l := range p.queue {
		id := p.source.FirstID(l.symbol)
		if !p.flatOut {
			id = firstDue(l.trade, id, now)
		}
		l.account.last.Store(id - 1)
		l.next = l.trade(id)
	}
	for i := len(p.queue)/2 - 1; i >= 0; i-- {
		p.sift(i)
	}
}

// firstDue finds the first trade from first on that is due at now or later. It
// doubles its stride, then halves it: event times never fall.
func firstDue(trade func(int64) Trade, first, now int64) int64 {
	stride := int64(1)
	for trade(first+stride-1).EventAt < now {
		stride *= 2
	}
	low, high := first, first+stride-1
	for low < high {
		middle := low + (high-low)/2
		if trade(middle).EventAt < now {
			low = middle + 1
		} else {
			high = middle
		}
	}
	return low
}

// round publishes what is due, at most roundTrades, and returns how long there
// is nothing to do; 0 when more is due already.
func (p *publisher) round() time.Duration {
	if !p.publishing || p.stopped {
		return idleWait
	}
	if p.flatOut {
		if p.listening == 0 {
			return idleWait // as fast as sessions take it: not at all
		}
		if p.waitForRoom() {
			return 0
		}
	}
	now := time.Now().UnixMicro()
	trades := 0
	for trades < roundTrades {
		l := p.queue[0]
		if !p.flatOut && l.next.EventAt > now {
			break
		}
		p.emit(l)
		trades++
	}
	if trades > 0 {
		p.handOver(trades)
	}
	if trades == roundTrades {
		return 0
	}
	// In steps, as a trade that is never due is too far away for a Duration.
	next := min(p.queue[0].next.EventAt-time.Now().UnixMicro(), idleWait.Microseconds())
	return max(time.Duration(next)*time.Microsecond, roundFloor)
}

// emit adds the next trade of l to the pending batch of each of its sessions,
// rendered once for each format.
func (p *publisher) emit(l *line) {
	if !l.touched {
		l.touched, l.heard, l.first = true, false, l.next.ID
		p.touched = append(p.touched, l)
	}
	if l.derived.listening > 0 {
		p.emitBook(l)
	}
	for f, subscribers := range l.subscribers {
		if len(subscribers) == 0 {
			continue
		}
		if p.tampering > 0 {
			p.emitAltered(l, subscribers, format(f))
			continue
		}
		l.heard = true
		first := p.pending(subscribers[0])
		start := len(first.bytes)
		first.bytes = l.payload.append(first.bytes, &l.next, format(f))
		if format(f)&deflated != 0 {
			first.bytes = p.deflater.frame(first.bytes, start)
		}
		first.trades++
		frame := first.bytes[start:]
		for _, s := range subscribers[1:] {
			other := p.pending(s)
			other.bytes = append(other.bytes, frame...)
			other.trades++
		}
	}
	if l.derived.listening > 0 {
		p.emitDerived(l)
	}
	if !p.flatOut {
		p.due = append(p.due, l.next.EventAt)
	}
	l.last = l.next.ID
	l.next = l.trade(l.last + 1)
	p.sift(0)
}

func (p *publisher) pending(s *session) *batch {
	if s.pending == nil {
		s.pending = newBatch()
		p.dirty = append(p.dirty, s)
	}
	return s.pending
}

// handOver enters the round into the ledger, then gives the batches to the
// sessions: no client ever has a trade that the ledger does not know.
func (p *publisher) handOver(trades int) {
	now := time.Now()
	for _, l := range p.touched {
		l.tally.add(now, l.last-l.first+1)
		l.account.last.Store(l.last)
		if l.heard {
			l.account.first.CompareAndSwap(notYet, l.first)
		}
		l.touched = false
	}
	p.touched = p.touched[:0]
	p.ledger.total.Add(int64(trades))

	for _, s := range p.dirty {
		b := s.pending
		s.pending = nil
		b.first, b.at = now, now
		if s.overflowed.Load() {
			b.free() // to be cut; a hole before these trades would be worse
		} else if !s.out.push(b, s.spread()) {
			s.overflow()
		}
	}
	p.dirty = p.dirty[:0]

	handed := time.Now().UnixMicro()
	for _, due := range p.due {
		p.ledger.late.observe(time.Duration(handed-due)*time.Microsecond, 1)
	}
	p.due = p.due[:0]
}

// waitForRoom waits until every session takes more, and reports whether it had
// to: the sessions may be others now.
func (p *publisher) waitForRoom() bool {
	for s := range p.sessions {
		if !s.out.full(len(p.sessions)) {
			continue
		}
		select {
		case <-s.out.room:
		case f := <-p.asks:
			f()
		case <-p.quit:
			// Left to run, which looks at it next.
		}
		return true
	}
	return false
}

// recount has the times of trades that are not published read again.
func (p *publisher) recount() {
	if !p.publishing || p.stopped {
		return // start reads them
	}
	for _, l := range p.queue {
		l.next = l.trade(l.next.ID)
	}
	for i := len(p.queue)/2 - 1; i >= 0; i-- {
		p.sift(i)
	}
}

// sift restores the heap below position i.
func (p *publisher) sift(i int) {
	q := p.queue
	for {
		child := 2*i + 1
		if child >= len(q) {
			return
		}
		if right := child + 1; right < len(q) && q[right].next.EventAt < q[child].next.EventAt {
			child = right
		}
		if q[i].next.EventAt <= q[child].next.EventAt {
			return
		}
		q[i], q[child] = q[child], q[i]
		i = child
	}
}
