package leak

import (
	"testing"
	"time"

	"steadfeed/soak"
)

func TestGoroutines(t *testing.T) {
	start := time.Date(2026, 3, 1, 0, 0, 0, 0, time.UTC)
	var samples []soak.Sample
	for i := range 100 {
		s := soak.Sample{At: start.Add(time.Duration(i) * time.Minute), Phase: soak.PhaseChaos, Goroutines: 40 + i}
		if i < 10 {
			s.Phase, s.Goroutines = soak.PhaseWarmUp, 1000 // nobody's business
		}
		if i == 50 {
			s.Goroutines = 0 // /metrics did not answer
		}
		samples = append(samples, s)
	}
	if first, last, n := Goroutines(samples, time.Time{}); first != 54.5 || last != 134.5 || n != 89 {
		t.Errorf("%v, %v of %d", first, last, n)
	}
	if first, _, n := Goroutines(samples, start.Add(90*time.Minute)); first != 132 || n != 10 {
		t.Errorf("from minute 90: %v of %d", first, n)
	}
	if _, _, n := Goroutines(nil, time.Time{}); n != 0 {
		t.Errorf("of no samples: %d", n)
	}
}
