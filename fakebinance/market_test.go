package fakebinance

import (
	"slices"
	"sync"
	"testing"
	"time"
)

var marketStart = time.Date(2026, 8, 8, 12, 0, 0, 0, time.UTC)

func marketOf(t testing.TB, seed uint64, rate float64, symbols ...string) *Market {
	t.Helper()
	m, err := NewMarket(MarketOptions{Seed: seed, Symbols: symbols, Rate: rate, Start: marketStart})
	if err != nil {
		t.Fatal(err)
	}
	return m
}

func firstTrades(m *Market, symbol string, n int) []Trade {
	trades := make([]Trade, n)
	for i := range trades {
		trades[i] = m.Trade(symbol, m.FirstID(symbol)+int64(i))
	}
	return trades
}

func TestMarketSeed(t *testing.T) {
	const n = 10000
	seven := firstTrades(marketOf(t, 7, 50, "BTCUSDT"), "BTCUSDT", n)
	if again := firstTrades(marketOf(t, 7, 50, "ETHUSDT", "BTCUSDT"), "BTCUSDT", n); !slices.Equal(seven, again) {
		t.Error("the same seed makes other trades")
	}
	eight := firstTrades(marketOf(t, 8, 50, "BTCUSDT"), "BTCUSDT", n)
	same := 0
	for i := range seven {
		if seven[i].Price == eight[i].Price || seven[i].EventAt == eight[i].EventAt {
			same++
		}
	}
	if same > n/100 {
		t.Errorf("another seed makes %d of %d trades alike", same, n)
	}
	// The rate decides only when.
	faster := firstTrades(marketOf(t, 7, 5000, "BTCUSDT"), "BTCUSDT", n)
	for i := range seven {
		a, b := seven[i], faster[i]
		a.TradedAt, a.EventAt, b.TradedAt, b.EventAt = 0, 0, 0, 0
		if a != b {
			t.Fatalf("at another rate trade %d is %+v, not %+v", i, b, a)
		}
	}
}

// Any order, any goroutine, any gap: the same trades.
func TestMarketIsPure(t *testing.T) {
	const n = 6 * blockTrades
	want := firstTrades(marketOf(t, 7, 50, "BTCUSDT"), "BTCUSDT", n)
	m := marketOf(t, 7, 50, "BTCUSDT")
	first := m.FirstID("BTCUSDT")
	var all sync.WaitGroup
	for g := range 8 {
		all.Go(func() {
			draw := newRand(testSeed, "reader", int64(g))
			for range 60 {
				i := draw.IntN(n)
				// A block is dear; stay in it for a while.
				for j := i; j < min(i+200, n); j++ {
					if got := m.Trade("BTCUSDT", first+int64(j)); got != want[j] {
						t.Errorf("trade %d is %+v, not %+v", j, got, want[j])
						return
					}
				}
				if got := m.Trade("ETHUSDT", first); got != (Trade{}) {
					t.Errorf("trade of a symbol it doesn't have: %+v", got)
				}
			}
		})
	}
	all.Wait()
	if got := m.Trade("BTCUSDT", first-1); got != (Trade{}) {
		t.Errorf("trade before the first: %+v", got)
	}
}

// The shape of recorded traffic, over ten blocks of each of three seeds.
func TestMarketShape(t *testing.T) {
	const n, rate = 10 * blockTrades, 50
	for seed := range uint64(3) {
		trades := firstTrades(marketOf(t, seed, rate, "BTCUSDT"), "BTCUSDT", n)
		seconds, milliseconds := map[int64]int{}, map[int64]int{}
		delays := map[int64]int{}
		sweep, longest, small, odd := 1, 1, 0, 0
		largest := Decimal(0)
		for i, trade := range trades {
			seconds[trade.EventAt/1e6]++
			milliseconds[trade.TradedAt/1e3]++
			delays[(trade.EventAt-trade.TradedAt)/1e3]++
			if trade.TradedAt%1000 != 0 {
				odd++
			}
			if trade.Quantity < One/1000 {
				small++
			}
			largest = max(largest, trade.Quantity)
			if trade.Quantity <= 0 || trade.Price <= 0 || trade.Price%(One/100) != 0 || trade.Quantity%(One/100000) != 0 {
				t.Fatalf("seed %d: trade %+v", seed, trade)
			}
			if i == 0 {
				if first := time.UnixMicro(trade.EventAt).Sub(marketStart); first < 0 || first > 1500*time.Millisecond {
					t.Errorf("seed %d: first trade after %s", seed, first)
				}
				continue
			}
			previous := trades[i-1]
			if trade.EventAt < previous.EventAt || trade.TradedAt < previous.TradedAt {
				t.Fatalf("seed %d: time falls at trade %d", seed, i)
			}
			if step := trade.Price - previous.Price; step > 83*One || step < -83*One {
				t.Errorf("seed %d: the price jumps by %s at trade %d", seed, step, i)
			}
			if trade.TradedAt == previous.TradedAt && trade.BuyerIsMaker == previous.BuyerIsMaker {
				sweep++
				longest = max(longest, sweep)
			} else {
				sweep = 1
			}
		}
		f := func(what string, got, low, high float64) {
			t.Helper()
			if got < low || got > high {
				t.Errorf("seed %d: %s is %v, want %v to %v", seed, what, got, low, high)
			}
		}
		length := time.UnixMicro(trades[n-1].EventAt).Sub(marketStart).Seconds()
		f("trades a second", n/length, 0.98*rate, 1.02*rate)
		busiest, busiestMilli := 0, 0
		for _, count := range seconds {
			busiest = max(busiest, count)
		}
		for _, count := range milliseconds {
			busiestMilli = max(busiestMilli, count)
		}
		f("the busiest second over the mean", float64(busiest)/rate, 12, 26)
		f("the busiest millisecond", float64(busiestMilli), 60, 600)
		f("the longest sweep", float64(longest), 80, 2*maxSweep)
		f("seconds without a trade", length-float64(len(seconds)), 0, 0.2*length)
		f("share of events within 2 ms of the trade", float64(delays[0]+delays[1])/n, 0.8, 1)
		f("share of times with microseconds", float64(odd)/n, 0.99, 1)
		f("share of small quantities", float64(small)/n, 0.4, 0.7)
		f("largest quantity over a small one", float64(largest)/float64(One/1000), 500, 1000)
		for delay := range delays {
			f("ms from trade to event", float64(delay), 0, 8)
		}
	}
}

// Consecutive aggregates: the first trade follows the last of the one before;
// trades of one share time, price and side.
func TestAggregates(t *testing.T) {
	capture, err := OpenCapture("testdata/market.txt.gz")
	if err != nil {
		t.Fatal(err)
	}
	replay, err := NewReplay(capture, marketStart, 1)
	if err != nil {
		t.Fatal(err)
	}
	market := marketOf(t, 7, 50, "BTCUSDT")
	for _, source := range []Source{market, replay} {
		all := source.(aggregator)
		first := source.FirstID("BTCUSDT")
		aggregate, start := all.aggregateOf("BTCUSDT", first), first
		several := 0
		for id := first; id < first+3*blockTrades; id++ {
			trade := source.Trade("BTCUSDT", id)
			if got := all.aggregateOf("BTCUSDT", id); got == aggregate+1 {
				aggregate, start = got, id
			} else if got != aggregate {
				t.Fatalf("%s: trade %d: aggregate %d follows %d", source.Describe(), id, got, aggregate)
			}
			if got := all.aggregateStart("BTCUSDT", aggregate); got != start {
				t.Fatalf("%s: aggregate %d starts at %d, want %d", source.Describe(), aggregate, got, start)
			}
			if begin := source.Trade("BTCUSDT", start); begin.TradedAt != trade.TradedAt || begin.Price != trade.Price || begin.BuyerIsMaker != trade.BuyerIsMaker {
				t.Fatalf("%s: aggregate %d mixes %+v and %+v", source.Describe(), aggregate, begin, trade)
			}
			if id > start {
				several++
			}
		}
		if several < blockTrades {
			t.Errorf("%s: only %d trades are not the first of their aggregate", source.Describe(), several)
		}
	}
}

func TestMarketRates(t *testing.T) {
	for _, rate := range []float64{0.001, 0.5, 1, 1e3, 1e6, 1e9} {
		m := marketOf(t, 7, rate, "BTCUSDT")
		var previous Trade
		for i, trade := range firstTrades(m, "BTCUSDT", 3*blockTrades) {
			if i > 0 && (trade.EventAt < previous.EventAt || trade.TradedAt > trade.EventAt) {
				t.Fatalf("rate %v: trade %d is %+v after %+v", rate, i, trade, previous)
			}
			previous = trade
		}
	}
	still := marketOf(t, 7, 0, "BTCUSDT")
	if trade := still.Trade("BTCUSDT", still.FirstID("BTCUSDT")); time.Until(time.UnixMicro(trade.EventAt)) < 1000*time.Hour {
		t.Errorf("at rate 0 a trade is due: %+v", trade)
	}
}

func TestMarketOptions(t *testing.T) {
	f := func(o MarketOptions, want string) {
		t.Helper()
		if _, err := NewMarket(o); err == nil || err.Error() != "make market: "+want {
			t.Errorf("%+v: %v, want %s", o, err, want)
		}
	}
	f(MarketOptions{Rate: 1, Start: marketStart}, "no symbols")
	f(MarketOptions{Rate: -1, Symbols: []string{"BTCUSDT"}}, "rate -1 is not within 0 and 1e+09 trades a second")
	f(MarketOptions{Rate: 1e-6, Symbols: []string{"BTCUSDT"}}, "rate 1e-06 is below 0.001 trades a second")
	f(MarketOptions{Rate: 1, Symbols: []string{"btcusdt"}, Start: marketStart}, `symbol "btcusdt" is not in upper case`)
	f(MarketOptions{Rate: 1, Symbols: []string{"A", "A"}, Start: marketStart}, `symbol "A" twice`)
	f(MarketOptions{Rate: 1, Symbols: []string{"A"}}, "no start time")
}

// A trade costs no memory but its share of a block.
func TestTradeAllocates(t *testing.T) {
	m := marketOf(t, 7, 50, "BTCUSDT")
	first := m.FirstID("BTCUSDT")
	m.Trade("BTCUSDT", first)
	payload := newTradePayload("BTCUSDT")
	frame := make([]byte, 0, 256)
	if got := testing.AllocsPerRun(1000, func() {
		trade := m.Trade("BTCUSDT", first+17)
		frame = payload.append(frame[:0], &trade, combined)
	}); got != 0 {
		t.Errorf("%v allocations a trade", got)
	}
}
