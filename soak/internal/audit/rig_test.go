package audit

import (
	"testing"
	"time"

	"steadfeed/fakebinance"
	"steadfeed/soak"
)

// start is when every market of these tests begins; any fixed time will do.
var start = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

// book is a ledger whose time is set by the test: everything due by then is
// published.
type book struct {
	source   fakebinance.Source
	first    map[string]int64 // owed from; the source's first unless set
	last     map[string]int64
	byREST   map[int64]bool
	sessions []fakebinance.SessionRecord
}

func (b *book) Published(symbol string) (first, last int64, ok bool) {
	first, ok = b.first[symbol]
	if !ok {
		first = b.source.FirstID(symbol)
	}
	last, ok = b.last[symbol]
	return first, last, ok && last >= first
}

func (b *book) ByREST(_ string, id int64) bool        { return b.byREST[id] }
func (b *book) Sessions() []fakebinance.SessionRecord { return b.sessions }
func (b *book) Late() (p99, most time.Duration)       { return 0, 0 }

// publish moves the book on to a time.
func (b *book) publish(until time.Time) {
	for _, symbol := range b.source.Symbols() {
		last, ok := b.last[symbol]
		if !ok {
			last = b.source.FirstID(symbol) - 1
		}
		for b.source.Trade(symbol, last+1).EventAt <= until.UnixMicro() {
			last++
			b.last[symbol] = last
		}
	}
}

// rig is an auditor with the market and the book behind it.
type rig struct {
	testing.TB
	*Auditor
	book   *book
	market *fakebinance.Market
}

func newRig(t testing.TB, rate float64, symbols ...string) *rig {
	t.Helper()
	const seed = 7
	market, err := fakebinance.NewMarket(fakebinance.MarketOptions{Seed: seed, Symbols: symbols, Rate: rate, Start: start})
	if err != nil {
		t.Fatal(err)
	}
	b := &book{source: market, first: map[string]int64{}, last: map[string]int64{}, byREST: map[int64]bool{}}
	a := New(Options{Source: market, Symbols: symbols})
	a.ledger = b
	a.Begin(start)
	a.Phase(soak.PhaseWarmUp, start)
	return &rig{t, a, b, market}
}

// lagged is how long a prompt subject takes.
const lagged = 40 * time.Millisecond

// record is a trade as a prompt and faithful subject would have delivered it.
func (r *rig) record(symbol string, id int64) Record {
	trade := r.market.Trade(symbol, id)
	return Record{
		Key: symbol, Partition: 3, Offset: id, Trade: trade,
		ReceivedAt: trade.EventAt + 1000, VisibleAt: time.UnixMicro(trade.EventAt).Add(lagged),
	}
}

// history is everything published of a symbol, delivered promptly.
func (r *rig) history(symbol string) []Record {
	first, last, _ := r.book.Published(symbol)
	var records []Record
	for id := first; id <= last; id++ {
		records = append(records, r.record(symbol, id))
	}
	return records
}

func (r *rig) observe(records []Record) {
	for _, record := range records {
		r.Observe(record)
	}
}

// second is a moment of the test's time.
func second(s float64) time.Time { return start.Add(time.Duration(s * float64(time.Second))) }
