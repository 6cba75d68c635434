package streamer

import (
	"slices"
	"strings"
)

// hole is a range of ids of a symbol that a topic does not have.
type hole struct {
	symbol      string
	first, last int64
}

func (h hole) size() int64 { return h.last - h.first + 1 }

// holeSearch finds what is missing from the ids of each symbol. It keeps one number
// a symbol and the holes, which are bounded.
type holeSearch struct {
	limit  int
	next   map[string]int64 // by symbol: one more than the highest id seen
	open   map[string][]hole
	count  int
	beyond int64 // holes that were not kept
	missed int64 // ids in them
}

// searchHoles looks for holes of symbols, and keeps at most limit of them.
func searchHoles(symbols []string, limit int) *holeSearch {
	h := &holeSearch{limit: limit, next: map[string]int64{}, open: map[string][]hole{}}
	for _, symbol := range symbols {
		h.next[symbol] = -1
	}
	return h
}

// observe takes an id that a topic has, in any order. watched is false for a
// symbol that is not looked at.
func (h *holeSearch) observe(symbol string, id int64) (watched bool) {
	next, ok := h.next[symbol]
	switch {
	case !ok:
		return false
	case next < 0: // what was before the first is not known to be missing
		h.next[symbol] = id + 1
	case id >= next:
		if id > next {
			h.add(hole{symbol, next, id - 1})
		}
		h.next[symbol] = id + 1
	default:
		h.fill(symbol, id)
	}
	return true
}

func (h *holeSearch) add(found hole) {
	if h.count >= h.limit {
		h.beyond++
		h.missed += found.size()
		return
	}
	h.count++
	h.open[found.symbol] = append(h.open[found.symbol], found)
}

// fill takes id out of the hole that it is in. Holes of a symbol are in the
// order of their ids.
func (h *holeSearch) fill(symbol string, id int64) {
	list := h.open[symbol]
	i, found := slices.BinarySearchFunc(list, id, func(each hole, id int64) int {
		switch {
		case each.last < id:
			return -1
		case each.first > id:
			return 1
		}
		return 0
	})
	if !found {
		return
	}
	whole := list[i]
	var left []hole
	if whole.first < id {
		left = append(left, hole{symbol, whole.first, id - 1})
	}
	if rest := (hole{symbol, id + 1, whole.last}); id < whole.last {
		if len(left) > 0 && h.count >= h.limit { // it would become two
			h.beyond++
			h.missed += rest.size()
		} else {
			left = append(left, rest)
		}
	}
	h.open[symbol] = slices.Replace(list, i, i+1, left...)
	h.count += len(left) - 1
}

// list is what is missing, by symbol and id.
func (h *holeSearch) list() (all []hole) {
	for _, list := range h.open {
		all = append(all, list...)
	}
	slices.SortFunc(all, func(a, b hole) int {
		if a.symbol != b.symbol {
			return strings.Compare(a.symbol, b.symbol)
		}
		return int(max(-1, min(1, a.first-b.first)))
	})
	return all
}
