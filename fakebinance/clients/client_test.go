package clients

import (
	"fmt"
	"testing"
	"time"

	"steadfeed/fakebinance"
)

// No leak check here: go-binance leaves a goroutine of each connection behind.

const (
	symbol   = "BTCUSDT"
	enough   = 1000 // trades to be received before the disconnect
	after    = 100  // and after it
	patience = 60 * time.Second
)

// trade is one as a client gave it.
type trade struct {
	id              int64
	price, quantity string
	maker           bool
	tradedAt        int64 // milliseconds
}

// bench is an exchange that one client has to itself.
type bench struct {
	t      *testing.T
	market *fakebinance.Market
	s      *fakebinance.Server
	got    chan trade // by stream
	rows   chan trade // by REST
	last   int64
}

func newBench(t *testing.T) *bench {
	t.Helper()
	market, err := fakebinance.NewMarket(fakebinance.MarketOptions{Seed: 7, Symbols: []string{symbol, "ETHUSDT"}, Rate: 500, Start: time.Now().Add(-10 * time.Second)})
	if err != nil {
		t.Fatal(err)
	}
	s, err := fakebinance.New(fakebinance.Options{Source: market, Seed: 7})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	s.Start()
	// The publisher is never held up by what the test has yet to look at.
	return &bench{t: t, market: market, s: s, got: make(chan trade, 100_000), rows: make(chan trade, 10_000)}
}

// is compares a trade with what was published.
func (b *bench) is(got trade) {
	b.t.Helper()
	want := b.market.Trade(symbol, got.id)
	price, err := fakebinance.ParseDecimal(got.price)
	if err != nil {
		b.t.Fatal(err)
	}
	quantity, err := fakebinance.ParseDecimal(got.quantity)
	if err != nil {
		b.t.Fatal(err)
	}
	if price != want.Price || quantity != want.Quantity || got.maker != want.BuyerIsMaker || got.tradedAt != want.TradedAt/1000 {
		b.t.Fatalf("trade %+v, want %+v", got, want)
	}
}

// receive takes n trades of the stream, which rise by one but for the first.
func (b *bench) receive(what string, n int) {
	b.t.Helper()
	deadline := time.After(patience)
	for i := range n {
		select {
		case got := <-b.got:
			b.is(got)
			if i > 0 && got.id != b.last+1 || got.id <= b.last {
				b.t.Fatalf("%s: %d follows %d", what, got.id, b.last)
			}
			b.last = got.id
		case <-deadline:
			b.t.Fatalf("%s: %d trades of %d within %s", what, i, n, patience)
		}
	}
}

// history takes n rows of REST that begin with the id asked for.
func (b *bench) history(from int64, n int) {
	b.t.Helper()
	deadline := time.After(patience)
	for i := range n {
		select {
		case got := <-b.rows:
			if got.id != from+int64(i) {
				b.t.Fatalf("row %d is %d, want %d", i, got.id, from+int64(i))
			}
			b.is(got)
		case <-deadline:
			b.t.Fatalf("history: %d rows of %d within %s", i, n, patience)
		}
	}
}

// disconnect resets all sessions, then throws away what came before that.
func (b *bench) disconnect() {
	b.t.Helper()
	injection, err := b.s.Begin(fakebinance.Fault{Kind: fakebinance.KindReset, Target: fakebinance.TargetOpen, For: time.Second,
		Settings: map[string]string{"within": "10ms"}})
	if err != nil {
		b.t.Fatal(err)
	}
	<-injection.Done()
	if e := injection.Evidence(); !e.Proven {
		b.t.Fatalf("reset: %s", fmt.Sprint(e))
	}
}

// comeBack disconnects the client and waits until it has a new session that
// delivers, then reads on to what was published by then. Only what was
// published while it was away may be missing.
func (b *bench) comeBack() {
	b.t.Helper()
	b.disconnect()
	deadline := time.Now().Add(patience)
	for !b.delivers() {
		if time.Now().After(deadline) {
			b.t.Fatalf("no new session that delivers within %s: %+v", patience, b.s.Ledger().Sessions())
		}
		time.Sleep(10 * time.Millisecond)
	}
	_, until, _ := b.s.Ledger().Published(symbol)
	holes := 0
	for b.last < until {
		select {
		case got := <-b.got:
			b.is(got)
			if got.id <= b.last {
				b.t.Fatalf("after the disconnect: %d follows %d", got.id, b.last)
			}
			if got.id > b.last+1 {
				holes++
			}
			b.last = got.id
		case <-time.After(time.Until(deadline)):
			b.t.Fatalf("after the disconnect: nothing follows %d, %d was published", b.last, until)
		}
	}
	if holes > 1 {
		b.t.Errorf("%d holes after one disconnect", holes)
	}
}

// delivers tells whether a session that opened after the first has had enough
// trades.
func (b *bench) delivers() bool {
	for _, session := range b.s.Ledger().Sessions() {
		if session.N > 1 && session.Closed.IsZero() && session.Trades >= after {
			return true
		}
	}
	return false
}
