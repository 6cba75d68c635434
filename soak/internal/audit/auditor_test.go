package audit

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"steadfeed/fakebinance"
	"steadfeed/soak"
)

func TestCleanHistoryIsAcquitted(t *testing.T) {
	r := newRig(t, 50, "BTCUSDT", "ETHUSDT")
	r.book.publish(second(20))
	for _, symbol := range r.market.Symbols() {
		r.observe(r.history(symbol))
	}
	r.End(second(20))
	l := r.Ledger()
	if len(l.Findings) > 0 || l.FindingsOmitted > 0 {
		t.Fatalf("findings in a clean history: %+v", l.Findings)
	}
	for _, a := range l.Accounts {
		if a.Published < 500 || a.Delivered != a.Published || a.Published != a.LastID-a.FirstID+1 {
			t.Errorf("account %+v", a)
		}
	}
	if l.Uptime != (soak.Uptime{Seconds: 20}) {
		t.Errorf("uptime %+v", l.Uptime)
	}
	for _, p := range l.Phases {
		if want := lagged.Seconds(); p.P50 < want*0.98 || p.P50 > want*1.02 || p.Max != want {
			t.Errorf("lags %+v, want %g s", p, want)
		}
	}
	if totals := r.Now(second(21)); totals.Behind != 0 || !totals.CaughtUp || totals.Findings != 0 {
		t.Errorf("totals %+v", totals)
	}
}

// TestPlantedFaults breaks one promise at a time in an otherwise clean history
// and wants exactly that found, with symbol and id.
func TestPlantedFaults(t *testing.T) {
	// Trades of the history are numbered from 0 to last.
	const symbol = "ETHUSDT"
	type edit func(r *rig, h []Record) []Record
	alter := func(n int, change func(*Record)) edit {
		return func(_ *rig, h []Record) []Record { change(&h[n]); return h }
	}
	without := func(from, to int) edit {
		return func(_ *rig, h []Record) []Record { return slices.Delete(h, from, to+1) }
	}
	move := func(from, to int) edit {
		return func(_ *rig, h []Record) []Record {
			record := h[from]
			return slices.Insert(slices.Delete(h, from, from+1), to, record)
		}
	}
	const last = 299
	tests := []struct {
		name        string
		edit        edit
		guarantee   soak.Guarantee
		first, last int // of the finding
		want        soak.Account
		why         string // part of it
	}{
		{"first lost", without(0, 0), soak.Complete, 0, 0, soak.Account{Lost: 1}, "never in the topic"},
		{"one lost", without(150, 150), soak.Complete, 150, 150, soak.Account{Lost: 1}, "never in the topic"},
		{"last lost", without(last, last), soak.Complete, last, last, soak.Account{Lost: 1}, "nothing after it"},
		{"a run lost", without(100, 139), soak.Complete, 100, 139, soak.Account{Lost: 40}, "40 trades"},
		{"all lost", without(0, last), soak.Complete, 0, last, soak.Account{Lost: last + 1}, "300 trades"},
		{"repeated at once", func(_ *rig, h []Record) []Record { return slices.Insert(h, 10, h[9]) },
			soak.Unique, 9, 9, soak.Account{Duplicate: 1}, "again at partition 3"},
		{"repeated much later", func(_ *rig, h []Record) []Record { return append(h, h[2]) },
			soak.Unique, 2, 2, soak.Account{Duplicate: 1}, "again"},
		{"a run repeated", func(_ *rig, h []Record) []Record { return append(h, h[20:30]...) },
			soak.Unique, 20, 29, soak.Account{Duplicate: 10}, "again"},
		{"two swapped", func(_ *rig, h []Record) []Record { h[50], h[51] = h[51], h[50]; return h },
			soak.Ordered, 50, 50, soak.Account{Disordered: 1}, "behind"},
		{"moved far back", move(30, 200), soak.Ordered, 30, 30, soak.Account{Disordered: 1}, "behind"},
		{"first one late", move(0, 5), soak.Ordered, 0, 0, soak.Account{Disordered: 1}, "behind"},
		{"other partition", alter(60, func(r *Record) { r.Partition = 4 }), soak.Ordered, 60, 60, soak.Account{Disordered: 1}, "in partition 4"},
		{"price, last digit", alter(7, func(r *Record) { r.Trade.Price++ }), soak.Faithful, 7, 7, soak.Account{Altered: 1}, "price"},
		{"quantity, last digit", alter(7, func(r *Record) { r.Trade.Quantity-- }), soak.Faithful, 7, 7, soak.Account{Altered: 1}, "quantity"},
		{"side", alter(7, func(r *Record) { r.Trade.BuyerIsMaker = !r.Trade.BuyerIsMaker }), soak.Faithful, 7, 7, soak.Account{Altered: 1}, "buyer_is_maker"},
		{"traded_at", alter(7, func(r *Record) { r.Trade.TradedAt++ }), soak.Faithful, 7, 7, soak.Account{Altered: 1}, "traded_at"},
		{"event_at", alter(7, func(r *Record) { r.Trade.EventAt++ }), soak.Faithful, 7, 7, soak.Account{Altered: 1}, "event_at"},
		{"received long before", alter(7, func(r *Record) { r.ReceivedAt = r.Trade.EventAt - 1_000_001 }), soak.Faithful, 7, 7, soak.Account{Altered: 1}, "received_at"},
		{"received long after visible", alter(7, func(r *Record) { r.ReceivedAt = r.VisibleAt.UnixMicro() + 1_000_001 }), soak.Faithful, 7, 7, soak.Account{Altered: 1}, "received_at"},
		{"key", alter(7, func(r *Record) { r.Key = "ethusdt" }), soak.Faithful, 7, 7, soak.Account{Altered: 1}, `key "ethusdt"`},
		{"never published, above", func(r *rig, h []Record) []Record { return append(h, r.record(symbol, h[last].Trade.ID+1)) },
			soak.Faithful, last + 1, last + 1, soak.Account{Altered: 1}, "never published"},
		{"never published, below", func(r *rig, h []Record) []Record {
			record := h[0]
			record.Trade.ID--
			return append([]Record{record}, h...)
		}, soak.Faithful, -1, -1, soak.Account{Altered: 1}, "never published"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			r := newRig(t, 50, "BTCUSDT", symbol)
			first := r.market.FirstID(symbol)
			r.book.last[symbol] = first + last
			r.book.last["BTCUSDT"] = r.market.FirstID("BTCUSDT") + last
			var told []soak.Finding
			r.onFinding = func(f soak.Finding) { told = append(told, f) }
			r.observe(r.history("BTCUSDT"))
			r.observe(test.edit(r, r.history(symbol)))
			l := r.Ledger()

			if len(l.Findings) != 1 {
				t.Fatalf("%d findings, want 1: %+v", len(l.Findings), l.Findings)
			}
			f := l.Findings[0]
			if f.Guarantee != test.guarantee || f.Symbol != symbol || f.FirstID != first+int64(test.first) || f.LastID != first+int64(test.last) {
				t.Errorf("found %+v, want %s %s %d to %d", f, test.guarantee, symbol, first+int64(test.first), first+int64(test.last))
			}
			if !strings.Contains(f.Why, test.why) {
				t.Errorf("why %q does not say %q", f.Why, test.why)
			}
			want := test.want
			want.Symbol, want.FirstID, want.LastID = symbol, first, first+last
			want.Published, want.Delivered = last+1, last+1-want.Lost
			if got := l.Accounts[1]; got != want {
				t.Errorf("account\n got %+v\nwant %+v", got, want)
			}
			if got := l.Accounts[0]; got.Delivered != last+1 || got.Lost+got.Duplicate+got.Disordered+got.Altered != 0 {
				t.Errorf("the other symbol is charged too: %+v", got)
			}
			if len(told) != 1 || told[0].Guarantee != f.Guarantee || told[0].FirstID != f.FirstID {
				t.Errorf("told of %+v, want the finding once", told)
			}
			if r.Ledger(); len(told) != 1 {
				t.Errorf("told again by a second ledger")
			}
		})
	}
}

func TestRESTHasNoEventTime(t *testing.T) {
	r := newRig(t, 50, "BTCUSDT")
	r.book.publish(second(5))
	h := r.history("BTCUSDT")
	for i := range h[:2] {
		h[i].Trade.EventAt = h[i].Trade.TradedAt
	}
	if h[0].Trade.EventAt == r.market.Trade("BTCUSDT", h[0].Trade.ID).EventAt {
		t.Fatal("the market gives both times the same value: nothing is tested")
	}
	r.book.byREST[h[0].Trade.ID] = true
	r.observe(h)
	l := r.Ledger()
	if len(l.Findings) != 1 || l.Findings[0].FirstID != h[1].Trade.ID {
		t.Errorf("findings %+v, want only the trade that REST never served", l.Findings)
	}
}

func TestTimesAreComparedAtTheSubjectsPrecision(t *testing.T) {
	r := newRig(t, 50, "BTCUSDT")
	r.unit = 1000
	r.book.publish(second(5))
	h := r.history("BTCUSDT")
	for i := range h {
		h[i].Trade.EventAt -= h[i].Trade.EventAt % 1000
		h[i].Trade.TradedAt -= h[i].Trade.TradedAt % 1000
	}
	h[3].Trade.TradedAt += 1000
	r.observe(h)
	if l := r.Ledger(); len(l.Findings) != 1 || l.Findings[0].FirstID != h[3].Trade.ID {
		t.Errorf("findings %+v, want only the trade that is a millisecond off", l.Findings)
	}
}

// A subject may begin its topic with trades from before it subscribed, if it
// had them over REST.
func TestTopicMayBeginBelowTheFirstOwed(t *testing.T) {
	r := newRig(t, 50, "BTCUSDT")
	first := r.market.FirstID("BTCUSDT")
	r.book.publish(second(5))
	h := r.history("BTCUSDT")
	r.book.first["BTCUSDT"] = first + 10
	for id := first; id < first+10; id++ {
		r.book.byREST[id] = true
	}
	r.observe(h[4:])
	l := r.Ledger()
	if a := l.Accounts[0]; len(l.Findings) > 0 || a.FirstID != first+4 || a.Delivered != int64(len(h)-4) || a.Published != a.Delivered {
		t.Errorf("account %+v, findings %+v", a, l.Findings)
	}
}

// It may even have them before it subscribed at all.
func TestTopicMayBeginBeforeAnythingIsOwed(t *testing.T) {
	r := newRig(t, 50, "BTCUSDT")
	first := r.market.FirstID("BTCUSDT")
	for id := first; id < first+5; id++ {
		r.book.byREST[id] = true
		r.Observe(r.record("BTCUSDT", id))
	}
	if totals := r.Now(second(5)); totals.Published != 5 || totals.Behind != 0 {
		t.Errorf("totals %+v", totals)
	}
	if a := r.Ledger().Accounts[0]; a.FirstID != first || a.LastID != first+4 || a.Delivered != 5 || a.Lost != 0 {
		t.Errorf("account %+v", a)
	}
	// What was published before the session that it then opens is owed too.
	r.book.first["BTCUSDT"], r.book.last["BTCUSDT"] = first+8, first+9
	r.observe([]Record{r.record("BTCUSDT", first+8), r.record("BTCUSDT", first+9)})
	l := r.Ledger()
	if a := l.Accounts[0]; a.Published != 10 || a.Delivered != 7 || a.Lost != 3 || len(l.Findings) != 1 {
		t.Errorf("account %+v, findings %+v", a, l.Findings)
	}
}

func TestStrangeRecordsAreCounted(t *testing.T) {
	r := newRig(t, 50, "BTCUSDT")
	r.book.publish(second(1))
	r.observe(r.history("BTCUSDT"))
	r.Observe(Record{Key: "X", Trade: fakebinance.Trade{Symbol: "DOGEUSDT", ID: 5}, VisibleAt: second(1)})
	r.Unreadable([]byte("BTCUSDT"), 3, 99, errors.New("not in Confluent framing"))
	r.Unreadable([]byte("?"), 3, 100, errors.New("not in Confluent framing"))
	l := r.Ledger()
	if len(l.Findings) != 3 || len(l.Accounts) != 2 {
		t.Fatalf("findings %+v, accounts %+v", l.Findings, l.Accounts)
	}
	if l.Accounts[0].Altered != 1 || l.Accounts[1] != (soak.Account{Symbol: strangeSymbol, Altered: 2}) {
		t.Errorf("accounts %+v", l.Accounts)
	}
	if why := l.Findings[1].Why; !strings.Contains(why, "partition 3 offset 99") || !strings.Contains(why, "Confluent") {
		t.Errorf("why %q", why)
	}
}

// A subject that breaks a promise for every trade leaves room for the single
// finding of another kind, and everything is still counted.
func TestFindingsAreBounded(t *testing.T) {
	r := newRig(t, 50, "BTCUSDT")
	first := r.market.FirstID("BTCUSDT")
	const n = 30_000
	r.book.last["BTCUSDT"] = first + n - 1
	told := 0
	r.onFinding = func(soak.Finding) { told++ }
	for id := first; id < first+n; id += 2 { // every other trade is lost: 15,000 holes
		record := r.record("BTCUSDT", id)
		record.Trade.Price++
		r.Observe(record)
	}
	r.Observe(r.record("BTCUSDT", first+n-2))
	l := r.Ledger()
	account := l.Accounts[0]
	if account.Lost != n/2 || account.Altered != n/2 || account.Duplicate != 1 || account.Delivered != n/2 {
		t.Errorf("account %+v", account)
	}
	if got := len(r.bySymbol["BTCUSDT"].missing); got > maxGaps {
		t.Errorf("%d holes are remembered, the bound is %d", got, maxGaps)
	}
	if len(l.Findings) != 2*keepEach+1 || l.FindingsOmitted == 0 || told != len(l.Findings) {
		t.Errorf("%d findings kept, %d omitted, told of %d", len(l.Findings), l.FindingsOmitted, told)
	}
	if !slices.ContainsFunc(l.Findings, func(f soak.Finding) bool { return f.Guarantee == soak.Unique }) {
		t.Error("the one duplicate is not among the findings")
	}
	if !slices.ContainsFunc(l.Findings, func(f soak.Finding) bool {
		return strings.Contains(f.Why, fmt.Sprint(maxGaps))
	}) {
		t.Error("no finding says that holes were given up")
	}
}

// BenchmarkObserve is one record of a clean history: it includes making the
// trade that it is compared with.
func BenchmarkObserve(b *testing.B) {
	r := newRig(b, 1000, "BTCUSDT")
	first := r.market.FirstID("BTCUSDT")
	const n = 100_000
	r.book.last["BTCUSDT"] = first + n
	records := make([]Record, n)
	for i := range records {
		records[i] = r.record("BTCUSDT", first+int64(i))
	}
	b.ReportAllocs()
	i := 0
	for b.Loop() {
		if i == n { // begin again with an empty account, outside of what is counted
			b.StopTimer()
			r.bySymbol["BTCUSDT"].started, r.bySymbol["BTCUSDT"].delivered, i = false, 0, 0
			b.StartTimer()
		}
		r.Observe(records[i])
		i++
	}
}

// An hour at a thousand trades a second must not take memory of its own.
func TestObserveDoesNotAllocate(t *testing.T) {
	r := newRig(t, 1000, "BTCUSDT")
	r.book.publish(second(2))
	h := r.history("BTCUSDT")
	i := 0
	if n := testing.AllocsPerRun(1000, func() { r.Observe(h[i]); i++ }); n != 0 {
		t.Errorf("%g allocations a record", n)
	}
}

func TestSteadyClockHasNoStep(t *testing.T) {
	r := newRig(t, 50, "BTCUSDT")
	now := time.Now()
	r.Now(now)
	r.Now(now.Add(time.Second))
	if step := r.Ledger().ClockStep; step != 0 {
		t.Errorf("step %g s of a steady clock", step)
	}
}
