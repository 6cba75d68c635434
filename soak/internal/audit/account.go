package audit

import "math"

// standing is where a record's id puts it among those of its symbol.
type standing int

const (
	inOrder   standing = iota // the next one, or beyond a new hole
	late                      // fills a hole: behind a higher id
	duplicate                 // already seen
)

// account is what is known of one symbol. Ids in [start, next) have been seen
// or are in missing.
type account struct {
	symbol string

	owed        bool  // whether anything is published yet
	first, last int64 // the range that the exchange published

	started     bool // whether a record came
	start, next int64
	missing     gaps
	partition   int32 // of the first record

	delivered, lost, duplicate, disordered, altered int64

	// frontierID and frontierDue remember when the trade was due that the
	// account waits for, so that the source is asked once.
	frontierID, frontierDue int64

	kept   [guarantees]int // findings kept, by guarantee
	newest [guarantees]int // index of the last one kept, plus one
}

// place decides the standing of a trade that was published, and moves the
// account on.
func (c *account) place(id, now int64) standing {
	if !c.started {
		// A record below the first id owed is a trade that the subject fetched
		// over REST: its topic begins there.
		c.started, c.start = true, id
		if c.owed {
			c.start = min(id, c.first)
		}
		c.next = c.start
	}
	switch {
	case id >= c.next:
		if id > c.next {
			c.missing = append(c.missing, gap{c.next, id - 1, now})
		}
		c.next = id + 1
		return inOrder
	case id < c.start:
		if id+1 < c.start {
			c.missing = append(gaps{{id + 1, c.start - 1, now}}, c.missing...)
		}
		c.start = id
		return late
	case c.missing.fill(id):
		return late
	default:
		return duplicate
	}
}

// begins is the first id that must be in the topic.
func (c *account) begins() int64 {
	if c.started {
		return c.start
	}
	return c.first
}

// frontier is the next id beyond all that were seen.
func (c *account) frontier() int64 {
	if c.started {
		return c.next
	}
	return c.first
}

// ends is the last id that must be in the topic.
func (c *account) ends() int64 {
	switch {
	case !c.started:
		return c.last
	case !c.owed: // all that there is came over REST
		return c.next - 1
	}
	return max(c.last, c.next-1)
}

func (c *account) published() int64 {
	if !c.owed && !c.started {
		return 0
	}
	return max(c.ends()-c.begins()+1, 0)
}

func (c *account) behind() int64 { return c.published() - c.delivered }

// never is when a trade is due that is not published.
const never = math.MaxInt64
