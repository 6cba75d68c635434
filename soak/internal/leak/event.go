package leak

import (
	"math"
	"slices"
	"time"

	"gonum.org/v1/gonum/floats"
	"gonum.org/v1/gonum/stat"
	"gonum.org/v1/gonum/stat/distuv"

	"steadfeed/soak"
)

const (
	// beside is how many readings before and behind an event are compared: more
	// of them would bring in how memory wanders by itself.
	beside = 60

	// leastCollections: where fewer collections lie between two events, events
	// are taken together until there are so many. The live heap is what the
	// last collection left, so readings between two of them are one reading.
	leastCollections = 3

	// leastJumps is how many jumps give an interval. That of two is hundreds of
	// errors wide and convicts nobody, but there is one.
	leastJumps = 2

	// oneSideEvent: an event is found to leave something behind when less than
	// one clean process in a thousand would show as much.
	oneSideEvent = 0.999
)

// EventGrowth is what an event leaves behind in resident memory, in bytes, with
// an interval that is missed on either side once in a thousand times: a
// collector that lets the heap double (GOGC=100) takes twice what is retained.
type EventGrowth struct {
	Bytes, Low, High float64
	Jumps            int // that were compared; of one event each, or of several that followed each other closely
}

// PerEvent is the jump of the live heap at each of some events, in order of
// time: the median of the readings behind it less that of those before it, and
// the t-interval of such jumps (step 11 of the rule). Jumps of neighbours share
// readings, so they make up for one another and the interval is wider than it
// would have to be. False when there are too few events or readings.
func PerEvent(samples []soak.Sample, events []time.Time) (EventGrowth, bool) {
	var g EventGrowth
	between := stretches(samples, events)
	g.Jumps = len(between) - 1
	if g.Jumps < leastJumps {
		return g, false
	}
	jumps, counts := make([]float64, g.Jumps), make([]float64, g.Jumps)
	for i := range jumps {
		before, behind := between[i], between[i+1]
		from, to := max(len(before.live)-beside, 0), min(len(behind.live), beside)
		jumps[i] = Collected * (median(behind.live[:to]) - median(before.live[from:]))
		counts[i] = stat.Mean(behind.past[:to], nil) - stat.Mean(before.past[from:], nil)
	}
	n, all := float64(g.Jumps), floats.Sum(counts)
	g.Bytes = floats.Sum(jumps) / all
	rest := slices.Clone(jumps)
	floats.AddScaled(rest, -g.Bytes, counts)
	err := math.Sqrt(n/(n-1)*floats.Dot(rest, rest)) / all // of a mean, where each jump is of as many events
	half := err * distuv.StudentsT{Mu: 0, Sigma: 1, Nu: n - 1}.Quantile(oneSideEvent)
	g.Low, g.High = g.Bytes-half, g.Bytes+half
	return g, true
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
