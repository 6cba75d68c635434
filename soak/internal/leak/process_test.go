package leak

import (
	"math"
	"math/rand/v2"
	"time"

	"steadfeed/soak"
)

// process is what memory is generated from.
type process struct {
	kind     string        // of its leak: linear, offheap, burst, late; or cache, step: clean, and growing for a while
	rate     float64       // of the leak, megabytes of resident memory an hour
	length   time.Duration // of the run
	every    time.Duration // a sample
	age      time.Duration // of the process when the run begins
	live     bool          // traffic as people make it, in place of a steady one
	plateaus int           // injections: 2 to 8 MB of live heap for 3 to 10 min
	from, to float64       // minutes in which they lie
	noise    float64       // factor; 0 means 1
	pace     time.Duration // an event each; 0: none
	retains  float64       // KiB of live heap of each event
}

// The nature of a clean process. What wanders does so as an autoregressive
// process with a deviation and a memory, in MB and hours. The figures were found
// by hand and by random search, so that shares and widths come near to those of
// the rule's tables, which were made with another generator; most of them are
// larger than those of the streamer of this project.
const (
	heapMB, besideMB = 8, 14 // live heap, and what is not heap

	wanderLiveMB, wanderLiveFor = 0.2, 2.0  // of the live heap
	unlikeMB                    = 0.3       // of the live heap from one collection to the next
	wanderMB, wanderFor         = 1.3, 2.0  // of resident memory; three times the noise is not three times this
	restlessMB, restlessFor     = 0.45, 0.3 // the same, faster
	sawMB                       = 1.0       // resident memory between collections, uniform

	// heldShare of what wanders is pages that are not given back at once when
	// they are not needed any more, as those of the heap are not; releaseFor is
	// how long that takes, in hours.
	heldShare, releaseFor = 0.65, 4.0

	climbMB, climbFor = 3.5, 0.36 // of a young process; about 0.6 MB/h when it is an hour old

	jumpsADay, jumpMB = 0.27, 1 // of the live heap that are nobody's fault; exponential

	// Of live traffic and of leaks that wait for it: how far it follows the
	// day, how often it bursts, for how long and to how many times itself, and
	// the MB that memory follows by when traffic doubles.
	dayShare                         = 0.2
	burstGap, burstLeast, burstMost  = 0.8, 0.05, 0.5
	burstTimes, followMB, followHeap = 5.4, 1.0, 1.4
)

const day = 24 * time.Hour

var born = time.Date(2026, 3, 1, 0, 0, 0, 0, time.UTC)

// jump is a level of the live heap and of the memory beside it that holds for
// some hours.
type jump struct{ at, ends, heap, beside float64 }

// burst is a stretch of more traffic.
type burst struct{ at, ends, times float64 }

// history is what is drawn of a process before it begins.
type history struct {
	process
	r               *rand.Rand
	climb           float64
	begins          float64 // hours, of a late leak
	cache, cacheFor float64
	phase           float64 // of the day
	jumps           []jump
	bursts          []burst
	busy            float64 // hours of bursts
}

func (p process) draw(r *rand.Rand) history {
	between := func(a, b float64) float64 { return a + (b-a)*r.Float64() }
	hours := p.length.Hours()
	h := history{process: p, r: r, climb: climbMB * between(0.6, 1.4), begins: hours * between(0.3, 0.6), cache: between(6, 20), cacheFor: between(2.1, 3.1), phase: r.Float64()}
	if p.kind == "step" {
		h.jumps = append(h.jumps, jump{at: hours * between(0.1, 0.9), ends: math.Inf(1), heap: between(3, 6), beside: between(2, 6)})
	}
	for at := r.ExpFloat64() * 24 / jumpsADay; at < hours; at += r.ExpFloat64() * 24 / jumpsADay {
		h.jumps = append(h.jumps, jump{at: at, ends: math.Inf(1), heap: jumpMB * r.ExpFloat64()})
	}
	for i := range p.plateaus {
		slot := (p.to - p.from) / float64(p.plateaus)
		at := (p.from + slot*(float64(i)+between(0, 0.6))) / 60
		h.jumps = append(h.jumps, jump{at: at, ends: at + between(3, 10)/60, heap: between(2, 8)})
	}
	if !p.live && p.kind != "burst" {
		return h
	}
	for at := r.ExpFloat64() * burstGap; at < hours; at += r.ExpFloat64() * burstGap {
		if p.live && r.Float64() > h.day(at)/(1+dayShare) { // they come when traffic is high anyway
			continue
		}
		b := burst{at: at, ends: min(at+between(burstLeast, burstMost), hours), times: between(1, burstTimes)}
		h.bursts, h.busy, at = append(h.bursts, b), h.busy+b.ends-b.at, b.ends
	}
	return h
}

// day is traffic without bursts, 1 on the average.
func (h history) day(hour float64) float64 {
	if !h.live {
		return 1
	}
	return 1 + dayShare*math.Sin(2*math.Pi*(hour/24+h.phase))
}

// wander is a step of an autoregressive process after some hours.
func (h history) wander(x, deviation, memory float64) float64 {
	a := math.Exp(-h.every.Hours() / memory)
	return a*x + deviation*math.Sqrt(1-a*a)*h.r.NormFloat64()
}

// samples generates a series. Resident memory is what the heap needs when it
// may double, or still holds, and what is beside it.
func (p process) samples(r *rand.Rand) []soak.Sample {
	h := p.draw(r)
	noise := max(p.noise, 1)
	slow, fast, heap := wanderMB*r.NormFloat64(), noise*restlessMB*r.NormFloat64(), noise*wanderLiveMB*r.NormFloat64()
	keep := math.Exp(-p.every.Hours() / releaseFor)
	var out []soak.Sample
	var leaked, published, held float64
	for at := time.Duration(0); at <= p.length; at += p.every {
		hour, age := at.Hours(), (at + p.age).Hours()
		traffic := h.day(hour)
		for _, b := range h.bursts {
			if hour >= b.at && hour < b.ends {
				leaked += p.rate * p.length.Hours() / h.busy * p.every.Hours()
				if p.live {
					traffic *= b.times
				}
			}
		}
		published += 1000 * traffic * p.every.Seconds()
		slow, fast, heap = h.wander(slow, wanderMB, wanderFor), h.wander(fast, noise*restlessMB, restlessFor), h.wander(heap, noise*wanderLiveMB, wanderLiveFor)
		live := heapMB + heap + noise*unlikeMB*r.NormFloat64() + followHeap*(traffic-1)
		wander := slow + fast + noise*sawMB*r.Float64()
		beside := besideMB + (1-heldShare)*wander + h.climb*(1-math.Exp(-age/climbFor)) + followMB*(traffic-1)
		switch p.kind {
		case "linear":
			live += p.rate * hour / Collected
		case "offheap":
			beside += p.rate * hour
		case "burst":
			live += leaked / Collected
		case "late":
			live += p.rate * max(hour-h.begins, 0) / Collected
		case "cache":
			live += h.cache * (1 - math.Exp(-age/h.cacheFor)) / Collected
		}
		if p.pace > 0 {
			live += p.retains * 1024 / 1e6 * float64(at/p.pace)
		}
		for _, j := range h.jumps {
			if hour >= j.at && hour < j.ends {
				live += j.heap
				beside += j.beside
			}
		}
		need := Collected*live + heldShare*wander
		held = max(need, need+(held-need)*keep)
		out = append(out, soak.Sample{
			At: born.Add(p.age + at), Phase: soak.PhaseCalm, Published: int64(published),
			RSSBytes: int64(1e6 * (beside + held)), HeapLiveBytes: int64(1e6 * live),
		})
	}
	return out
}
