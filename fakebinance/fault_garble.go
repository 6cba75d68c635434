package fakebinance

import (
	"bytes"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync/atomic"
)

// garbleForms are the forms of a garbled trade: each makes the frame that comes
// in place of a good one, of its payload and its trade.
var garbleForms = map[string]func(f *garble, s *session, l *line, payload []byte) []byte{
	// Half of the JSON.
	"truncated": func(_ *garble, _ *session, _ *line, payload []byte) []byte {
		return appendFrame(nil, opText, payload[:len(payload)/2])
	},
	// As long as it should be, and no JSON.
	"malformed": func(_ *garble, _ *session, _ *line, payload []byte) []byte {
		return appendFrame(nil, opText, bytes.Replace(payload, []byte(`"p":`), []byte(`"p"=`), 1))
	},
	// Well formed, and worthless.
	"zero-price": func(_ *garble, s *session, l *line, _ []byte) []byte {
		t := l.next
		t.Price = 0
		return newTradePayload(l.symbol).append(nil, &t, s.format)
	},
	// The id is a string.
	"wrong-type": func(_ *garble, _ *session, l *line, payload []byte) []byte {
		return replaceField(payload, fmt.Sprintf(`"t":%d,`, l.next.ID), fmt.Sprintf(`"t":"%d",`, l.next.ID))
	},
	// No id.
	"missing-field": func(_ *garble, _ *session, l *line, payload []byte) []byte {
		return replaceField(payload, fmt.Sprintf(`"t":%d,`, l.next.ID), "")
	},
	// The trade, and more: the documents reserve the right to add fields.
	"extra-field": func(_ *garble, _ *session, l *line, payload []byte) []byte {
		id := fmt.Sprintf(`"t":%d,`, l.next.ID)
		return replaceField(payload, id, id+`"z":{"new":[1,"}"]},`)
	},
	// The trade in a binary frame.
	"binary": func(_ *garble, _ *session, _ *line, payload []byte) []byte {
		return appendFrame(nil, opBinary, payload)
	},
	// A text frame that is no UTF-8.
	"bad-utf8": func(_ *garble, _ *session, l *line, payload []byte) []byte {
		return replaceField(payload, `"s":"`+l.symbol, `"s":"`+"\xff\xfe"+l.symbol[min(2, len(l.symbol)):])
	},
	// The trade behind so many spaces.
	"oversize": func(f *garble, _ *session, _ *line, payload []byte) []byte {
		return appendLongText(nil, append(bytes.Repeat([]byte(" "), f.bytes), payload...))
	},
}

func replaceField(payload []byte, old, by string) []byte {
	return appendFrame(nil, opText, bytes.Replace(payload, []byte(old), []byte(by), 1))
}

// maxOversize leaves room for others in an outbox.
const maxOversize = maxOutbox / 4

var garbleKind = FaultKind{
	Name:  KindGarble,
	About: "delivers a frame that is not as it should be in place of one; REST has the trade",
	Settings: []FaultSetting{
		everySetting,
		{"as", "truncated", strings.Join(slices.Sorted(maps.Keys(garbleForms)), ", ")},
		{"bytes", "131072", "of an oversize frame"},
	},
	start: func(i *Injection, s settings) (effect, error) {
		common, err := newTamper(i, s)
		if err != nil {
			return nil, err
		}
		form, err := s.choice("as", slices.Sorted(maps.Keys(garbleForms))...)
		if err != nil {
			return nil, err
		}
		size, err := s.integer("bytes", longFrame, maxOversize)
		return &garble{tamper: common, form: form, bytes: size}, err
	},
}

// garble puts a bad frame where a good one was.
type garble struct {
	tamper
	form    string
	bytes   int
	garbled atomic.Int64
}

func (f *garble) apply(s *session, _ bool) { s.tamperWith(f) }

func (f *garble) alter(s *session, l *line, frames [][]byte) [][]byte {
	if len(frames) == 0 || !f.hit() {
		return frames
	}
	f.garbled.Add(1)
	last := len(frames) - 1
	return append(frames[:last:last], garbleForms[f.form](f, s, l, payloadOf(frames[last])))
}

func (f *garble) proof([]*session) (bool, string) {
	n := f.garbled.Load()
	return n > 0, fmt.Sprintf("%s delivered as %s", plural(n, "trade"), f.form)
}
