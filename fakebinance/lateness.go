package fakebinance

import (
	"math"
	"sync"
	"time"
)

// lateness is a histogram of delays of constant size. Buckets grow by a tenth
// from 1 us, so that a percentile read from them is at most 10 % too high; 200
// of them reach 3 minutes, and the last takes all beyond.
type lateness struct {
	mu      sync.Mutex
	buckets [latenessBuckets]int64
	count   int64
	max     time.Duration
}

const (
	latenessBuckets = 200
	latenessGrowth  = 1.1
)

// observe adds the delay of n trades.
func (h *lateness) observe(delay time.Duration, n int64) {
	delay = max(delay, 0)
	bucket := 0
	if delay > time.Microsecond {
		micros := float64(delay) / float64(time.Microsecond)
		bucket = min(int(math.Ceil(math.Log(micros)/math.Log(latenessGrowth))), latenessBuckets-1)
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	h.buckets[bucket] += n
	h.count += n
	h.max = max(h.max, delay)
}

func (h *lateness) read() (p99, max time.Duration) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.count == 0 {
		return 0, 0
	}
	want := (h.count*99 + 99) / 100
	var seen int64
	for i, n := range h.buckets {
		if seen += n; seen >= want {
			edge := time.Duration(math.Pow(latenessGrowth, float64(i)) * float64(time.Microsecond))
			return min(edge, h.max), h.max
		}
	}
	return h.max, h.max
}
