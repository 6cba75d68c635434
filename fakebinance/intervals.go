package fakebinance

import "slices"

// maxIntervals bounds an interval set: each is one hole that a client filled
// over REST, and a client that needed more than these has other problems.
const maxIntervals = 4096

// intervals is a bounded set of ids, kept as sorted ranges that do not touch.
// Full, it forgets its lowest range. The zero value is empty.
type intervals struct{ ranges []interval }

type interval struct{ first, last int64 }

func (s *intervals) contains(id int64) bool {
	_, found := slices.BinarySearchFunc(s.ranges, id, func(r interval, id int64) int {
		switch {
		case r.last < id:
			return -1
		case r.first > id:
			return 1
		}
		return 0
	})
	return found
}

// add puts first to last, both included, into the set.
func (s *intervals) add(first, last int64) {
	// ranges[from:to] touch or overlap the new one and merge with it.
	from, _ := slices.BinarySearchFunc(s.ranges, first, func(r interval, first int64) int {
		if r.last < first-1 {
			return -1
		}
		return 1
	})
	to := from
	for to < len(s.ranges) && s.ranges[to].first <= last+1 {
		first = min(first, s.ranges[to].first)
		last = max(last, s.ranges[to].last)
		to++
	}
	s.ranges = slices.Replace(s.ranges, from, to, interval{first, last})
	if len(s.ranges) > maxIntervals {
		s.ranges = slices.Delete(s.ranges, 0, 1)
	}
}
