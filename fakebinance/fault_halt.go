package fakebinance

import (
	"fmt"
	"time"
)

var haltKind = FaultKind{
	Name:  KindHalt,
	About: "nothing is traded for as long as it lasts, and exchangeInfo says so; the source must be made with NewHalts",
	Settings: []FaultSetting{
		{"symbol", "", "empty: all"},
		{"status", "HALT", "in exchangeInfo, such as HALT or BREAK"},
	},
	start: func(i *Injection, s settings) (effect, error) {
		symbol, err := s.symbol(i, "symbol")
		if err != nil {
			return nil, err
		}
		source, ok := i.server.options.Source.(*Halts)
		if !ok {
			return nil, fmt.Errorf("fault %s: the source of trades was not made with NewHalts", i.fault.Kind)
		}
		if i.fault.For == 0 {
			return nil, fmt.Errorf("fault %s: it needs a time: trades are due later by as much", i.fault.Kind)
		}
		status := s.text("status")
		if !symbolStatuses[status] {
			return nil, fmt.Errorf("fault %s: no status %q", i.fault.Kind, status)
		}
		return &halted{atDoor: atDoor{i}, source: source, halt: Halt{Symbol: symbol, For: i.fault.For, Status: status}}, nil
	},
}

// halted makes a halt begin now. It is over when its time is, whoever ends the
// fault before: by then trades have been promised for later.
type halted struct {
	atDoor
	source *Halts
	halt   Halt
	err    error
}

func (f *halted) begin() {
	// What was due until now may be out.
	f.halt.At = time.Now().Add(time.Microsecond)
	if f.err = f.source.add(f.halt); f.err == nil {
		f.server.publisher.recount()
	}
}

func (f *halted) heal() {}

func (f *halted) proof([]*session) (bool, string) {
	if f.err != nil {
		return false, f.err.Error()
	}
	of := f.halt.Symbol
	if of == "" {
		of = "all symbols"
	}
	return true, fmt.Sprintf("trading of %s halted for %s", of, f.halt.For)
}
