package audit

import (
	"cmp"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"steadfeed/fakebinance"
	"steadfeed/soak"
)

// maxPhases bounds the phases that are told apart; a plan has three or four.
// What comes after the last belongs to the last.
const maxPhases = 64

// lookEvery is how often, while a window waits for the subject to settle,
// records make the auditor look whether it has: the precision of CatchUp.
const lookEvery = int64(100 * time.Millisecond / time.Microsecond)

// Options are what an Auditor needs to know.
type Options struct {
	Ledger   *fakebinance.Ledger // what was published
	Source   fakebinance.Source  // what it was
	Symbols  []string            // in the order in which accounts are listed
	TimeUnit time.Duration       // precision of the subject's times: time.Microsecond (default) or time.Millisecond
	Fresh    time.Duration       // how long a trade may be on its way and count as caught up; 0: FreshAge
	// OnFinding is called with each finding that is kept, after the fact and
	// without any lock held. Lost trades are known only at the end: Ledger
	// calls it with them.
	OnFinding func(soak.Finding)
}

// ledger is what is asked of the exchange's ledger. It is an interface so that
// tests of the rules can decide what was published when.
type ledger interface {
	Published(symbol string) (first, last int64, ok bool)
	ByREST(symbol string, id int64) bool
	Sessions() []fakebinance.SessionRecord
	Late() (p99, max time.Duration)
}

// Auditor accounts for every trade. Its methods may be called from several
// goroutines; records of one partition must come in their order.
type Auditor struct {
	ledger    ledger
	source    fakebinance.Source
	unit      int64 // microseconds
	freshAge  int64 // microseconds
	onFinding func(soak.Finding)

	read atomic.Int64 // sum of the positions of all partitions; see ReadTo

	mu       sync.Mutex
	accounts []*account // in the order of the symbols
	bySymbol map[string]*account
	strange  account // records of no symbol of the plan
	findings findings
	phases   []phase
	timeline timeline
	bad      bitmap // seconds since began
	recent   histogram
	latest   int64 // the newest moment that anyone spoke of
	looked   int64 // when the windows were last looked at
	visible  int64 // when the last record became visible

	began, ended time.Time
	clock        clock
	told         bool // lost trades have been reported to onFinding
}

// phase is one phase's lags. Trades belong to the phase in which they are due.
type phase struct {
	name  string
	began int64
	lags  *histogram
}

// strangeSymbol names the account of records that belong to no symbol.
const strangeSymbol = "(unknown)"

// New returns an auditor that has seen nothing yet.
func New(o Options) *Auditor {
	a := &Auditor{
		ledger:    o.Ledger,
		source:    o.Source,
		unit:      max(int64(o.TimeUnit/time.Microsecond), 1),
		freshAge:  cmp.Or(o.Fresh, FreshAge).Microseconds(),
		onFinding: o.OnFinding,
		bySymbol:  make(map[string]*account, len(o.Symbols)),
		strange:   account{symbol: strangeSymbol},
	}
	for _, symbol := range o.Symbols {
		c := &account{symbol: symbol, frontierID: never}
		a.accounts = append(a.accounts, c)
		a.bySymbol[symbol] = c
	}
	return a
}

// Record is a decoded record of the topic. Its trade's times and ReceivedAt
// are Unix microseconds.
type Record struct {
	Key        string
	Partition  int32
	Offset     int64
	Trade      fakebinance.Trade
	ReceivedAt int64
	VisibleAt  time.Time // when a read-committed consumer had it
}

// Observe accounts for one record.
func (a *Auditor) Observe(r Record) {
	a.mu.Lock()
	a.observe(&r, r.VisibleAt.UnixMicro())
	untold := a.findings.take()
	a.mu.Unlock()
	a.tell(untold)
}

func (a *Auditor) observe(r *Record, visible int64) {
	a.latest = max(a.latest, visible)
	if visible-a.looked >= lookEvery && a.timeline.pending() {
		a.look(visible)
	}
	a.visible = max(a.visible, visible)
	id := r.Trade.ID
	c := a.bySymbol[r.Trade.Symbol]
	if c == nil {
		a.found(&a.strange, soak.Faithful, id, visible, visible, fmt.Sprintf(
			"record at partition %d offset %d, key %q, is of symbol %q, which is not in the plan", r.Partition, r.Offset, r.Key, r.Trade.Symbol))
		return
	}
	if !a.wasPublished(c, id) {
		a.found(c, soak.Faithful, id, visible, visible, fmt.Sprintf(
			"record at partition %d offset %d: never published", r.Partition, r.Offset))
		return
	}
	want := a.source.Trade(c.symbol, id)
	if why := a.differs(r, &want, visible); why != "" {
		a.found(c, soak.Faithful, id, want.EventAt, visible, why)
	}
	if !c.started {
		c.partition = r.Partition
	}
	standing := c.place(id, visible)
	if len(c.missing) > maxGaps {
		a.giveUp(c)
	}
	switch {
	case standing == duplicate:
		a.found(c, soak.Unique, id, want.EventAt, visible, "in the topic before; again at "+position(r))
		return
	case standing == late:
		a.found(c, soak.Ordered, id, want.EventAt, visible, fmt.Sprintf("at %s, behind %d", position(r), c.next-1))
	case r.Partition != c.partition:
		a.found(c, soak.Ordered, id, want.EventAt, visible, fmt.Sprintf("in partition %d, while the symbol began in partition %d: nothing orders the two", r.Partition, c.partition))
	}
	c.delivered++
	if c.owed && id >= c.first { // what lies before was due before the subject was there
		a.delay(want.EventAt, visible)
	}
}

func position(r *Record) string { return fmt.Sprintf("partition %d offset %d", r.Partition, r.Offset) }

// Unreadable accounts for a record that is no trade. Its key may still name
// the symbol.
func (a *Auditor) Unreadable(key []byte, partition int32, offset int64, err error) {
	a.mu.Lock()
	c := a.bySymbol[string(key)]
	if c == nil {
		c = &a.strange
	}
	a.found(c, soak.Faithful, 0, a.latest, a.latest, fmt.Sprintf("record at partition %d offset %d is no trade: %v", partition, offset, err))
	untold := a.findings.take()
	a.mu.Unlock()
	a.tell(untold)
}

// wasPublished tells whether a record of this id can exist: it was published
// to a session, or REST served it.
func (a *Auditor) wasPublished(c *account, id int64) bool {
	if !c.owed || id > c.last {
		a.refresh(c)
	}
	if c.owed && id >= c.first {
		return id <= c.last
	}
	return a.ledger.ByREST(c.symbol, id)
}

func (a *Auditor) refresh(c *account) {
	if first, last, ok := a.ledger.Published(c.symbol); ok {
		c.owed, c.first, c.last = true, first, last
	}
}

// found counts and records a broken guarantee. due is when the trade was due,
// seen when it was noticed: if an injection answers for either, it is named.
func (a *Auditor) found(c *account, g soak.Guarantee, id, due, seen int64, why string) {
	switch g {
	case soak.Unique:
		c.duplicate++
	case soak.Ordered:
		c.disordered++
	case soak.Faithful:
		c.altered++
	}
	a.findings.add(c, soak.Finding{
		Guarantee: g, Symbol: c.symbol, FirstID: id, LastID: id, During: a.during(due, seen), Why: why,
	}, g == soak.Unique || g == soak.Ordered)
}

func (a *Auditor) during(due, seen int64) string {
	if name := a.timeline.during(due); name != "" {
		return name
	}
	return a.timeline.during(seen)
}

// giveUp settles the oldest hole as lost, because there are too many.
func (a *Auditor) giveUp(c *account) {
	oldest := c.missing[0]
	c.missing = append(c.missing[:0], c.missing[1:]...)
	c.lost += oldest.last - oldest.first + 1
	a.findings.add(c, a.lost(c, oldest.first, oldest.last, oldest.seen, fmt.Sprintf(
		"not in the topic when there were more than %d holes, the most that are remembered; if it came later it counts as a duplicate", maxGaps)), false)
	a.markLost(c, oldest.first, oldest.last)
}

// delay charges the time that one trade was invisible.
func (a *Auditor) delay(due, visible int64) {
	lag := max(visible-due, 0)
	a.recent.add(lag)
	undisturbed, within := a.timeline.charge(due, visible)
	if within != nil {
		within.trades++
		if undisturbed == 0 {
			return
		}
	}
	if undisturbed == 0 && lag > 0 {
		return // all of it was in a window that has closed
	}
	if lags := a.lagsAt(due); lags != nil {
		lags.add(undisturbed)
	}
	if undisturbed > lateAge {
		a.markBad(due)
	}
}

// markBad marks the second in which a trade due then had been invisible for
// too long without an injection to answer for it.
func (a *Auditor) markBad(due int64) {
	if at := a.timeline.passes(due, lateAge); at != open && !a.began.IsZero() {
		a.bad.mark((at - a.began.UnixMicro()) / microsPerSecond)
	}
}

func (a *Auditor) lagsAt(due int64) *histogram {
	for i := len(a.phases) - 1; i > 0; i-- {
		if a.phases[i].began <= due {
			return a.phases[i].lags
		}
	}
	if len(a.phases) == 0 {
		return nil
	}
	return a.phases[0].lags
}

// tell reports findings; no lock is held.
func (a *Auditor) tell(untold []soak.Finding) {
	if a.onFinding == nil {
		return
	}
	for _, f := range untold {
		a.onFinding(f)
	}
}
