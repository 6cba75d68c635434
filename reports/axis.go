package reports

import (
	"math"
	"time"
)

// tick is one labelled place on an axis.
type tick struct {
	at    float64
	label string
}

// unit is what the values of a chart are measured in.
type unit struct {
	name   string  // as written at the axis, such as "MB"
	factor float64 // from a value of a sample to that unit
	format func(v float64) string
}

var (
	inMegabytes = unit{"MB", 1 / megabyte, megabytes}
	inTrades    = unit{"trades/s", 1, func(v float64) string { return number(v) + "/s" }}
	inPieces    = unit{"", 1, number}
	inSeconds   = unit{"s", 1, seconds}
	inPercent   = unit{"%", 100, func(v float64) string { return number(math.Round(v*1000)/10) + " %" }}
)

// scale maps the values of a chart to its height. Place is 0 at the bottom of
// the plot and 1 at its top.
type scale struct {
	low, high float64
	log       bool
	ticks     []tick
}

func (s scale) place(v float64) float64 {
	low, high := s.low, s.high
	if s.log {
		if v < low {
			return 0 // a logarithm has no zero: what is below the axis lies on it
		}
		low, high, v = math.Log10(low), math.Log10(high), math.Log10(v)
	}
	return min(1, max(0, (v-low)/(high-low)))
}

// linear is a scale from zero, so that a small wobble never looks like a leak,
// to the first tick above high.
func linear(high float64, u unit, lines int) scale {
	if high = high * u.factor; !(high > 1e-12) || high > 1e300 {
		high = 1 // nothing but noughts, or a damaged figure
	}
	step := niceStep(high / float64(lines))
	if u.name == "" && step < 1 {
		step = 1 // pieces are whole
	}
	n := int(math.Ceil(high/step - 1e-9))
	s := scale{high: float64(n) * step / u.factor}
	for i := range n + 1 {
		v := float64(i) * step
		s.ticks = append(s.ticks, tick{v / u.factor, number(v)})
	}
	return s
}

// niceStep rounds up to 1, 2 or 5 times a power of ten.
func niceStep(raw float64) float64 {
	power := math.Pow(10, math.Floor(math.Log10(raw)))
	for _, m := range []float64{1, 2, 5} {
		if raw <= m*power*(1+1e-9) {
			return m * power
		}
	}
	return 10 * power
}

// logarithmic is a scale in whole decades around the positive values. At most
// nine decades, so that its labels always have room.
func logarithmic(low, high float64, u unit) scale {
	if !(low > 0) || !(high > 0) || high > 1e300 {
		low, high = 1e-3, 1
	}
	first, last := math.Floor(math.Log10(low)+1e-9), math.Ceil(math.Log10(high)-1e-9)
	if last <= first {
		last = first + 1
	}
	first = max(first, last-9)
	s := scale{low: math.Pow(10, first), high: math.Pow(10, last), log: true}
	for power := first; power <= last; power++ {
		v := math.Pow(10, power)
		s.ticks = append(s.ticks, tick{v, u.format(v)})
	}
	return s
}

// span is the stretch of time that every chart of a page shows. Zero is the
// start of the first phase, from which elapsed times count.
type span struct {
	began, ended, zero time.Time
}

func (s span) place(t time.Time) float64 {
	whole := s.ended.Sub(s.began)
	if whole <= 0 {
		return 0
	}
	return min(1, max(0, float64(t.Sub(s.began))/float64(whole)))
}

func (s span) elapsed(t time.Time) string { return elapsed(t.Sub(s.zero)) }

// timeSteps are the distances that time ticks may have.
var timeSteps = []time.Duration{
	time.Second, 2 * time.Second, 5 * time.Second, 10 * time.Second, 15 * time.Second, 30 * time.Second,
	time.Minute, 2 * time.Minute, 5 * time.Minute, 10 * time.Minute, 15 * time.Minute, 30 * time.Minute,
	time.Hour, 2 * time.Hour, 3 * time.Hour, 6 * time.Hour, 12 * time.Hour,
	24 * time.Hour, 48 * time.Hour, 5 * 24 * time.Hour, 10 * 24 * time.Hour, 30 * 24 * time.Hour,
}

// timeTick is a place on the time axis: time since the start, and the clock.
type timeTick struct {
	place          float64
	elapsed, clock string
}

// ticks places at most n ticks at round elapsed times.
func (s span) ticks(n int) []timeTick {
	whole := s.ended.Sub(s.began)
	if whole <= 0 {
		return []timeTick{{0, s.elapsed(s.began), clock(s.began)}}
	}
	step := timeSteps[len(timeSteps)-1]
	for _, step = range timeSteps {
		if int(whole/step) < n {
			break
		}
	}
	for int(whole/step) >= n {
		step *= 2 // years: beyond what a run is, but a damaged file may say so
	}
	var ticks []timeTick
	first := s.began.Sub(s.zero).Truncate(step)
	if s.zero.Add(first).Before(s.began) {
		first += step
	}
	for at := first; !s.zero.Add(at).After(s.ended) && len(ticks) <= n; at += step {
		t := s.zero.Add(at)
		label := clock(t)
		if step >= 24*time.Hour {
			label = t.UTC().Format("2 Jan 15:04")
		} else if step >= time.Minute {
			label = t.UTC().Format("15:04")
			if t.Second() != 0 {
				label = clock(t)
			}
		}
		ticks = append(ticks, timeTick{s.place(t), roundElapsed(at, step), label})
	}
	return ticks
}

// roundElapsed is an elapsed time at a tick, no longer than its step needs.
func roundElapsed(d, step time.Duration) string {
	switch {
	case step < time.Hour:
		return elapsed(d)
	case step < 24*time.Hour && d.Abs() < 10*24*time.Hour:
		return elapsedSign(d) + count(int64(d.Abs()/time.Hour)) + " h"
	}
	days, hours := int64(d.Abs()/(24*time.Hour)), int64(d.Abs()/time.Hour)%24
	if hours == 0 {
		return elapsedSign(d) + count(days) + " d"
	}
	return elapsedSign(d) + count(days) + " d " + count(hours) + " h"
}

func elapsedSign(d time.Duration) string {
	if d < 0 {
		return "\u2212"
	}
	return "+"
}
