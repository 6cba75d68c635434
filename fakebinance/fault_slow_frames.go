package fakebinance

import (
	"fmt"
	"sync/atomic"
	"time"
)

var slowFramesKind = FaultKind{
	Name:  KindSlowFrames,
	About: "delays every frame; none is lost and the rate stays",
	Settings: []FaultSetting{
		{"delay", "2s", "how late frames arrive; some by up to a sixteenth more"},
	},
	start: func(i *Injection, s settings) (effect, error) {
		delay, err := s.duration("delay", time.Millisecond, time.Hour)
		if err != nil {
			return nil, err
		}
		return &slowFrames{Injection: i, delay: delay, spread: delay / 16}, nil
	},
}

// slowFrames holds each batch of a session back until it is delay old.
type slowFrames struct {
	*Injection
	delay   time.Duration
	spread  time.Duration // of the frames of one batch
	batches atomic.Int64
	longest atomic.Int64 // ns, really imposed
}

func (f *slowFrames) apply(s *session, _ bool) { s.slowFrames.Store(f) }

// hold waits until b is due. It runs on the session's writer.
func (f *slowFrames) hold(s *session, b *batch) {
	s.pause(time.Until(b.at.Add(f.delay)), f.Done())
	if !s.isDead() {
		f.batches.Add(1)
		raise(&f.longest, int64(time.Since(b.first)))
	}
}

func (f *slowFrames) proof([]*session) (bool, string) {
	batches, longest := f.batches.Load(), time.Duration(f.longest.Load())
	// A batch that was cut short by the end of the fault has not been through it.
	return longest >= f.delay, fmt.Sprintf("%s held back, the longest for %s",
		plural(batches, "write"), longest.Round(time.Millisecond))
}
