package judge

import (
	"math"
	"strings"
	"testing"
	"time"

	"steadfeed/soak"
)

// A day of a sample a minute is judged by its projection: flat passes, three
// megabytes an hour fails, a run with a gap says nothing.
func TestMemoryTrend(t *testing.T) {
	began := time.Date(2026, 3, 1, 0, 0, 0, 0, time.UTC)
	f := func(perHour float64, gap bool, want soak.Outcome, why string) {
		t.Helper()
		e, _ := judged(t, "good")
		e.Plan.Phases = []soak.Phase{{Name: soak.PhaseCalm, For: soak.Duration(24 * time.Hour)}}
		e.Plan.SampleEvery = soak.Duration(time.Minute)
		e.Samples = nil
		e.Ledger.Began, e.Ledger.Ended = began, began.Add(24*time.Hour)
		e.Interrupted, e.Trouble = false, ""
		for m := range 24*60 + 1 {
			if gap && m > 600 && m < 610 {
				continue
			}
			live := 8e6 + perHour/2*float64(m)/60 + 1e5*float64(m%3)
			e.Samples = append(e.Samples, soak.Sample{At: began.Add(time.Duration(m) * time.Minute), Phase: soak.PhaseCalm,
				RSSBytes: int64(14e6 + 2*live), HeapLiveBytes: int64(live), Published: int64(m) * 6000})
		}
		limit := 50.0
		c, _ := find("memory.trend")
		check := apply(&e, c, soak.Limit{ID: "memory.trend", Role: soak.Gate, Max: &limit})
		if check.Outcome != want || !strings.Contains(check.Why, why) {
			t.Errorf("%g MB/h: %s, %q; want %s, %q", perHour/1e6, check.Outcome, check.Why, want, why)
		}
		e.Plan.Limits = []soak.Limit{{ID: "memory.trend", Role: soak.Gate, Max: &limit}}
		fitting(t, Judge(e))
		if gap != (check.Trend == nil) {
			t.Errorf("%g MB/h: trend %+v", perHour/1e6, check.Trend)
		}
		if !gap {
			follows(t, check.Trend, e.Samples)
		}
		if !gap && (check.Low == nil || check.High == nil || *check.Low > *check.Observed || *check.High < *check.Observed) {
			t.Errorf("%g MB/h: no interval about the projection", perHour/1e6)
		}
	}
	f(0, false, soak.Pass, "degrees of freedom")
	f(3e6, false, soak.Fail, "live heap twice")
	f(0, true, soak.Inconclusive, "no sample for")
}

// follows is a test that the lines of a trend go through the samples, within
// the noise of a few hundred KB.
func follows(t *testing.T, trend *soak.Trend, samples []soak.Sample) {
	t.Helper()
	if trend == nil || len(trend.Lines) != 2 {
		t.Fatalf("trend %+v, want two lines", trend)
	}
	for _, s := range samples {
		for i, bytes := range []int64{s.RSSBytes, s.HeapLiveBytes} {
			at, half := trend.Lines[i].At(s.At)
			if off := math.Abs(at - float64(bytes)); off > 5e5 || half < 0 && s.At.After(trend.Lines[i].From) {
				t.Fatalf("%s at %s is %.0f KB off its line", trend.Lines[i].Figure, s.At, off/1e3)
			}
		}
	}
}
