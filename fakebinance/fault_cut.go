package fakebinance

import (
	"fmt"
	"sync/atomic"
	"time"
)

// cut is what the faults that end sessions have in common: those that are open
// end at once; those that open while it lasts end after a random part of
// within.
type cut struct {
	*Injection
	within time.Duration
	end    func(*session) bool // reports whether the session had not ended before
	how    string              // "reset", as in "3 sessions reset"
	ended  atomic.Int64
}

var withinSetting = FaultSetting{"within", "1s", "with target all: sessions that open while it lasts end within this, at random"}

func newCut(i *Injection, s settings, how string, end func(*session) bool) (effect, error) {
	within, err := s.duration("within", 0, time.Hour)
	if err != nil {
		return nil, err
	}
	return &cut{Injection: i, within: within, how: how, end: end}, nil
}

func (c *cut) apply(s *session, opening bool) {
	if !opening {
		c.cut(s)
		return
	}
	s.cutLater = time.AfterFunc(time.Duration(c.draw.Float64()*float64(c.within)), func() {
		if active(c) {
			c.cut(s)
		}
	})
}

func (c *cut) cut(s *session) {
	s.during(c.fault.Kind)
	// First the count: whoever sees the session gone finds it in the evidence.
	c.ended.Add(1)
	if !c.end(s) {
		c.ended.Add(-1)
	}
}

func (c *cut) proof([]*session) (bool, string) {
	n := c.ended.Load()
	return n > 0, fmt.Sprintf("%s %s", plural(n, "session"), c.how)
}

// plural is "1 session", "2 sessions".
func plural(n int64, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return fmt.Sprintf("%d %ss", n, noun)
}
