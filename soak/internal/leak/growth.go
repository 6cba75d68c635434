package leak

import (
	"math"
	"slices"
	"time"

	"gonum.org/v1/gonum/stat"

	"steadfeed/soak"
)

const (
	// edge is how many samples at either end make a median: enough to ride out
	// a garbage collection, few enough to be the end and not the middle.
	edge = 10

	// minScore is the fewest samples that give a score other than zero.
	minScore = 10

	// fullRate is the growth in bytes an hour that counts as a certain leak in
	// the score: 50 MB.
	fullRate = 50e6
)

// Growth is how the resident memory of a process went after its warm-up.
// Bytes are bytes; a megabyte anywhere in this project is 1,000,000 of them.
type Growth struct {
	Samples   int           // that were used
	Over      time.Duration // from the first of them to the last
	First     float64       // median of the first samples
	Last      float64       // median of the last ones
	PerHour   float64       // slope of the line of least squares
	Certainty float64       // R² of that line, 0 to 1
}

// Bytes is how much memory grew: the last samples less the first.
func (g Growth) Bytes() float64 { return g.Last - g.First }

// Score is memory_leak_detection_score, 0 to 1: how much of 50 MB an hour the
// growth is, times R²; 0 with fewer than ten samples or when memory falls.
func (g Growth) Score() float64 {
	if g.Samples < minScore || g.PerHour <= 0 {
		return 0
	}
	return min(g.PerHour/fullRate, 1) * g.Certainty
}

// Measure is the growth over the samples that were taken after the warm-up
// phase, not before an instant, and in which the process could be read.
func Measure(samples []soak.Sample, from time.Time) Growth {
	var hours, bytes []float64
	var first, last time.Time
	for _, s := range samples {
		if s.Phase == soak.PhaseWarmUp || s.At.Before(from) || s.RSSBytes == 0 {
			continue
		}
		if first.IsZero() {
			first = s.At
		}
		last = s.At
		hours = append(hours, s.At.Sub(first).Hours())
		bytes = append(bytes, float64(s.RSSBytes))
	}
	g := Growth{Samples: len(bytes), Over: last.Sub(first)}
	if g.Samples == 0 {
		return g
	}
	ends := max(min(edge, g.Samples/2), 1)
	g.First, g.Last = median(bytes[:ends]), median(bytes[g.Samples-ends:])
	if g.Over > 0 {
		var intercept float64
		intercept, g.PerHour = stat.LinearRegression(hours, bytes, nil, false)
		g.Certainty = stat.RSquared(hours, bytes, nil, intercept, g.PerHour)
	}
	if math.IsNaN(g.Certainty) { // memory that never changed at all
		g.Certainty = 0
	}
	return g
}

// Peak is the highest resident memory, in bytes, of the samples that Measure
// takes; 0 when there are none.
func Peak(samples []soak.Sample, from time.Time) float64 {
	var top int64
	for _, s := range samples {
		if s.Phase != soak.PhaseWarmUp && !s.At.Before(from) {
			top = max(top, s.RSSBytes)
		}
	}
	return float64(top)
}

func median(values []float64) float64 {
	sorted := slices.Sorted(slices.Values(values))
	middle := len(sorted) / 2
	if len(sorted)%2 == 1 {
		return sorted[middle]
	}
	return (sorted[middle-1] + sorted[middle]) / 2
}
