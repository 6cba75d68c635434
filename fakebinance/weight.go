package fakebinance

import (
	"sync"
	"time"
)

// weight counts what REST requests cost in the current minute of the clock.
// The exchange counts by address; here all clients share one.
type weight struct {
	limit int

	mu     sync.Mutex
	minute int64
	used   int
	most   int // in one minute, so far
}

// spend adds cost and returns what is used now. ok is false when it is above
// the limit, and then wait says how long until the next minute.
func (w *weight) spend(cost int) (used int, wait time.Duration, ok bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	now := time.Now()
	if minute := now.Unix() / 60; minute != w.minute {
		w.minute, w.used = minute, 0
	}
	w.used += cost
	w.most = max(w.most, w.used)
	next := time.Unix((w.minute+1)*60, 0)
	return w.used, next.Sub(now), w.used <= w.limit
}

// MostRESTWeight is the most request weight that was asked for within one minute
// of the clock so far, refused requests included.
func (s *Server) MostRESTWeight() int {
	s.weight.mu.Lock()
	defer s.weight.mu.Unlock()
	return s.weight.most
}
