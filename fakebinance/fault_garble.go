package fakebinance

import (
	"bytes"
	"fmt"
	"slices"
	"sync/atomic"
)

// The forms of a garbled trade.
const (
	garbleTruncated = "truncated"  // half of the JSON
	garbleZeroPrice = "zero-price" // well formed, and worthless
	garbleWrongType = "wrong-type" // the id is a string
	garbleBinary    = "binary"     // in a binary frame
)

var garbleForms = []string{garbleTruncated, garbleZeroPrice, garbleWrongType, garbleBinary}

var garbleKind = FaultKind{
	Name:  KindGarble,
	About: "delivers a frame that is no trade in place of one; REST has the trade",
	Settings: []FaultSetting{
		everySetting,
		{"as", garbleTruncated, "truncated, zero-price, wrong-type or binary"},
	},
	start: func(i *Injection, s settings) (effect, error) {
		common, err := newTamper(i, s)
		if err != nil {
			return nil, err
		}
		form := s.text("as")
		if !slices.Contains(garbleForms, form) {
			return nil, fmt.Errorf("fault %s: as %q is none of %v", i.fault.Kind, form, garbleForms)
		}
		return &garble{tamper: common, form: form}, nil
	},
}

// garble puts a bad frame where a good one was.
type garble struct {
	tamper
	form    string
	garbled atomic.Int64
}

func (f *garble) apply(s *session, _ bool) { s.tamperWith(f) }

func (f *garble) alter(s *session, l *line, frames [][]byte) [][]byte {
	if len(frames) == 0 || !f.hit() {
		return frames
	}
	f.garbled.Add(1)
	last := len(frames) - 1
	return append(frames[:last:last], f.frame(s, l, frames[last]))
}

func (f *garble) frame(s *session, l *line, good []byte) []byte {
	payload := payloadOf(good)
	switch f.form {
	case garbleZeroPrice:
		t := l.next
		t.Price = 0
		return newTradePayload(l.symbol).append(nil, &t, s.format)
	case garbleWrongType:
		id := fmt.Appendf(nil, `"t":%d,`, l.next.ID)
		return appendFrame(nil, opText, bytes.Replace(payload, id, fmt.Appendf(nil, `"t":"%d",`, l.next.ID), 1))
	case garbleBinary:
		return appendFrame(nil, opBinary, payload)
	default:
		return appendFrame(nil, opText, payload[:len(payload)/2])
	}
}

func (f *garble) proof([]*session) (bool, string) {
	n := f.garbled.Load()
	return n > 0, fmt.Sprintf("%s delivered as %s", plural(n, "trade"), f.form)
}
