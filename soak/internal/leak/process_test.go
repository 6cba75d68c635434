package leak

import (
	"math"
	"math/rand/v2"
	"time"

	"steadfeed/soak"
)

// process is what memory is generated from. Rates are megabytes of resident
// memory an hour; resident memory is twice the live heap and what wanders.
type process struct {
	kind     string // linear, offheap, late, step, cache
	rate     float64
	length   time.Duration
	every    time.Duration
	age      time.Duration // of the process when the run begins
	plateaus int           // injections: 2 to 8 MB of live heap for 3 to 10 min
	from, to float64       // minutes in which they lie
	noise    float64       // factor; 0 means 1
}

// The generator's noise: the second of two settings that were tried against the
// tables. Its intervals are as wide as theirs for 1 h, and narrower for clean
// 24 h (3.6 MB of 5.7) and 12 h (3.6 of 6.2).
const (
	wanderMB     = 1.3 // of resident memory, beside the heap
	wanderFor    = 2 * time.Hour
	wanderLiveMB = 0.2 // of the live heap
	wanderLive   = time.Hour
	unlikeMB     = 0.3 // of the live heap from one collection to the next
	sawMB        = 5.0 // resident memory between collections, uniform
)

var born = time.Date(2026, 3, 1, 0, 0, 0, 0, time.UTC)

// samples generates a series.
func (p process) samples(r *rand.Rand) []soak.Sample {
	noise := max(p.noise, 1)
	climb, climbFor := 0.5+0.7*r.Float64(), 0.5+r.Float64() // MB/h and hours
	begins := p.length.Hours() * (0.3 + 0.3*r.Float64())    // of a late leak
	fill, fillFor := 4+8*r.Float64(), 1+3*r.Float64()       // MB and hours of a cache
	type jump struct{ at, ends, mb float64 }
	var jumps []jump
	if p.kind == "step" {
		for range 1 + r.IntN(2) {
			jumps = append(jumps, jump{p.length.Hours() * (0.1 + 0.8*r.Float64()), math.Inf(1), 2 + 4*r.Float64()})
		}
	}
	for i := range p.plateaus {
		slot := (p.to - p.from) / float64(p.plateaus)
		at := (p.from + slot*(float64(i)+0.6*r.Float64())) / 60
		jumps = append(jumps, jump{at, at + (3+7*r.Float64())/60, 2 + 6*r.Float64()})
	}
	ar := func(x, deviation float64, memory time.Duration) float64 {
		a := math.Exp(-float64(p.every) / float64(memory))
		return a*x + deviation*math.Sqrt(1-a*a)*r.NormFloat64()
	}
	x, y := wanderMB*noise*r.NormFloat64(), wanderLiveMB*noise*r.NormFloat64()
	var out []soak.Sample
	for at := time.Duration(0); at <= p.length; at += p.every {
		h, age := at.Hours(), (at + p.age).Hours()
		x, y = ar(x, wanderMB*noise, wanderFor), ar(y, wanderLiveMB*noise, wanderLive)
		live, outside := 8+y+unlikeMB*noise*r.NormFloat64(), 14+x+noise*sawMB*r.Float64()+climb*climbFor*(1-math.Exp(-age/climbFor))
		switch p.kind {
		case "linear":
			live += p.rate * h / collected
		case "offheap":
			outside += p.rate * h
		case "late":
			live += p.rate * max(h-begins, 0) / collected
		case "cache":
			live += fill * (1 - math.Exp(-age/fillFor)) / collected
		}
		for _, j := range jumps {
			if h >= j.at && h < j.ends {
				live += j.mb
			}
		}
		out = append(out, soak.Sample{
			At: born.Add(p.age + at), Phase: soak.PhaseCalm, Published: int64(1000 * at.Seconds()),
			RSSBytes: int64(1e6 * (outside + collected*live)), HeapLiveBytes: int64(1e6 * live),
		})
	}
	return out
}
