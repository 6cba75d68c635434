package fakebinance

import (
	"fmt"
	"time"
)

var halfOpenKind = FaultKind{
	Name:  KindHalfOpen,
	About: "one direction of a session is dead while TCP stays up; what was held back follows at its end",
	Settings: []FaultSetting{
		{"dead", deadOut, "out: the client gets nothing; in: the server hears nothing, and closes when no pong comes"},
	},
	start: func(i *Injection, s settings) (effect, error) {
		dead, err := s.choice("dead", deadOut, deadIn)
		return &stall{Injection: i, dead: dead}, err
	},
}

// The direction that is dead, seen from the server.
const (
	deadOut = "out"
	deadIn  = "in"
)

// hearing tells that the server still reads.
func (f *stall) hearing() bool { return f.dead == deadOut }

// speaking tells that the server still writes.
func (f *stall) speaking() bool { return f.dead == deadIn }

// unheard notes that something came and was not read.
func (f *stall) unheard() { f.kept.Add(1) }

func (f *stall) deafProof(until time.Time) (bool, string) {
	n := f.kept.Load()
	return n > 0, fmt.Sprintf("%s of clients not heard for up to %s", plural(n, "read"), until.Sub(f.began).Round(time.Millisecond))
}
