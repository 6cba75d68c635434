package fakebinance

import (
	"fmt"
	"maps"
	"slices"
	"sync"
	"sync/atomic"
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
	adding sync.Mutex                        // never held while waiting
	halts  atomic.Pointer[map[string][]Halt] // by symbol, in the order of time; replaced as a whole
}

// NewHalts halts a source. The halts of a symbol must not overlap.
func NewHalts(source Source, halts ...Halt) (*Halts, error) {
	h := &Halts{Source: source}
	h.halts.Store(&map[string][]Halt{})
	for _, halt := range halts {
		if err := h.add(halt); err != nil {
			return nil, err
		}
	}
	return h, nil
}

// add adds a halt. What is published already must not be due after it begins.
func (h *Halts) add(halt Halt) error {
	h.adding.Lock()
	defer h.adding.Unlock()
	source, all := h.Source, maps.Clone(*h.halts.Load())
	if halt.For <= 0 {
		return fmt.Errorf("halt %q at %s: it lasts %s", halt.Symbol, halt.At, halt.For)
	}
	if halt.Status == "" {
		halt.Status = "HALT"
	}
	if !symbolStatuses[halt.Status] {
		return fmt.Errorf("halt %q at %s: no status %q", halt.Symbol, halt.At, halt.Status)
	}
	symbols := []string{halt.Symbol}
	if halt.Symbol == "" {
		symbols = source.Symbols()
	}
	for _, symbol := range symbols {
		if !slices.Contains(source.Symbols(), symbol) {
			return fmt.Errorf("halt %q at %s: the source has no such symbol", symbol, halt.At)
		}
		list := append(slices.Clone(all[symbol]), halt)
		slices.SortFunc(list, func(a, b Halt) int { return a.At.Compare(b.At) })
		for i := 1; i < len(list); i++ {
			if end := list[i-1].At.Add(list[i-1].For); list[i].At.Before(end) {
				return fmt.Errorf("halt %q at %s: the one before lasts until %s", symbol, list[i].At, end)
			}
		}
		if len(list) > maxHalts {
			return fmt.Errorf("halt %q at %s: %d before it, which is the most", symbol, halt.At, maxHalts)
		}
		all[symbol] = list
	}
	h.halts.Store(&all)
	return nil
}

// maxHalts bounds the halts of a symbol: each trade is moved by all before it.
const maxHalts = 1000

// Trade returns a trade, later by the halts before it.
func (h *Halts) Trade(symbol string, id int64) Trade {
	t := h.Source.Trade(symbol, id)
	for _, halt := range (*h.halts.Load())[symbol] {
		if t.EventAt < halt.At.UnixMicro() {
			break
		}
		t.EventAt += halt.For.Microseconds()
		t.TradedAt += halt.For.Microseconds()
	}
	return t
}

// Describe says which source this is.
func (h *Halts) Describe() string {
	if len(*h.halts.Load()) == 0 {
		return h.Source.Describe()
	}
	return h.Source.Describe() + " with halts"
}

func (h *Halts) aggregateOf(symbol string, id int64) int64 {
	return aggregatesOf(h.Source).aggregateOf(symbol, id)
}

func (h *Halts) aggregateStart(symbol string, aggregate int64) int64 {
	return aggregatesOf(h.Source).aggregateStart(symbol, aggregate)
}

// status is that of a symbol during a halt, "" otherwise.
func (h *Halts) status(symbol string, now time.Time) string {
	for _, halt := range (*h.halts.Load())[symbol] {
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
