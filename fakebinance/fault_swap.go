package fakebinance

import (
	"sync/atomic"
	"time"
)

var swapKind = FaultKind{
	Name:     KindSwap,
	About:    "delivers neighbouring trades of a stream in the wrong order",
	Settings: []FaultSetting{everySetting},
	start: func(i *Injection, s settings) (effect, error) {
		common, err := newHolding(i, s)
		return &swap{holding: common}, err
	},
}

// swap holds a frame back until the next one of its stream is out, or the
// fault ends.
type swap struct {
	holding
	swapped atomic.Int64
}

func (f *swap) apply(s *session, _ bool) { s.tamperWith(f) }

func (f *swap) alter(s *session, l *line, frames [][]byte) [][]byte {
	stream := streamOf{s, l.symbol}
	if held := f.held[stream]; held != nil {
		delete(f.held, stream)
		f.swapped.Add(1)
		for _, frame := range held {
			frames = append(frames, frame.bytes)
		}
		return frames
	}
	if len(frames) == 0 || !f.hit() {
		return frames
	}
	f.hold(stream, frames, time.Time{})
	return nil
}

func (f *swap) proof([]*session) (bool, string) {
	n := f.swapped.Load()
	return n > 0, plural(n, "pair") + " delivered in the wrong order"
}
