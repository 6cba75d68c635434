package fakebinance

import (
	"fmt"
	"maps"
	"sync/atomic"
)

var gapKind = FaultKind{
	Name:  KindGap,
	About: "leaves trades out of the stream; REST has them",
	Settings: []FaultSetting{
		everySetting,
		{"trades", "3", "left out in a row, at most"},
	},
	start: func(i *Injection, s settings) (effect, error) {
		common, err := newTamper(i, s)
		if err != nil {
			return nil, err
		}
		most, err := s.integer("trades", 1, 1e6)
		if err != nil {
			return nil, err
		}
		return &gap{tamper: common, most: most, left: make(map[streamOf]int)}, nil
	},
}

// gap leaves out runs of trades.
type gap struct {
	tamper
	most    int
	left    map[streamOf]int // of the run that a stream is in; the publisher's
	runs    atomic.Int64
	missing atomic.Int64
}

func (f *gap) apply(s *session, _ bool) { s.tamperWith(f) }

func (f *gap) alter(s *session, l *line, frames [][]byte) [][]byte {
	stream := streamOf{s, l.symbol}
	left := f.left[stream]
	if left == 0 {
		if !f.hit() {
			return frames
		}
		f.runs.Add(1)
		left = 1 + f.draw.IntN(f.most)
	}
	if left--; left > 0 {
		f.left[stream] = left
	} else {
		delete(f.left, stream)
	}
	f.missing.Add(1)
	return nil
}

func (f *gap) gone(s *session) {
	maps.DeleteFunc(f.left, func(of streamOf, _ int) bool { return of.session == s })
}

func (f *gap) proof([]*session) (bool, string) {
	n := f.missing.Load()
	return n > 0, fmt.Sprintf("%s left out in %s", plural(n, "trade"), plural(f.runs.Load(), "gap"))
}
