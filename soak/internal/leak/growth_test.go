package leak

import (
	"math"
	"testing"
	"time"

	"steadfeed/soak"
)

// grow makes a sample a second of a process whose memory is a function of the
// seconds since its warm-up, which is a minute long and full of noise.
func grow(n int, bytes func(second int) float64) []soak.Sample {
	start := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	var samples []soak.Sample
	for i := range 60 {
		samples = append(samples, soak.Sample{At: start.Add(time.Duration(i) * time.Second), Phase: soak.PhaseWarmUp, RSSBytes: int64(1e6 * (i % 7))})
	}
	for i := range n {
		samples = append(samples, soak.Sample{At: start.Add(time.Duration(60+i) * time.Second), Phase: soak.PhaseCalm, RSSBytes: int64(bytes(i))})
	}
	return samples
}

func near(t *testing.T, what string, got, want float64) {
	t.Helper()
	if math.Abs(got-want) > 1e-6*max(1, math.Abs(want)) {
		t.Errorf("%s %g, want %g", what, got, want)
	}
}

func measure(samples []soak.Sample) Growth { return Measure(samples, time.Time{}) }

func TestSteadyGrowth(t *testing.T) {
	g := measure(grow(3600, func(s int) float64 { return 30e6 + 1000*float64(s) })) // 3.6 MB an hour
	near(t, "first", g.First, 30e6+4500)
	near(t, "last", g.Last, 30e6+3594500)
	near(t, "bytes", g.Bytes(), 3.59e6)
	near(t, "slope", g.PerHour, 3.6e6)
	near(t, "R²", g.Certainty, 1)
	near(t, "score", g.Score(), 3.6/50)
	if g.Samples != 3600 || g.Over != 3599*time.Second {
		t.Errorf("%+v", g)
	}
}

func TestScore(t *testing.T) {
	f := func(what string, want float64, samples []soak.Sample) {
		t.Helper()
		near(t, what, measure(samples).Score(), want)
	}
	f("of a fast leak", 1, grow(100, func(s int) float64 { return 1e6 * float64(s) }))
	f("of falling memory", 0, grow(100, func(s int) float64 { return 1e9 - 1e6*float64(s) }))
	f("of memory that never changes", 0, grow(100, func(int) float64 { return 30e6 }))
	f("of nine samples", 0, grow(9, func(s int) float64 { return 1e6 * float64(s) }))
	f("of no samples", 0, nil)
	noisy := measure(grow(100, func(s int) float64 { return 30e6 + 10e6*float64(s%2) + 1e4*float64(s) }))
	if score := noisy.Score(); score <= 0 || score > 0.2 {
		t.Errorf("score of noise %g", score)
	}
}

// One large reading at either end, as a garbage collection can leave, does not
// make growth.
func TestGrowthIgnoresOutliers(t *testing.T) {
	g := measure(grow(100, func(s int) float64 {
		if s == 0 || s == 99 {
			return 300e6
		}
		return 30e6
	}))
	near(t, "growth", g.Bytes(), 0)
}

func TestFewSamples(t *testing.T) {
	if g := measure(grow(1, func(int) float64 { return 30e6 })); g.Samples != 1 || g.Bytes() != 0 || g.PerHour != 0 {
		t.Errorf("%+v", g)
	}
	g := measure(append(grow(2, func(s int) float64 { return 1e6 * float64(s+1) }), soak.Sample{Phase: soak.PhaseCalm})) // one could not be read
	if g.Samples != 2 {
		t.Errorf("%+v", g)
	}
	near(t, "growth", g.Bytes(), 1e6)
}

// Samples before an instant are not judged, and those of the warm-up never.
func TestGrowthFromAnInstant(t *testing.T) {
	samples := grow(200, func(s int) float64 { return 30e6 + 1e6*float64(max(s-100, 0)) })
	near(t, "bytes", Measure(samples, samples[60+150].At).Bytes(), 40e6) // the medians of the first and the last ten
}
