package leak

import (
	"math"
	"math/rand/v2"
	"sort"
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

// The nature of a process, one for all the tables. What wanders does so as an
// autoregressive process with a deviation and a memory, in MB and hours. The
// figures were found by random search over the rule's tables, what is of a kind
// of leak or of traffic over the tables of that kind, their shares first and
// their widths as hints, and rounded; no row has one of its own. The tables were
// made with another generator, so these are what explains them and not what the
// streamer of this project does, whose memory is mostly calmer.
const (
	heapMB, besideMB = 8, 14 // live heap, and what is not heap

	wanderLiveMB, wanderLiveFor = 0.2, 1.1     // of the live heap
	hastyLiveMB, hastyLiveFor   = 0.068, 0.032 // of it, faster
	unlikeMB                    = 0.11         // of the live heap from one collection to the next
	wanderMB, wanderFor         = 0.69, 1.9    // of resident memory
	wanderNoise                 = 0.22         // of what three times the noise adds to the rest, this takes so much
	restlessMB, restlessFor     = 0.63, 0.88   // of resident memory, faster
	hastyMB, hastyFor           = 0.08, 0.073
	sawMB                       = 0.41 // resident memory between collections, uniform

	// heldShare of what wanders is pages that are not given back at once when
	// they are not needed any more, as those of the heap are not; releaseFor is
	// how long that takes, in hours.
	heldShare, releaseFor = 0.41, 2.3

	climbMB, climbFor = 2.7, 0.62 // of a young process; about 0.7 MB/h when it is an hour old

	// Levels that change and are nobody's fault: of the live heap and of what is
	// beside it, how many a day and how large on the average, exponential.
	jumpsADay, jumpMB             = 0.089, 1.8
	jumpsBesideADay, jumpBesideMB = 0.23, 2.6

	// An injection's plateau begins anywhere in the first slotShare of its slot.
	// Pages that it took are given back within pagesFor, in hours; but up to
	// stuckMost of them, uniform, are torn by what lives on in them, are no use to
	// the next plateau, and take stuckFor.
	slotShare           = 0.94
	pagesFor            = 0.65
	stuckMost, stuckFor = 0.36, 6.5

	// Of live traffic: how far it follows the day, how often it bursts, for how
	// long and to how many times itself at most; the MB that memory and live heap
	// follow by when it doubles, and how much more memory wanders with it.
	dayShare                          = 0.42
	liveGap, liveLeast, liveMost      = 0.83, 0.055, 0.87
	liveTimes                         = 2.8
	followMB, followHeap              = 3.1, 0.5
	wanderLiveTimes, restlessLiveTime = 4.1, 2.8

	// A leak in bursts grows, in steady traffic, in stretches of its own: how far
	// apart and how long, in hours. In live traffic it grows while that is busy.
	burstGap, burstLeast, burstMost = 0.65, 0.047, 0.43
	busyTimes                       = 1.4

	// A late one begins when so much of the run is over, as the rule says.
	lateLeast, lateMost = 0.3, 0.6

	// A cache has a size in MB of resident memory and fills with the process's
	// age, ever more slowly; from minutes to hours, as likely the one as the other.
	cacheLeast, cacheMost       = 4.8, 27
	cacheForLeast, cacheForMost = 0.89, 6.8

	// A step comes when so much of the run is over, of the live heap and a little
	// beside it.
	stepFrom, stepTo            = 0.19, 0.78
	stepHeapLeast, stepHeapMost = 2.1, 10
	stepBesideMost              = 2
)

const day = 24 * time.Hour

var born = time.Date(2026, 3, 1, 0, 0, 0, 0, time.UTC)

// jump is a level of the live heap and of the memory beside it that stays.
type jump struct{ at, heap, beside float64 }

// plateau is live heap that is needed for some minutes, and the share of its
// memory that is stuck then.
type plateau struct{ at, ends, heap, stuck float64 }

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
	plateaus        []plateau // in order of time
	bursts          []burst   // of traffic
	leaks           []burst   // stretches in which a leak in bursts grows
	leaking         float64   // hours of them
}

func (p process) draw(r *rand.Rand) history {
	between := func(a, b float64) float64 { return a + (b-a)*r.Float64() }
	hours := p.length.Hours()
	h := history{process: p, r: r, climb: climbMB * between(0.6, 1.4), begins: hours * between(lateLeast, lateMost), phase: r.Float64()}
	h.cache, h.cacheFor = between(cacheLeast, cacheMost), cacheForLeast*math.Pow(cacheForMost/cacheForLeast, r.Float64())
	level := func(at, heap, beside float64) {
		h.jumps = append(h.jumps, jump{at: at, heap: heap, beside: beside})
	}
	if p.kind == "step" {
		level(hours*between(stepFrom, stepTo), between(stepHeapLeast, stepHeapMost), between(0, stepBesideMost))
	}
	for at := r.ExpFloat64() * 24 / jumpsADay; at < hours; at += r.ExpFloat64() * 24 / jumpsADay {
		level(at, jumpMB*r.ExpFloat64(), 0)
	}
	for at := r.ExpFloat64() * 24 / jumpsBesideADay; at < hours; at += r.ExpFloat64() * 24 / jumpsBesideADay {
		level(at, 0, jumpBesideMB*r.ExpFloat64())
	}
	for i := range p.plateaus {
		slot := (p.to - p.from) / float64(p.plateaus)
		at := (p.from + slot*(float64(i)+between(0, slotShare))) / 60
		h.plateaus = append(h.plateaus, plateau{at: at, ends: at + between(3, 10)/60, heap: between(2, 8), stuck: between(0, stuckMost)})
	}
	if p.live {
		for _, b := range apart(r, hours, liveGap, liveLeast, liveMost) {
			b.times = between(1, liveTimes)
			if r.Float64() < h.day(b.at)/(1+dayShare) { // they come when traffic is high anyway
				h.bursts = append(h.bursts, b)
			}
		}
	}
	if p.kind != "burst" {
		return h
	}
	h.leaks = apart(r, hours, burstGap, burstLeast, burstMost)
	if p.live {
		h.leaks = h.busy(hours)
	}
	for _, b := range h.leaks {
		h.leaking += b.ends - b.at
	}
	return h
}

// apart draws stretches, each as long as one of two figures or anything between,
// and so far from the next on the average.
func apart(r *rand.Rand, hours, gap, least, most float64) []burst {
	var out []burst
	for at := r.ExpFloat64() * gap; at < hours; at += r.ExpFloat64() * gap {
		b := burst{at: at, ends: min(at+least+(most-least)*r.Float64(), hours)}
		out, at = append(out, b), b.ends
	}
	return out
}

// busy is when traffic is busyTimes its average, a sample a stretch.
func (h history) busy(hours float64) []burst {
	var out []burst
	for at := 0.0; at < hours; at += h.every.Hours() {
		if h.traffic(at) > busyTimes {
			out = append(out, burst{at: at, ends: at + h.every.Hours()})
		}
	}
	return out
}

// day is traffic without bursts, 1 on the average.
func (h history) day(hour float64) float64 {
	if !h.live {
		return 1
	}
	return 1 + dayShare*math.Sin(2*math.Pi*(hour/24+h.phase))
}

func (h history) traffic(hour float64) float64 {
	traffic := h.day(hour)
	if b := during(h.bursts, hour); b != nil {
		traffic *= b.times
	}
	return traffic
}

// during is the stretch that an hour is in; they are in order of time.
func during(stretches []burst, hour float64) *burst {
	i := sort.Search(len(stretches), func(i int) bool { return stretches[i].ends > hour })
	if i < len(stretches) && stretches[i].at <= hour {
		return &stretches[i]
	}
	return nil
}

// wander is a step of an autoregressive process after some hours.
type wander struct{ x, deviation, memory float64 }

func (h history) wander(deviation, memory float64) *wander {
	return &wander{x: deviation * h.r.NormFloat64(), deviation: deviation, memory: memory}
}

func (h history) step(w *wander) float64 {
	a := math.Exp(-h.every.Hours() / w.memory)
	w.x = a*w.x + w.deviation*math.Sqrt(1-a*a)*h.r.NormFloat64()
	return w.x
}

// injected is the live heap that plateaus take at an hour, and the memory, in
// MB. Pages that are free serve the next plateau, but for those that are stuck.
func (h history) injected(hour float64) (live, memory float64) {
	var free, stuck float64
	for _, p := range h.plateaus {
		pages, gone := Collected*p.heap, hour-p.ends
		switch {
		case hour < p.at:
		case gone < 0:
			live += p.heap
		default:
			free = max(free, pages*(1-p.stuck)*math.Exp(-gone/pagesFor))
			stuck += pages * p.stuck * math.Exp(-gone/stuckFor)
		}
	}
	return live, max(Collected*live, free) + stuck
}

// samples generates a series. Resident memory is what the heap needs when it
// may double, or still holds, and what is beside it.
func (p process) samples(r *rand.Rand) []soak.Sample {
	h := p.draw(r)
	noise := max(p.noise, 1)
	slowly, faster := 1+(noise-1)*wanderNoise, noise
	if p.live {
		slowly, faster = slowly*wanderLiveTimes, faster*restlessLiveTime
	}
	slow, fast, hasty := h.wander(slowly*wanderMB, wanderFor), h.wander(faster*restlessMB, restlessFor), h.wander(noise*hastyMB, hastyFor)
	heap, hastyHeap := h.wander(noise*wanderLiveMB, wanderLiveFor), h.wander(noise*hastyLiveMB, hastyLiveFor)
	keep := math.Exp(-p.every.Hours() / releaseFor)
	var out []soak.Sample
	var leaked, published, held float64
	for at := time.Duration(0); at <= p.length; at += p.every {
		hour, age := at.Hours(), (at + p.age).Hours()
		traffic := h.traffic(hour)
		published += 1000 * traffic * p.every.Seconds()
		if during(h.leaks, hour) != nil {
			leaked += p.rate * p.length.Hours() / h.leaking * p.every.Hours()
		}
		follow := math.Log2(traffic)
		live := heapMB + h.step(heap) + h.step(hastyHeap) + noise*unlikeMB*r.NormFloat64() + followHeap*follow
		wanders := h.step(slow) + h.step(fast) + h.step(hasty) + noise*sawMB*r.Float64()
		beside := besideMB + (1-heldShare)*wanders + h.climb*(1-math.Exp(-age/climbFor)) + followMB*follow
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
			if hour >= j.at {
				live += j.heap
				beside += j.beside
			}
		}
		need := Collected*live + heldShare*wanders
		held = max(need, need+(held-need)*keep)
		raised, pages := h.injected(hour)
		live += raised
		out = append(out, soak.Sample{
			At: born.Add(p.age + at), Phase: soak.PhaseCalm, Published: int64(published),
			RSSBytes: int64(1e6 * (beside + held + pages)), HeapLiveBytes: int64(1e6 * live),
		})
	}
	return out
}
