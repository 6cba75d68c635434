// Package sequence decides, for the trade ids of one symbol, which trades are
// new, which are repeated and which are missing.
//
// Binance numbers the trades of a spot symbol one by one (no document promises
// it; every capture looked at shows it), so a jump in the ids is the only sign
// that something was missed, and an id seen before the only sign of a
// duplicate. The package holds that arithmetic and nothing else: no clock, no
// I/O, no trades. What to do about a gap is the pipeline's business.
//
// Do not use it for futures: their ids skip.
package sequence

import "fmt"

// MaxGaps bounds how many separate gaps a Tracker keeps. A gap comes from a
// lost session, one at a time; more than a handful means a wire that loses or
// shuffles trades at random, and then fetching the whole stretch anew is
// cheaper than remembering its holes.
const MaxGaps = 256

// Standing is what an id means to a Tracker.
type Standing uint8

const (
	// New is an id above all ids seen so far.
	New Standing = iota
	// Late is an id that was missing until now.
	Late
	// Duplicate is an id that was seen or given up before, or one below the
	// first id of all.
	Duplicate
	// Refused is an id that could not be recorded because it would open gap
	// number MaxGaps+1. It counts as missing and has to be fetched later.
	Refused
)

// String returns the standing in lower case.
func (s Standing) String() string {
	switch s {
	case New:
		return "new"
	case Late:
		return "late"
	case Duplicate:
		return "duplicate"
	case Refused:
		return "refused"
	default:
		return fmt.Sprintf("standing %d", uint8(s))
	}
}

// Gap is a range of missing ids, both ends included.
type Gap struct{ First, Last int64 }

// Len is the number of ids in the gap.
func (g Gap) Len() int64 { return g.Last - g.First + 1 }

// Tracker follows the ids of one symbol. The zero value is ready; the first id
// that it observes is where its account begins. It is not safe for concurrent
// use.
type Tracker struct {
	started bool
	next    int64 // one above the highest id observed
	missed  int64 // the highest id known to exist; from next to here nothing was taken
	gaps    []Gap // missing ids below next: ascending, disjoint, never adjacent
}

// Resume begins the account after last, the newest id that is known to be
// settled: what comes next is last+1, and anything beyond it opens a gap.
func (t *Tracker) Resume(last int64) {
	*t = Tracker{started: true, next: last + 1, missed: last}
}

// Observe records id and says what it is.
func (t *Tracker) Observe(id int64) Standing {
	if id == t.next && t.started {
		t.next++
		return New
	}
	return t.observeOutOfTurn(id)
}

func (t *Tracker) observeOutOfTurn(id int64) Standing {
	switch {
	case !t.started:
		t.started = true
		t.next = id + 1
		t.missed = id
		return New
	case id < t.next:
		return t.observeBehind(id)
	case len(t.gaps) >= MaxGaps:
		t.Miss(id)
		return Refused
	default:
		t.gaps = append(t.gaps, Gap{t.next, id - 1})
		t.next = id + 1
		return New
	}
}

// observeBehind looks id up among the gaps and narrows the one it falls in.
func (t *Tracker) observeBehind(id int64) Standing {
	i := t.search(id)
	if i == len(t.gaps) || id < t.gaps[i].First {
		return Duplicate
	}
	g := &t.gaps[i]
	switch {
	case g.First == id && g.Last == id:
		t.gaps = append(t.gaps[:i], t.gaps[i+1:]...)
	case g.First == id:
		g.First++
	case g.Last == id:
		g.Last--
	case len(t.gaps) >= MaxGaps:
		return Refused
	default:
		tail := Gap{id + 1, g.Last}
		g.Last = id - 1
		t.gaps = append(t.gaps, Gap{})
		copy(t.gaps[i+2:], t.gaps[i+1:])
		t.gaps[i+1] = tail
	}
	return Late
}

// search returns the index of the first gap that ends at id or above it.
func (t *Tracker) search(id int64) int {
	low, high := 0, len(t.gaps)
	for low < high {
		middle := (low + high) / 2
		if t.gaps[middle].Last < id {
			low = middle + 1
		} else {
			high = middle
		}
	}
	return low
}

// Miss records that id exists and was not taken, for want of room: it and all
// before it are missing until they are observed.
func (t *Tracker) Miss(id int64) {
	if t.started && id > t.missed {
		t.missed = id
	}
}

// Abandon gives up the missing ids of g: they count as settled from now on.
// It returns how many there were.
func (t *Tracker) Abandon(g Gap) int64 {
	if !t.started {
		return 0
	}
	var given int64
	kept := t.gaps[:0:0]
	for _, open := range t.gaps {
		first, last := max(open.First, g.First), min(open.Last, g.Last)
		if first > last {
			kept = append(kept, open)
			continue
		}
		given += last - first + 1
		if open.First < first {
			kept = append(kept, Gap{open.First, first - 1})
		}
		if last < open.Last {
			kept = append(kept, Gap{last + 1, open.Last})
		}
	}
	t.gaps = kept
	// Ids above the highest one observed can be given up only from there on:
	// what lies between is missing still and stays so.
	if g.Last >= t.next && g.First <= t.next {
		given += g.Last - t.next + 1
		t.next = g.Last + 1
		t.missed = max(t.missed, g.Last)
	}
	return given
}

// Started tells whether any id was observed.
func (t *Tracker) Started() bool { return t.started }

// Next is one above the highest id observed.
func (t *Tracker) Next() int64 { return t.next }

// Floor is the lowest id that is not settled: every id below it, from the
// first one observed, was seen or given up. Trades below it can go out in order.
func (t *Tracker) Floor() int64 {
	if len(t.gaps) > 0 {
		return t.gaps[0].First
	}
	return t.next
}

// Gap returns the lowest range of missing ids, if any is missing.
func (t *Tracker) Gap() (Gap, bool) {
	if len(t.gaps) > 0 {
		return t.gaps[0], true
	}
	if t.started && t.missed >= t.next {
		return Gap{t.next, t.missed}, true
	}
	return Gap{}, false
}

// Gaps returns all ranges of missing ids in ascending order.
func (t *Tracker) Gaps() []Gap {
	all := append([]Gap(nil), t.gaps...)
	if t.started && t.missed >= t.next {
		all = append(all, Gap{t.next, t.missed})
	}
	return all
}

// Missing is the number of missing ids.
func (t *Tracker) Missing() int64 {
	var sum int64
	for _, g := range t.gaps {
		sum += g.Len()
	}
	if t.started && t.missed >= t.next {
		sum += t.missed - t.next + 1
	}
	return sum
}
