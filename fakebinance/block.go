package fakebinance

import (
	"math"
	"math/rand/v2"
)

// The trades of a symbol are computed in blocks, each from the seed and its
// own number alone: any trade can be had without the ones before it.
const (
	// blockTrades ids span exactly blockTrades/rate seconds: 82 s at 50/s, long
	// enough to hold a second with twenty times the mean.
	blockTrades = 4096
	// blockAggregates is the number of aggregate trades in every block. As it
	// is fixed, the id of an aggregate is known without counting from the start.
	blockAggregates = 2048
	// maxSweep bounds the trades of one taker order, as recorded.
	maxSweep = 160
)

// block is what blockTrades consecutive trades have in common with their
// taker orders, and where aggregates begin.
type block struct {
	number         int64
	orders         []takerOrder
	order          [blockTrades]uint16 // index into orders, by trade
	level          [blockTrades]uint8  // price steps that its order has walked, by trade
	aggregate      [blockTrades]uint16 // index of its aggregate, by trade
	aggregateStart [blockAggregates]uint16
}

// takerOrder is one order that met the book: its trades share time and side.
type takerOrder struct {
	first, trades     int // within the block
	price             Decimal
	buyerIsMaker      bool
	tradedAt, eventAt int64
	burst             int // index of the burst it is part of, or -1
}

func (l *marketLine) compute(number int64) *block {
	b := &block{number: number, orders: make([]takerOrder, 0, blockAggregates)}
	b.place(newRand(l.seed, "orders", number))
	b.aggregates(newRand(l.seed, "levels", number))
	walk := priceWalk{seed: l.seed, spec: &l.spec}
	for i := range b.orders {
		b.orders[i].price = walk.at(number*blockTrades + int64(b.orders[i].first))
	}
	if l.rate == 0 {
		for i := range b.orders {
			b.orders[i].tradedAt, b.orders[i].eventAt = never, never
		}
		return b
	}
	span := blockTrades / l.rate * 1e6
	begin := l.start + int64(float64(number)*span)
	end := l.start + int64(float64(number+1)*span)
	b.times(newRand(l.seed, "times", number), begin, end, l.rate)
	return b
}

// place divides the block into taker orders: two of three make a single trade,
// the sizes of the rest have a heavy tail up to maxSweep; a mean of three, as
// recorded.
func (b *block) place(draw *rand.Rand) {
	sells := draw.Uint64()&1 == 0
	for first := 0; first < blockTrades; {
		size := 1
		if draw.Float64() < 0.32 {
			size = min(int(2*math.Pow(1-draw.Float64(), -1/1.15)), maxSweep)
		}
		// No order without an aggregate: should so many small ones come
		// together that the rest would not fit, the rest is swept at once.
		if blockTrades-first > maxSweep*(blockAggregates-len(b.orders)-1) {
			size = maxSweep
		}
		size = min(size, blockTrades-first)
		if draw.Float64() < 0.25 {
			sells = !sells
		}
		for i := first; i < first+size; i++ {
			b.order[i] = uint16(len(b.orders))
		}
		b.orders = append(b.orders, takerOrder{first: first, trades: size, buyerIsMaker: sells, burst: -1})
		first += size
	}
}

// aggregates lets orders walk through price levels, so many that the block has
// exactly blockAggregates runs of one order at one price.
func (b *block) aggregates(draw *rand.Rand) {
	steps := blockAggregates - len(b.orders) // to be taken
	places := blockTrades - len(b.orders)    // where one can be taken
	aggregate := -1
	for i := range blockTrades {
		if i == b.orders[b.order[i]].first {
			aggregate++
			b.aggregateStart[aggregate] = uint16(i)
		} else {
			b.level[i] = b.level[i-1]
			// Selection sampling: every set of steps is equally likely.
			if draw.Uint32N(uint32(places)) < uint32(steps) {
				steps--
				b.level[i]++
				aggregate++
				b.aggregateStart[aggregate] = uint16(i)
			}
			places--
		}
		b.aggregate[i] = uint16(aggregate)
	}
}

// times spreads the orders over [begin, end). Bursts take a third of the
// trades and next to no time; the rest comes in clusters.
func (b *block) times(draw *rand.Rand, begin, end int64, rate float64) {
	bursts := b.bursts(draw, rate)
	// A burst is over within a second; at high rates, where a block lasts only
	// seconds, within an 80th of it.
	longest := min(1e6, float64(end-begin)/80)
	calm := float64(end - begin)
	lasts := make([]float64, bursts)
	for i := range lasts {
		lasts[i] = longest * (0.3 + 0.6*draw.Float64())
		calm -= lasts[i]
	}

	// Gaps before each order in relative terms, then scaled to what there is
	// for the burst or for calm trading. One more gap ends the block.
	gaps := make([]float64, len(b.orders)+1)
	burstSums, calmSum := make([]float64, bursts), 0.0
	for i := range gaps {
		gap := draw.ExpFloat64()
		if i < len(b.orders) && b.orders[i].burst >= 0 {
			burstSums[b.orders[i].burst] += gap
		} else {
			if draw.Float64() < 0.5 {
				gap *= 0.05
			}
			calmSum += gap
		}
		gaps[i] = gap
	}
	at, eventAt := 0.0, begin
	for i := range b.orders {
		order := &b.orders[i]
		if order.burst >= 0 {
			at += gaps[i] / burstSums[order.burst] * lasts[order.burst]
		} else {
			at += gaps[i] / calmSum * calm
		}
		order.tradedAt = min(begin+int64(at), end-1)
		// Most events leave within 2 ms of the trade, none later than 8.
		delay := min(int64(draw.ExpFloat64()*800), 8000)
		eventAt = max(eventAt, min(order.tradedAt+delay, end-1))
		order.eventAt = eventAt
	}
}

// bursts marks the orders that are part of a burst and returns how many bursts
// there are. Sizes have a heavy tail that ends at twenty seconds' worth of
// trades, or a quarter of the block.
func (b *block) bursts(draw *rand.Rand, rate float64) int {
	largest := min(20*rate, blockTrades/4)
	smallest := largest / 7.7
	var sizes []int
	for total := 0; total < blockTrades*3/10; {
		size := min(smallest/(1-draw.Float64()), largest)
		sizes = append(sizes, max(int(size), 1))
		total += sizes[len(sizes)-1]
	}
	// Between them, background trades in random shares.
	shares, sum := make([]float64, len(sizes)+1), 0.0
	for i := range shares {
		shares[i] = draw.ExpFloat64()
		sum += shares[i]
	}
	background := blockTrades
	for _, size := range sizes {
		background -= size
	}
	at := 0.0
	for i, size := range sizes {
		at += shares[i] / sum * float64(background)
		last := min(int(at)+size, blockTrades) - 1
		for o := int(b.order[min(int(at), blockTrades-1)]); o <= int(b.order[last]); o++ {
			b.orders[o].burst = i
		}
		at += float64(size)
	}
	return len(sizes)
}
