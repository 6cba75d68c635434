package fakebinance

import (
	"fmt"
	"slices"
	"time"
)

// Halt is a time without trades of one symbol, or of all: a market halt leaves
// no gap in the ids, only hours in which none is given.
type Halt struct {
	Symbol string // "": all
	At     time.Time
	For    time.Duration
	Status string // what exchangeInfo says meanwhile; "": HALT
}

// Halts is a source whose trading stops now and then: what would be due
// during a halt is due after it, as is all that follows, with the same ids,
// prices and quantities. exchangeInfo tells that the market halts.
type Halts struct {
	Source
	halts map[string][]Halt // by symbol, in the order of time
}

// NewHalts halts a source. The halts of a symbol must not overlap.
func NewHalts(source Source, halts ...Halt) (*Halts, error) {
	h := &Halts{Source: source, halts: make(map[string][]Halt)}
	for _, halt := range halts {
		if halt.For <= 0 {
			return nil, fmt.Errorf("halt %q at %s: it lasts %s", halt.Symbol, halt.At, halt.For)
		}
		if halt.Status == "" {
			halt.Status = "HALT"
		}
		if !symbolStatuses[halt.Status] {
			return nil, fmt.Errorf("halt %q at %s: no status %q", halt.Symbol, halt.At, halt.Status)
		}
		symbols := []string{halt.Symbol}
		if halt.Symbol == "" {
			symbols = source.Symbols()
		}
		for _, symbol := range symbols {
			if !slices.Contains(source.Symbols(), symbol) {
				return nil, fmt.Errorf("halt %q at %s: the source has no such symbol", symbol, halt.At)
			}
			h.halts[symbol] = append(h.halts[symbol], halt)
		}
	}
	for symbol, list := range h.halts {
		slices.SortFunc(list, func(a, b Halt) int { return a.At.Compare(b.At) })
		for i := 1; i < len(list); i++ {
			if end := list[i-1].At.Add(list[i-1].For); list[i].At.Before(end) {
				return nil, fmt.Errorf("halt %q at %s: the one before lasts until %s", symbol, list[i].At, end)
			}
		}
	}
	return h, nil
}

// Trade returns a trade, later by the halts before it.
func (h *Halts) Trade(symbol string, id int64) Trade {
	t := h.Source.Trade(symbol, id)
	for _, halt := range h.halts[symbol] {
		if t.EventAt < halt.At.UnixMicro() {
			break
		}
		t.EventAt += halt.For.Microseconds()
		t.TradedAt += halt.For.Microseconds()
	}
	return t
}

// Describe says which source this is.
func (h *Halts) Describe() string { return h.Source.Describe() + " with halts" }

func (h *Halts) aggregateOf(symbol string, id int64) int64 {
	return aggregatesOf(h.Source).aggregateOf(symbol, id)
}

func (h *Halts) aggregateStart(symbol string, aggregate int64) int64 {
	return aggregatesOf(h.Source).aggregateStart(symbol, aggregate)
}

// status is that of a symbol during a halt, "" otherwise.
func (h *Halts) status(symbol string, now time.Time) string {
	for _, halt := range h.halts[symbol] {
		if !now.Before(halt.At) && now.Before(halt.At.Add(halt.For)) {
			return halt.Status
		}
	}
	return ""
}

// statusOf is what exchangeInfo says of a symbol now.
func (s *Server) statusOf(symbol string) string {
	if halted, ok := s.options.Source.(*Halts); ok {
		if status := halted.status(symbol, time.Now()); status != "" {
			return status
		}
	}
	if status := s.options.Switches.Status[symbol]; status != "" {
		return status
	}
	return "TRADING"
}
