package fakebinance

import (
	"fmt"
	"sync/atomic"
)

var fragmentsKind = FaultKind{
	Name:  KindFragments,
	About: "delivers trades in fragments, which the protocol allows (RFC 6455 section 5.4)",
	Settings: []FaultSetting{
		everySetting,
		{"pieces", "5", "frames that carry one trade"},
	},
	start: func(i *Injection, s settings) (effect, error) {
		pieces, err := s.integer("pieces", 2, 100)
		if err != nil {
			return nil, err
		}
		common, err := newTamper(i, s)
		return &fragments{tamper: common, pieces: pieces}, err
	},
}

// fragments sends a text frame as a first frame and continuations.
type fragments struct {
	tamper
	pieces int
	cut    atomic.Int64
}

func (f *fragments) apply(s *session, _ bool) { s.tamperWith(f) }

func (f *fragments) alter(_ *session, _ *line, frames [][]byte) [][]byte {
	if len(frames) == 0 || !f.hit() {
		return frames
	}
	f.cut.Add(1)
	last := len(frames) - 1
	payload := payloadOf(frames[last])
	var torn []byte
	for n := range f.pieces {
		from, to := n*len(payload)/f.pieces, (n+1)*len(payload)/f.pieces
		at, op := len(torn), byte(opContinuation)
		if n == 0 {
			op = opText
		}
		torn = appendFrame(torn, op, payload[from:to])
		if n < f.pieces-1 {
			torn[at] &^= finalBit
		}
	}
	return append(frames[:last:last], torn)
}

func (f *fragments) proof([]*session) (bool, string) {
	n := f.cut.Load()
	return n > 0, fmt.Sprintf("%s delivered in %d fragments each", plural(n, "trade"), f.pieces)
}
