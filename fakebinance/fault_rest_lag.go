package fakebinance

import "sync/atomic"

var restLagKind = FaultKind{
	Name:  KindRESTLag,
	About: "the history of REST ends where it did when the fault began: the lag grows, and never closes",
	start: func(i *Injection, _ settings) (effect, error) { return &restLag{atDoor: atDoor{i}}, nil },
}

// restLag is a database that takes nothing in any more.
type restLag struct {
	atDoor
	last   map[string]int64 // read only, once it has begun
	served atomic.Int64
}

func (f *restLag) begin() {
	f.last = make(map[string]int64)
	for symbol := range f.server.publisher.lines {
		f.last[symbol] = f.server.ledger.lastID(symbol)
	}
	f.server.lagging.Store(f)
}

func (f *restLag) heal() {}

func (f *restLag) limit(symbol string) int64 {
	f.served.Add(1)
	return f.last[symbol]
}

func (f *restLag) proof([]*session) (bool, string) {
	n := f.served.Load()
	return n > 0, plural(n, "request") + " answered from a history that has ended"
}
