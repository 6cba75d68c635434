package fakebinance

import (
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"sync/atomic"
	"time"
)

// MarketOptions say what a Market is like.
type MarketOptions struct {
	Seed    uint64
	Symbols []string  // upper case
	Rate    float64   // mean trades a second, of each symbol; 0: no trade is ever due
	Start   time.Time // of trading
	// Bunch holds trades back until the next multiple of it since Start, so that
	// they come all at once: for long runs in virtual time, where what costs is
	// how often somebody wakes. 0: each trade has its own time.
	Bunch time.Duration
}

// Market is a synthetic exchange: every trade of every symbol as a pure
// function of the seed, the symbol and the id, shaped like recorded traffic.
//
// Taker orders that sweep the book make runs of trades with one time and
// consecutive ids; bursts put some twenty times the mean rate into a second;
// the price walks smoothly; quantities have a heavy tail. What a trade says
// (price, quantity, side) doesn't depend on the rate or the start, only when
// it is due does.
//
// Use a [Replay] where the very trades of a recording are wanted.
type Market struct {
	options MarketOptions
	symbols []string
	lines   map[string]*marketLine
}

// cachedBlocks is how many computed blocks a symbol keeps. The publisher and
// an auditor behind it need one or two each; a block is some 50 KiB.
const cachedBlocks = 4

// marketLine is the trades of one symbol.
type marketLine struct {
	symbol  string
	seed    uint64 // of this symbol
	spec    symbolSpec
	firstID int64
	rate    float64
	start   int64 // Unix microseconds
	bunch   int64 // microseconds
	blocks  [cachedBlocks]atomic.Pointer[block]
}

// NewMarket makes a market. It returns an error when the options make no
// sense, such as a negative rate or a symbol in lower case.
func NewMarket(options MarketOptions) (*Market, error) {
	if len(options.Symbols) == 0 {
		return nil, errors.New("make market: no symbols")
	}
	if options.Rate < 0 || math.IsNaN(options.Rate) || options.Rate > maxRate {
		return nil, fmt.Errorf("make market: rate %v is not within 0 and %v trades a second", options.Rate, float64(maxRate))
	}
	if options.Rate > 0 && options.Rate < minRate {
		return nil, fmt.Errorf("make market: rate %v is below %v trades a second", options.Rate, minRate)
	}
	if options.Bunch < 0 {
		return nil, fmt.Errorf("make market: bunches of %s", options.Bunch)
	}
	if options.Start.IsZero() && options.Rate > 0 {
		return nil, errors.New("make market: no start time")
	}
	m := &Market{
		options: options,
		symbols: slices.Clone(options.Symbols),
		lines:   make(map[string]*marketLine),
	}
	for _, symbol := range m.symbols {
		if symbol == "" || symbol != strings.ToUpper(symbol) {
			return nil, fmt.Errorf("make market: symbol %q is not in upper case", symbol)
		}
		if m.lines[symbol] != nil {
			return nil, fmt.Errorf("make market: symbol %q twice", symbol)
		}
		seed := seedOf(options.Seed, "market "+symbol)
		m.lines[symbol] = &marketLine{
			symbol: symbol,
			seed:   seed,
			spec:   specOf(symbol),
			// As large as the ids of a symbol that has been traded for years.
			firstID: 1e9 + int64(mix(seed)%5e9),
			rate:    options.Rate,
			start:   options.Start.UnixMicro(),
			bunch:   options.Bunch.Microseconds(),
		}
	}
	return m, nil
}

// The rates that the arithmetic of a Market is made for: a block takes 47 days
// at the lowest, and at the highest a microsecond holds a thousand trades.
const (
	minRate = 0.001
	maxRate = 1e9
)

// Symbols returns the symbols of the market in the order of its options.
func (m *Market) Symbols() []string { return slices.Clone(m.symbols) }

// FirstID returns the first trade id of a symbol; 0 when the market doesn't
// have it.
func (m *Market) FirstID(symbol string) int64 {
	line := m.lines[symbol]
	if line == nil {
		return 0
	}
	return line.firstID
}

// Trade returns a trade. It is the zero Trade when the market doesn't have the
// symbol or the id is below FirstID.
func (m *Market) Trade(symbol string, id int64) Trade {
	line := m.lines[symbol]
	if line == nil || id < line.firstID {
		return Trade{}
	}
	return line.trade(id)
}

// Describe says which market this is.
func (m *Market) Describe() string {
	return fmt.Sprintf("market seed=%d rate=%v/s", m.options.Seed, m.options.Rate)
}

func (l *marketLine) trade(id int64) Trade {
	n := id - l.firstID
	b := l.block(n / blockTrades)
	i := n % blockTrades
	order := &b.orders[b.order[i]]
	price := order.price
	if levels := Decimal(b.level[i]) * l.spec.tick; order.buyerIsMaker {
		price -= levels
	} else {
		price += levels
	}
	tradedAt, eventAt := order.tradedAt, order.eventAt
	if l.bunch > 0 {
		eventAt += (l.bunch - (eventAt-l.start)%l.bunch) % l.bunch
		tradedAt = eventAt
	}
	return Trade{
		Symbol:       l.symbol,
		ID:           id,
		Price:        max(price, l.spec.tick),
		Quantity:     l.quantity(id),
		BuyerIsMaker: order.buyerIsMaker,
		TradedAt:     tradedAt,
		EventAt:      eventAt,
	}
}

// block returns the block of a number, computed when it is not at hand.
// Two goroutines may compute the same one at once; they get the same result.
func (l *marketLine) block(number int64) *block {
	slot := &l.blocks[number%cachedBlocks]
	if b := slot.Load(); b != nil && b.number == number {
		return b
	}
	b := l.compute(number)
	slot.Store(b)
	return b
}

func (m *Market) aggregateOf(symbol string, id int64) int64 {
	line := m.lines[symbol]
	n := id - line.firstID
	number := n / blockTrades
	return line.firstID + number*blockAggregates + int64(line.block(number).aggregate[n%blockTrades])
}

func (m *Market) aggregateStart(symbol string, aggregate int64) int64 {
	line := m.lines[symbol]
	n := aggregate - line.firstID
	number := n / blockAggregates
	return line.firstID + number*blockTrades + int64(line.block(number).aggregateStart[n%blockAggregates])
}

// priceWalk is where the market stands from trade to trade: a sum of smooth
// noises, each four or more times slower and stronger than the one before,
// which over a day of some four million trades comes to a few percent.
//
// It is a function of the trade's number alone. The walk only remembers the
// ends of the stretch that it is on, as most trades share them.
type priceWalk struct {
	seed    uint64
	spec    *symbolSpec
	stretch [len(priceNoise)]struct {
		cell     int64
		from, to float64
		known    bool
	}
}

func (w *priceWalk) at(n int64) Decimal {
	deviation := 0.0
	for octave := range priceNoise {
		noise, stretch := &priceNoise[octave], &w.stretch[octave]
		if cell := n / noise.period; !stretch.known || cell != stretch.cell {
			seed := w.seed + uint64(octave)
			stretch.known, stretch.cell = true, cell
			stretch.from, stretch.to = latticeValue(seed, cell), latticeValue(seed, cell+1)
		}
		t := float64(n%noise.period) / float64(noise.period)
		deviation += noise.strength * (stretch.from + (stretch.to-stretch.from)*t*t*(3-2*t))
	}
	ticks := int64(float64(w.spec.base) * (1 + deviation) / float64(w.spec.tick))
	return max(Decimal(ticks)*w.spec.tick, w.spec.tick)
}

var priceNoise = [...]struct {
	period   int64 // in trades
	strength float64
}{
	{64, 0.0001},
	{1 << 10, 0.0004},
	{1 << 14, 0.0016},
	{1 << 18, 0.0064},
	{1 << 22, 0.025},
}

// latticeValue is a fixed random number within -1 and 1 for each cell.
func latticeValue(seed uint64, cell int64) float64 {
	return float64(int64(mix(seed^mix(uint64(cell)))>>11))/(1<<52) - 1
}

// quantity is a number of lots spread over five decades, about as recorded
// BTCUSDT quantities are.
func (l *marketLine) quantity(id int64) Decimal {
	h := mix(l.seed ^ uint64(id)*0x9e3779b97f4a7c15)
	decade := quantityDecades[h&127]
	lots := decade + (h>>7)%(9*decade)
	// Of two draws the smaller: within a decade small quantities prevail too.
	lots = min(lots, decade+(h>>32)%(9*decade))
	return Decimal(lots) * l.spec.lot
}

// quantityDecades holds 1, 10, ... 10000 in the shares 12, 43, 17, 22 and 6 %.
var quantityDecades = func() (table [128]uint64) {
	i := 0
	for _, part := range []struct {
		upTo   int
		decade uint64
	}{{15, 1}, {70, 10}, {92, 100}, {120, 1000}, {128, 10000}} {
		for ; i < part.upTo; i++ {
			table[i] = part.decade
		}
	}
	return table
}()

// seedOf derives the seed of one purpose, so that what is drawn for one never
// shifts what is drawn for another.
func seedOf(seed uint64, purpose string) uint64 {
	h := mix(seed)
	for _, c := range []byte(purpose) {
		h = mix(h ^ uint64(c))
	}
	return h
}

func newRand(seed uint64, purpose string, n int64) *rand.Rand {
	return rand.New(rand.NewPCG(seedOf(seed, purpose), uint64(n)))
}

// mix is the finalizer of splitmix64: every bit of x reaches every bit of the result.
func mix(x uint64) uint64 {
	x += 0x9e3779b97f4a7c15
	x = (x ^ x>>30) * 0xbf58476d1ce4e5b9
	x = (x ^ x>>27) * 0x94d049bb133111eb
	return x ^ x>>31
}
