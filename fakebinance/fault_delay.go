package fakebinance

import (
	"fmt"
	"sync/atomic"
	"time"
)

var delayKind = FaultKind{
	Name:  KindDelay,
	About: "delivers single trades late, after those that follow them",
	Settings: []FaultSetting{
		everySetting,
		{"delay", "2s", "at least; they come with the next trade of their stream after that"},
	},
	start: func(i *Injection, s settings) (effect, error) {
		delay, err := s.duration("delay", time.Millisecond, time.Hour)
		if err != nil {
			return nil, err
		}
		common, err := newHolding(i, s)
		return &delayed{holding: common, delay: delay}, err
	},
}

// delayed keeps trades back while others overtake them.
type delayed struct {
	holding
	delay time.Duration
	late  atomic.Int64
}

func (f *delayed) apply(s *session, _ bool) { s.tamperWith(f) }

func (f *delayed) alter(s *session, l *line, frames [][]byte) [][]byte {
	stream, now := streamOf{s, l.symbol}, time.Now()
	if len(frames) > 0 && f.hit() {
		f.hold(stream, frames, now.Add(f.delay))
		f.late.Add(1)
		frames = nil
	}
	held := f.held[stream] // in the order of their time
	for len(held) > 0 && !held[0].due.After(now) {
		frames, held = append(frames, held[0].bytes), held[1:]
	}
	if f.held[stream] = held; len(held) == 0 {
		delete(f.held, stream)
	}
	return frames
}

func (f *delayed) proof([]*session) (bool, string) {
	n := f.late.Load()
	return n > 0, fmt.Sprintf("%s kept back for %s", plural(n, "trade"), f.delay)
}
