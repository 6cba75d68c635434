package leak

import (
	"time"

	"steadfeed/soak"
)

// Goroutines are the medians of the first and the last counts of a process's
// goroutines, of the n samples that were taken after the warm-up phase, not
// before an instant, and that have one.
func Goroutines(samples []soak.Sample, from time.Time) (first, last float64, n int) {
	var counts []float64
	for _, s := range samples {
		if s.Phase != soak.PhaseWarmUp && !s.At.Before(from) && s.Goroutines > 0 {
			counts = append(counts, float64(s.Goroutines))
		}
	}
	if len(counts) == 0 {
		return 0, 0, 0
	}
	ends := max(min(edge, len(counts)/2), 1)
	return median(counts[:ends]), median(counts[len(counts)-ends:]), len(counts)
}
