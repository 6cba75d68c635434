package fakebinance

import (
	"fmt"
	"sync/atomic"
	"time"
)

var burstKind = FaultKind{
	Name:  KindBurst,
	About: "gathers the trades of a stream and delivers them at once, in order",
	Settings: []FaultSetting{
		{"trades", "160", "that come at once; 160 in a millisecond and 1000 in a second were seen"},
	},
	start: func(i *Injection, s settings) (effect, error) {
		// Within maxOutbox also when several streams burst together.
		trades, err := s.integer("trades", 2, 10000)
		return &burst{holding: holding{tamper{i, 1}, make(map[streamOf][]heldFrame)}, trades: trades}, err
	},
}

// burst holds trades back until there are enough of them.
type burst struct {
	holding
	trades int
	bursts atomic.Int64
}

func (f *burst) apply(s *session, _ bool) { s.tamperWith(f) }

func (f *burst) alter(s *session, l *line, frames [][]byte) [][]byte {
	stream := streamOf{s, l.symbol}
	f.hold(stream, frames, time.Time{})
	held := f.held[stream]
	if len(held) < f.trades {
		return nil
	}
	delete(f.held, stream)
	f.bursts.Add(1)
	frames = nil
	for _, frame := range held {
		frames = append(frames, frame.bytes)
	}
	return frames
}

func (f *burst) proof([]*session) (bool, string) {
	n := f.bursts.Load()
	return n > 0, fmt.Sprintf("%s of %d trades at once", plural(n, "burst"), f.trades)
}
