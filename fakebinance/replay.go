package fakebinance

import (
	"errors"
	"fmt"
	"math"
	"time"
)

// Replay publishes a capture, over and over: the ids of the second round
// follow those of the first, as do its times. Price, quantity and side are to
// the letter those of the capture.
//
// It is for judging by real traffic; a [Market] has the same shape and never
// repeats itself.
type Replay struct {
	capture *Capture
	start   int64 // Unix microseconds
	speed   float64
	period  int64 // of one round, microseconds as replayed
	lines   map[string]*replayLine
}

type replayLine struct {
	symbol     string
	trades     []capturedTrade
	due        []int64 // by trade: microseconds since the start of the round
	aggregates []int32 // by trade: index of its aggregate in the round
	starts     []int32 // by aggregate: its first trade in the round
}

// NewReplay replays c from start on; speed 1 is as recorded, 10 is ten times
// as fast. It returns an error when speed is not above zero.
//
// A trade is due in the order of receipt: where recorded event times fall back
// they are raised to the one before. The distance from trade to event is that
// of the recording at any speed.
func NewReplay(c *Capture, start time.Time, speed float64) (*Replay, error) {
	if c == nil {
		return nil, errors.New("replay: no capture")
	}
	if !(speed > 0) || math.IsInf(speed, 0) {
		return nil, fmt.Errorf("replay %s: speed %v is not above zero", c.name, speed)
	}
	if start.IsZero() {
		return nil, fmt.Errorf("replay %s: no start time", c.name)
	}
	r := &Replay{capture: c, start: start.UnixMicro(), speed: speed, lines: make(map[string]*replayLine)}
	// A round ends one mean gap after its last trade, so that a capture of one
	// trade has a rhythm too.
	span := c.last - c.first
	r.period = r.scaled(span+span/int64(c.count)) + 1
	if c.count == 1 {
		r.period = r.scaled(1e6) + 1
	}
	for _, symbol := range c.symbols {
		r.lines[symbol] = r.line(symbol)
	}
	return r, nil
}

func (r *Replay) scaled(micros int64) int64 { return int64(float64(micros) / r.speed) }

func (r *Replay) line(symbol string) *replayLine {
	trades := r.capture.trades[symbol]
	l := &replayLine{symbol: symbol, trades: trades, due: make([]int64, len(trades)), aggregates: make([]int32, len(trades))}
	var due int64
	for i := range trades {
		due = max(due, r.scaled(trades[i].eventAt-r.capture.first))
		l.due[i] = due
		if i == 0 || !sameRun(&trades[i-1], &trades[i]) {
			l.starts = append(l.starts, int32(i))
		}
		l.aggregates[i] = int32(len(l.starts) - 1)
	}
	return l
}

func sameRun(a, b *capturedTrade) bool {
	return a.tradedAt == b.tradedAt && a.price == b.price && a.buyerIsMaker == b.buyerIsMaker
}

// Symbols returns the symbols of the capture in the order of their first trade.
func (r *Replay) Symbols() []string { return r.capture.Symbols() }

// FirstID returns the first recorded id of a symbol; 0 when it was not recorded.
func (r *Replay) FirstID(symbol string) int64 {
	line := r.lines[symbol]
	if line == nil {
		return 0
	}
	return line.trades[0].id
}

// Trade returns a trade. It is the zero Trade when the symbol was not recorded
// or the id is below FirstID.
func (r *Replay) Trade(symbol string, id int64) Trade {
	line := r.lines[symbol]
	if line == nil || id < line.trades[0].id {
		return Trade{}
	}
	n := id - line.trades[0].id
	round, i := n/int64(len(line.trades)), n%int64(len(line.trades))
	recorded := &line.trades[i]
	eventAt := r.start + round*r.period + line.due[i]
	return Trade{
		Symbol:       line.symbol,
		ID:           id,
		Price:        recorded.price,
		Quantity:     recorded.quantity,
		BuyerIsMaker: recorded.buyerIsMaker,
		TradedAt:     eventAt - (recorded.eventAt - recorded.tradedAt),
		EventAt:      eventAt,
	}
}

// Describe says which capture this is.
func (r *Replay) Describe() string {
	return fmt.Sprintf("capture %s speed=%v", r.capture.name, r.speed)
}

func (r *Replay) aggregateOf(symbol string, id int64) int64 {
	line := r.lines[symbol]
	n := id - line.trades[0].id
	round, i := n/int64(len(line.trades)), n%int64(len(line.trades))
	return line.trades[0].id + round*int64(len(line.starts)) + int64(line.aggregates[i])
}

func (r *Replay) aggregateStart(symbol string, aggregate int64) int64 {
	line := r.lines[symbol]
	n := aggregate - line.trades[0].id
	round, i := n/int64(len(line.starts)), n%int64(len(line.starts))
	return line.trades[0].id + round*int64(len(line.trades)) + int64(line.starts[i])
}
