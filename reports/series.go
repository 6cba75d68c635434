package reports

import (
	"math"
	"strconv"
	"strings"
	"time"

	"steadfeed/soak"
)

// series is one line of a chart. It keeps the lowest and the highest value of
// each pixel column and not the samples, so that a run of any length costs the
// same memory and no spike is lost.
type series struct {
	name  string
	style int // 1 to 4: colour and line pattern
	// read gives the value of a sample; prev is the sample of the same subject
	// before it, nil at the start and after a gap. Without a value: false.
	read func(prev, now *soak.Sample) (float64, bool)

	columns []column
	broken  bool // the next value is not joined to the one before it

	// Figures over the whole run.
	n           int64
	sum         float64
	first, last float64
	settled     float64 // the first value after the warm-up
	hasSettled  bool
	low, high   float64
	highAt      time.Time
	// lowPositive is the lowest value above zero: where a logarithmic axis begins.
	lowPositive float64
}

// column is one pixel column of a series.
type column struct {
	n           int
	low, high   float64
	lowIsFirst  bool // in time
	brokenAhead bool // not joined to the column before
}

func newSeries(name string, style, columns int, read func(prev, now *soak.Sample) (float64, bool)) *series {
	return &series{name: name, style: style, read: read, columns: make([]column, columns), broken: true}
}

// add takes the value of one sample into the column at place (0 to 1).
func (s *series) add(prev, now *soak.Sample, place float64) {
	v, ok := s.read(prev, now)
	if !ok || math.IsNaN(v) || math.IsInf(v, 0) {
		s.broken = true
		return
	}
	if prev == nil {
		s.broken = true
	}
	s.figures(v, now)
	c := &s.columns[min(len(s.columns)-1, int(place*float64(len(s.columns))))]
	switch {
	case c.n == 0:
		*c = column{low: v, high: v, lowIsFirst: true, brokenAhead: s.broken}
	case v < c.low:
		c.low, c.lowIsFirst = v, false
	case v > c.high:
		c.high, c.lowIsFirst = v, true
	}
	c.n++
	s.broken = false
}

func (s *series) figures(v float64, now *soak.Sample) {
	if s.n == 0 {
		s.first, s.low, s.high, s.highAt = v, v, v, now.At
	}
	if v > s.high {
		s.high, s.highAt = v, now.At
	}
	if v > 0 && (s.lowPositive == 0 || v < s.lowPositive) {
		s.lowPositive = v
	}
	s.low = min(s.low, v)
	s.last = v
	s.sum += v
	s.n++
	if !s.hasSettled && now.Phase != "" && now.Phase != soak.PhaseWarmUp {
		s.settled, s.hasSettled = v, true
	}
}

func (s *series) mean() float64 { return s.sum / float64(s.n) }

// path draws the series into a plot of the given height as relative steps with
// one decimal: a third of the size of absolute ones. x is where the plot begins.
func (s *series) path(sc scale, x, top, height int) string {
	var b strings.Builder
	pen := struct{ x, y int }{} // in tenths of a pixel
	y := func(v float64) int { return top*10 + int(math.Round((1-sc.place(v))*float64(height)*10)) }
	alone := false // a point with no line to it or from it: shown as a dot
	dot := func() {
		if alone {
			b.WriteString("h.1")
		}
		alone = false
	}
	started := false
	for i, c := range s.columns {
		if c.n == 0 {
			continue
		}
		from, to := y(c.low), y(c.high)
		if !c.lowIsFirst {
			from, to = to, from
		}
		at := (x+i)*10 + 5
		if !started || c.brokenAhead {
			dot()
			b.WriteByte('M')
			tenths(&b, at, true)
			tenths(&b, from, false)
			alone = true
		} else {
			b.WriteByte('l')
			tenths(&b, at-pen.x, true)
			tenths(&b, from-pen.y, false)
			alone = false
		}
		if to != from {
			b.WriteByte('v')
			tenths(&b, to-from, true)
			alone = false
		}
		pen.x, pen.y, started = at, to, true
	}
	dot()
	return b.String()
}

// tenths writes n/10 in the fewest characters that SVG path syntax allows.
func tenths(b *strings.Builder, n int, first bool) {
	if n < 0 {
		b.WriteByte('-')
		n = -n
	} else if !first {
		b.WriteByte(' ')
	}
	whole, rest := n/10, n%10
	if whole > 0 || rest == 0 {
		b.WriteString(strconv.Itoa(whole))
	}
	if rest > 0 {
		b.WriteByte('.')
		b.WriteByte(byte('0' + rest))
	}
}

// merged is the lowest and highest value of a stretch of columns.
func merged(columns []column) (low, high float64, ok bool) {
	for _, c := range columns {
		if c.n == 0 {
			continue
		}
		if !ok {
			low, high, ok = c.low, c.high, true
			continue
		}
		low, high = min(low, c.low), max(high, c.high)
	}
	return low, high, ok
}
