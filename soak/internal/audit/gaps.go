package audit

import (
	"slices"
)

// maxGaps bounds the holes that are remembered for a symbol. A subject that
// leaves more has failed in any case; what the bound keeps is the harness's
// own memory (128 KiB a symbol).
const maxGaps = 4096

// gap is a range of ids that were passed over, and when that was noticed.
type gap struct {
	first, last int64
	seen        int64 // Unix microseconds
}

// gaps is the set of the ids of one symbol that are missing below the next one
// expected: ranges in order that neither touch nor overlap.
type gaps []gap

// fill takes id out of the set; it tells whether it was in there.
func (g *gaps) fill(id int64) bool {
	i, found := slices.BinarySearchFunc(*g, id, func(r gap, id int64) int {
		switch {
		case r.last < id:
			return -1
		case r.first > id:
			return 1
		}
		return 0
	})
	if !found {
		return false
	}
	r := (*g)[i]
	switch {
	case r.first == r.last:
		*g = slices.Delete(*g, i, i+1)
	case id == r.first:
		(*g)[i].first++
	case id == r.last:
		(*g)[i].last--
	default:
		(*g)[i].last = id - 1
		*g = slices.Insert(*g, i+1, gap{id + 1, r.last, r.seen})
	}
	return true
}

// size is how many ids are missing.
func (g gaps) size() (n int64) {
	for _, r := range g {
		n += r.last - r.first + 1
	}
	return n
}
