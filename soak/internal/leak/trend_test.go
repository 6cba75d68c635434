package leak

import (
	"math"
	"testing"
	"time"

	"steadfeed/soak"
)

// drawn is a day of a sample a minute of a process whose live heap is a
// function of the hours since its start, with a little noise; memory is twice
// that and what else is given.
func drawn(live, beside func(hour float64) float64) []soak.Sample {
	var out []soak.Sample
	for m := range 24*60 + 1 {
		hour := float64(m) / 60
		noise := 0.1 * float64(m%7) / 7
		mb := 8 + live(hour) + noise
		out = append(out, soak.Sample{
			At: born.Add(time.Duration(m) * time.Minute), Published: int64(m) * 6000,
			HeapLiveBytes: int64(1e6 * mb), RSSBytes: int64(1e6 * (14 + Collected*mb + beside(hour))),
		})
	}
	return out
}

func nothing(float64) float64 { return 0 }

func judgeDay(samples []soak.Sample, limit float64, horizon time.Duration) Trend {
	return Judge(Question{Samples: samples, Born: born, Limit: limit * 1e6, Horizon: horizon})
}

// Where the halves differ the second speaks, of a measured day and of a month.
func TestSecondHalfSpeaks(t *testing.T) {
	late := drawn(func(h float64) float64 { return 0.08 * max(h-12, 0) }, nothing)
	for _, horizon := range []time.Duration{day, 30 * day} {
		got := judgeDay(late, 1000, horizon)
		if !got.Live.SecondHalf || math.Abs(got.Live.PerHour-0.16e6) > 1e4 {
			t.Errorf("of %s: %+v", horizon, got.Live)
		}
	}
}

// The halves are those of what is left when jumps are out: one jump does not
// make them differ.
func TestAJumpIsInNeitherHalf(t *testing.T) {
	jump := drawn(func(h float64) float64 { return 0.1*h + 3*math.Floor(min(h/15, 1)) }, nothing)
	got := judgeDay(jump, 50, day).Live
	if len(got.Shifts) != 1 || got.SecondHalf || math.Abs(got.Halves[0]-0.2e6) > 1e4 || math.Abs(got.Halves[1]-0.2e6) > 1e4 {
		t.Errorf("%+v, want one shift, and 0.2 MB an hour in either half", got)
	}
}

// A jump is counted once, and may come again where the horizon is longer than
// the run.
func TestAJumpMayComeAgain(t *testing.T) {
	jump := drawn(func(h float64) float64 { return 3 * math.Floor(min(h/10, 1)) }, nothing)
	measured, ahead := judgeDay(jump, 50, day).Live, judgeDay(jump, 500, 30*day).Live
	if len(measured.Shifts) != 1 || math.Abs(measured.jumps()-6e6) > 2e5 || len(ahead.Shifts) != 1 {
		t.Fatalf("shifts %+v and %+v, want one of 6 MB", measured.Shifts, ahead.Shifts)
	}
	again := math.Sqrt(ahead.Half*ahead.Half - measured.Half*measured.Half)
	if want := 6e6 / 23.25; math.Abs(again-want) > 0.05*want { // in the hours that were judged
		t.Errorf("the interval is wider by %.0f bytes an hour, want %.0f", again, want)
	}
	if floor := driftLive / 23.25; measured.Half < floor {
		t.Errorf("the interval is narrower than what a healthy process drifts: %.0f of %.0f", measured.Half, floor)
	}
}

// Ahead, growth that slows down convicts nobody, in either figure, and neither
// does growth that was seen; in the time that was measured it does.
func TestWhatSettlesIsNotConvictedAhead(t *testing.T) {
	settling := func(h float64) float64 { return 0.08 * min(h, 12) }
	steady := func(h float64) float64 { return 0.05 * h }
	for _, c := range []struct {
		live, beside func(float64) float64
		limit        float64
		horizon      time.Duration
		want         soak.Outcome
	}{
		{steady, nothing, 20, 30 * day, soak.Fail},          // 72 MB in a month
		{steady, settling, 20, 30 * day, soak.Inconclusive}, // memory settles, the heap does not
		{nothing, settling, 20, 30 * day, soak.Inconclusive},
		{steady, settling, 1, 30 * day, soak.Inconclusive}, // more than the limit was seen
		{steady, settling, 1, day, soak.Fail},
	} {
		got := judgeDay(drawn(c.live, c.beside), c.limit, c.horizon)
		if got.Outcome != c.want {
			t.Errorf("limit %g MB in %s: %s, %s", c.limit, c.horizon, got.Outcome, got.Reason)
		}
	}
}
