package fakebinance

import (
	"maps"
	"slices"
	"sync/atomic"
	"time"
)

// Some faults change what a session gets of a trade, while the ledger and REST
// have it as it is. They act where the publisher hands a trade to the session.

// tampering is such a fault. Its methods are called on the publisher's
// goroutine.
type tampering interface {
	over() bool
	concerns(*line) bool // false: its trades are left alone
	// alter returns the frames that s gets now in place of those given, which
	// are of the trade that l is about to publish; it must not keep or change
	// their bytes.
	alter(s *session, l *line, frames [][]byte) [][]byte
}

// silencing is a tampering fault that may withhold streams other than @trade;
// the others leave those as they are.
type silencing interface {
	tampering
	silences(s *session, stream string) bool
}

// silenced tells that a fault withholds an event of a stream from s.
func (s *session) silenced(stream string) bool {
	for _, t := range s.tampers {
		if f, ok := t.(silencing); ok && !f.over() && f.silences(s, stream) {
			return true
		}
	}
	return false
}

// withholding counts what the faults that silence streams withhold.
type withholding struct{ trades, others atomic.Int64 }

func (w *withholding) proof([]*session) (bool, string) {
	trades, others := w.trades.Load(), w.others.Load()
	text := plural(trades, "trade")
	if others > 0 {
		text += " and " + plural(others, "other event")
	}
	return trades+others > 0, text + " withheld"
}

// holding is a tampering fault that keeps frames back.
type holding struct {
	tamper
	held map[streamOf][]heldFrame // the publisher's
}

type heldFrame struct {
	bytes []byte
	due   time.Time
}

func newHolding(i *Injection, s settings) (holding, error) {
	common, err := newTamper(i, s)
	return holding{common, make(map[streamOf][]heldFrame)}, err
}

// hold keeps copies of frames until they are due.
func (f *holding) hold(stream streamOf, frames [][]byte, due time.Time) {
	for _, frame := range frames {
		f.held[stream] = append(f.held[stream], heldFrame{slices.Clone(frame), due})
	}
}

// heal delivers what is still held.
func (f *holding) heal() {
	f.tamper.heal()
	for stream, held := range f.held {
		for _, frame := range held {
			stream.session.put(frame.bytes)
		}
	}
	clear(f.held)
}

func (f *holding) gone(s *session) {
	maps.DeleteFunc(f.held, func(of streamOf, _ []heldFrame) bool { return of.session == s })
}

// lasting is an effect that has more to do than apply.
type lasting interface {
	begin() // before it is applied to any session
	heal()  // when the injection has ended
}

// tamper is what the faults that change trades have in common: which sessions
// they act on, and how often.
type tamper struct {
	*Injection
	every int // one trade in so many, at random
}

var everySetting = FaultSetting{"every", "20", "one trade of a stream in so many, at random"}

func newTamper(i *Injection, s settings) (tamper, error) {
	every, err := s.integer("every", 1, 1e9)
	return tamper{i, every}, err
}

func (f tamper) begin() { f.server.publisher.tampering++ }
func (f tamper) heal()  { f.server.publisher.tampering-- }

// hit draws whether the next trade is one to be changed.
func (f tamper) hit() bool { return f.draw.IntN(f.every) == 0 }

// tamperWith has t act on the session from now on.
func (s *session) tamperWith(t tampering) {
	s.tampers = append(slices.DeleteFunc(s.tampers, tampering.over), t)
}

// emitAltered is what emit does for the sessions of one format while a fault
// changes trades.
func (p *publisher) emitAltered(l *line, subscribers []*session, f format) {
	p.frame = l.payload.append(p.frame[:0], &l.next, f)
	for _, s := range subscribers {
		frames := [][]byte{p.frame}
		for _, t := range s.tampers {
			if !t.over() && t.concerns(l) {
				frames = t.alter(s, l, frames)
			}
		}
		if len(frames) == 0 {
			continue
		}
		l.heard = true
		b := p.pending(s)
		for _, frame := range frames {
			b.bytes = append(b.bytes, frame...)
			b.trades++
		}
	}
}

// payload is what a frame carries, without its header.
func payloadOf(frame []byte) []byte {
	if frame[1] == 126 {
		return frame[4:]
	}
	return frame[2:]
}

// streamOf is one stream of a session.
type streamOf struct {
	session *session
	symbol  string
}
