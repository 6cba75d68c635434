package leak

import (
	"math"
	"slices"
	"time"

	"gonum.org/v1/gonum/floats"
	"gonum.org/v1/gonum/stat"

	"steadfeed/soak"
)

const (
	// beside is how many readings before and behind an event are compared, over
	// hours: more of them would bring in how memory wanders by itself.
	beside = 60

	// leastCollections: where fewer collections lie between two events, events
	// are taken together until there are so many. The live heap is what the
	// last collection left, so readings between two of them are one reading.
	leastCollections = 2

	// leastLevels is how many levels give an interval. That of three is hundreds
	// of errors wide and convicts nobody, but there is one.
	leastLevels = 3

	// driftFor is the time in which the live heap of a healthy process may
	// drift by driftLive; in a part of it by the root of that part, as what
	// wanders does. In more, levels say more of the drift than of the events.
	driftFor = time.Hour
)

// EventGrowth is what an event leaves behind in resident memory, in bytes, with
// an interval that is missed on either side five times in a thousand: a
// collector that lets the heap double (GOGC=100) takes twice what is retained.
type EventGrowth struct {
	Bytes, Low, High float64
	Levels           int // of the live heap that were compared: between two events, or several that followed each other closely
}

// PerEvent is by how much the live heap rises with each of some events, in
// order of time (step 11 of the rule), with Student's t interval of it. Over is
// the time that the process has had to drift by itself. False when there are too
// few events or readings.
func PerEvent(samples []soak.Sample, events []time.Time, over time.Duration) (EventGrowth, bool) {
	between := stretches(samples, events)
	n := len(between)
	g := EventGrowth{Levels: n}
	if n < leastLevels {
		return g, false
	}
	half := 0.0
	if over > driftFor {
		g.Bytes, half = jumps(between)
	} else {
		g.Bytes, half = slope(between)
		drift := driftLive * math.Sqrt(over.Hours()/driftFor.Hours())
		half += drift / (stat.Mean(between[n-1].past, nil) - stat.Mean(between[0].past, nil))
	}
	g.Low, g.High = g.Bytes-half, g.Bytes+half
	return g, true
}

// jumps compares the readings before each event with those behind it. Half is
// that of the interval of the mean. Jumps of neighbours that share readings make
// up for each other, and the interval is then wider than it would have to be.
func jumps(between []stretch) (perEvent, half float64) {
	sizes, counts := make([]float64, len(between)-1), make([]float64, len(between)-1)
	for i := range sizes {
		before, behind := between[i], between[i+1]
		from, to := max(len(before.live)-beside, 0), min(len(behind.live), beside)
		sizes[i] = Collected * (median(behind.live[:to]) - median(before.live[from:]))
		counts[i] = stat.Mean(behind.past[:to], nil) - stat.Mean(before.past[from:], nil)
	}
	n, all := float64(len(sizes)), floats.Sum(counts)
	perEvent = floats.Sum(sizes) / all
	floats.AddScaled(sizes, -perEvent, counts)
	return perEvent, math.Sqrt(n/(n-1)*floats.Dot(sizes, sizes)) / all * quantile(n-1)
}

// slope is the line through the levels over the number of events before them.
// Half is that of its interval, widened where neighbouring levels are alike.
func slope(between []stretch) (perEvent, half float64) {
	n := len(between)
	past, levels := make([]float64, n), make([]float64, n)
	for i, s := range between {
		past[i], levels[i] = stat.Mean(s.past, nil), Collected*median(s.live)
	}
	level, perEvent := stat.LinearRegression(past, levels, nil, false)
	rest := slices.Clone(levels)
	floats.AddConst(-level, rest)
	floats.AddScaled(rest, -perEvent, past)
	widened := alike(rest)
	floats.AddConst(-stat.Mean(past, nil), past)
	err := math.Sqrt(widened*floats.Dot(rest, rest)/float64(n-2)) / floats.Norm(past, 2)
	return perEvent, err * quantile(max(float64(n)/widened-2, freedomMin))
}

// stretch is the readings of the live heap between two events, or of several
// such times together.
type stretch struct {
	live, past  []float64 // and how many events lie before each
	collections int       // that were seen
}

func stretches(samples []soak.Sample, events []time.Time) []stretch {
	var out []stretch
	var now stretch
	var last float64
	past := 0
	end := func() {
		if now.collections >= leastCollections {
			out, now = append(out, now), stretch{}
		}
	}
	for _, s := range samples {
		live := float64(s.HeapLiveBytes)
		if live == 0 {
			continue
		}
		before := past
		for past < len(events) && !events[past].After(s.At) {
			past++
		}
		if past > before {
			end()
		}
		if live != last {
			now.collections++
		}
		now.live, now.past, last = append(now.live, live), append(now.past, float64(past)), live
	}
	end()
	return out
}
