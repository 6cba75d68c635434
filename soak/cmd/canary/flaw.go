package main

import (
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"time"
)

// The flaws, by the word on the command line.
const (
	none      = "none"
	lost      = "lost"      // one trade is never produced
	altered   = "altered"   // one price is wrong in its last digit
	swapped   = "swapped"   // one trade is produced behind its successor
	duplicate = "duplicate" // one trade is produced twice
	lag       = "lag"       // each second of life adds 5 ms to every trade's way
)

// The flaws that are no single trade's: each leaves out one protection, and
// the feed and the topic ask for it by name.
const (
	unrepaired = "unrepaired"  // what was published while it had no session is not fetched
	breakFirst = "break-first" // rotates by closing before it dials, and does not fetch what it missed
	givesUp    = "gives-up"    // does not dial any more after ten reconnects
	forgets    = "forgets"     // after a restart begins with the first trade that it sees
	both       = "both"        // writes without a fence: both sides of a hand-over deliver
)

var flaws = []string{none, lost, altered, swapped, duplicate, lag, unrepaired, breakFirst, givesUp, forgets, both,
	leaks, leaksOffHeap, leaksPerReconnect, strandsAGoroutine}

// lagPerSecond is slow enough that no single minute looks wrong and fast
// enough that four minutes show it.
const lagPerSecond = 5 * time.Millisecond

// delayed bounds the trades on their way through a lag: a minute of the
// busiest second in a capture of three symbols is far less.
const delayed = 1 << 16

func flawList() string { return strings.Join(flaws, "|") }

func parseFlaw(word string) (string, error) {
	if word == "" {
		return none, nil
	}
	if !slices.Contains(flaws, word) {
		return "", fmt.Errorf("unknown flaw %q: one of %s", word, flawList())
	}
	return word, nil
}

// flaw passes trades on to produce, all but one of them faithfully.
type flaw struct {
	kind    string
	at      int64 // the number of the trade that it touches
	log     *slog.Logger
	produce func(trade)

	admitted int64
	held     *trade // swapped: until its successor has gone
	born     time.Time
	queue    chan delayedTrade // lag only
	idle     chan struct{}     // closed when the queue is empty and closed
}

type delayedTrade struct {
	trade
	due time.Time
}

func newFlaw(kind string, at int64, log *slog.Logger, produce func(trade)) *flaw {
	f := &flaw{kind: kind, at: at, log: log, produce: produce, born: time.Now(), idle: make(chan struct{})}
	if kind == lag {
		f.queue = make(chan delayedTrade, delayed)
		go f.crawl() // until flush, which waits for it
	}
	return f
}

// pass is called with every trade in order, by one goroutine.
func (f *flaw) pass(t trade) {
	f.admitted++
	chosen := f.admitted == f.at
	switch {
	case f.kind == lag:
		now := time.Now()
		f.queue <- delayedTrade{t, now.Add(time.Duration(now.Sub(f.born).Seconds() * float64(lagPerSecond)))}
		return
	case chosen && f.kind == lost:
		f.confess(t, "loses it")
		return
	case chosen && f.kind == altered:
		f.confess(t, "alters its price", "price", t.Price)
		t.Price = turnLastDigit(t.Price)
	case chosen && f.kind == duplicate:
		f.confess(t, "produces it twice")
		f.produce(t)
	case chosen && f.kind == swapped:
		f.confess(t, "holds it until its successor has gone")
		f.held = &t
		return
	}
	f.produce(t)
	if f.held != nil && f.held.Symbol == t.Symbol {
		f.produce(*f.held)
		f.held = nil
	}
}

// flush lets go of everything still held; pass must not be called any more.
func (f *flaw) flush() {
	if f.held != nil {
		f.produce(*f.held)
		f.held = nil
	}
	if f.queue != nil {
		close(f.queue)
		<-f.idle
	}
}

// crawl produces delayed trades when they are due.
func (f *flaw) crawl() {
	defer close(f.idle)
	for t := range f.queue {
		time.Sleep(time.Until(t.due))
		f.produce(t.trade)
	}
}

// confess logs which trade is touched, so that a conviction can be compared
// with the deed.
func (f *flaw) confess(t trade, deed string, more ...any) { confess(f.log, t, deed, more...) }

func confess(log *slog.Logger, t trade, deed string, more ...any) {
	log.Warn("flaw: the canary "+deed, append([]any{"symbol", t.Symbol, "trade_id", t.ID}, more...)...)
}

// turnLastDigit changes a decimal by one in its last place without borrowing.
func turnLastDigit(decimal string) string {
	digits := []byte(decimal)
	last := len(digits) - 1
	if digits[last] == '9' {
		digits[last]--
	} else {
		digits[last]++
	}
	return string(digits)
}
