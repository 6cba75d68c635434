package fakebinance

import (
	"maps"
	"slices"
	"sync/atomic"
)

var swapKind = FaultKind{
	Name:     KindSwap,
	About:    "delivers neighbouring trades of a stream in the wrong order",
	Settings: []FaultSetting{everySetting},
	start: func(i *Injection, s settings) (effect, error) {
		common, err := newTamper(i, s)
		if err != nil {
			return nil, err
		}
		return &swap{tamper: common, held: make(map[streamOf][][]byte)}, nil
	},
}

// swap holds a frame back until the next one of its stream is out, or the
// fault ends.
type swap struct {
	tamper
	held    map[streamOf][][]byte // the publisher's
	swapped atomic.Int64
}

func (f *swap) apply(s *session, _ bool) { s.tamperWith(f) }

func (f *swap) alter(s *session, l *line, frames [][]byte) [][]byte {
	stream := streamOf{s, l.symbol}
	if held := f.held[stream]; held != nil {
		delete(f.held, stream)
		f.swapped.Add(1)
		return append(frames, held...)
	}
	if len(frames) == 0 || !f.hit() {
		return frames
	}
	held := make([][]byte, len(frames))
	for i, frame := range frames {
		held[i] = slices.Clone(frame)
	}
	f.held[stream] = held
	return nil
}

// heal delivers what is still held.
func (f *swap) heal() {
	f.tamper.heal()
	for stream, held := range f.held {
		for _, frame := range held {
			stream.session.put(frame)
		}
	}
	clear(f.held)
}

func (f *swap) gone(s *session) {
	maps.DeleteFunc(f.held, func(of streamOf, _ [][]byte) bool { return of.session == s })
}

func (f *swap) proof([]*session) (bool, string) {
	n := f.swapped.Load()
	return n > 0, plural(n, "pair") + " delivered in the wrong order"
}
