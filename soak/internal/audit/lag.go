package audit

import (
	"math"
	"math/bits"
)

// A histogram counts times in microseconds in buckets that are linear within
// each power of two, 64 to a power: a value read back is at most 1/128 off, for
// any length of run in 16 KiB. The zero value is empty.
type histogram struct {
	count   int64
	max     int64
	buckets [bucketCount]int64
}

const (
	subBits     = 6  // 64 buckets to a power of two
	maxBits     = 37 // longer than 38 h is 38 h
	bucketCount = (maxBits - subBits + 1) << subBits
	maxLag      = 1<<maxBits - 1
)

// add counts one time; a negative one, which clocks can make, is none.
func (h *histogram) add(us int64) {
	us = min(max(us, 0), maxLag)
	h.count++
	h.max = max(h.max, us)
	h.buckets[bucket(us)]++
}

func bucket(us int64) int {
	shift := max(bits.Len64(uint64(us))-subBits-1, 0)
	return shift<<subBits + int(us>>shift)
}

// middle is the middle of what bucket i holds.
func middle(i int) int64 {
	if i < 2<<subBits {
		return int64(i)
	}
	shift := i>>subBits - 1
	low := int64(i-shift<<subBits) << shift
	return low + 1<<shift/2
}

// quantile is the time that a share q of all do not exceed; 0 when empty.
func (h *histogram) quantile(q float64) int64 {
	rank := int64(math.Ceil(q * float64(h.count)))
	var seen int64
	for i, n := range h.buckets {
		if seen += n; n > 0 && seen >= rank {
			return min(middle(i), h.max)
		}
	}
	return 0
}

func (h *histogram) reset() { *h = histogram{} }
