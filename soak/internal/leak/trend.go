package leak

import (
	"fmt"
	"math"
	"time"

	"steadfeed/soak"
)

const (
	// Young is the age of a process before which its memory says nothing: a
	// clean one climbs 0.5 to 1.2 MB an hour for a while.
	Young = 30 * time.Minute

	// drift is what a healthy process wanders, in bytes: D of the rule. The
	// live heap, counted twice, wanders half as much.
	drift     = 3e6
	driftLive = 1.5e6

	// collected: with GOGC=100 the heap grows to twice what is retained.
	collected = 2

	longRun     = 12 * time.Hour // from which on a block is a quarter of an hour
	longBlock   = 15 * time.Minute
	shortBlocks = 90 // of a shorter run
	fewest      = 12 // blocks that a fit takes

	variedRate = 0.10 // the message rate varies when its deviation is a larger share of its mean
	projected  = 1.5  // a horizon of more than so many runs is a projection
)

// Question is what a trend is asked for. The samples are those of one life of
// a process, in order of time.
type Question struct {
	Samples []soak.Sample
	Born    time.Time     // of the process
	From    time.Time     // samples before it are left out as well
	Limit   float64       // bytes by which memory may grow
	Horizon time.Duration // in that time
}

// Trend is the answer, with what it takes to find it again. Bytes are those of
// resident memory; the live heap counts twice.
type Trend struct {
	Outcome soak.Outcome
	Reason  string

	Cut    time.Time // nothing before it was judged
	Over   time.Duration
	Block  time.Duration
	Blocks int
	Varied bool    // the message rate did, and what follows it was taken out
	Drift  float64 // D

	Seen      float64 // growth: median of the last eighth less that of the first
	RSS, Live Projection
	Settling  bool // the second half grows more slowly than the first
}

// Projection is growth carried on to the horizon. The zero value stands for a
// figure that the subject does not expose.
type Projection struct {
	Fit
	Bytes, Low, High float64
}

// Known says whether the subject exposes the figure.
func (p Projection) Known() bool { return p.Freedom > 0 }

func (p Projection) half() float64 { return (p.High - p.Low) / 2 }

// Judge applies the rule. In doubt it is inconclusive, with the reason.
func Judge(q Question) Trend {
	cut := q.Born.Add(Young)
	if q.From.After(cut) {
		cut = q.From
	}
	old, young := divide(q.Samples, cut)
	t := Trend{Outcome: soak.Inconclusive, Cut: cut, Drift: drift}
	if len(old) < 2*fewest {
		if g := seen(pick(young, rss)); g > q.Limit {
			t.Outcome, t.Seen, t.Reason = soak.Fail, g, fmt.Sprintf("grew by %.1f MB before it was %s old", g/1e6, Young)
			return t
		}
		t.Reason = fmt.Sprintf("process too young: %d samples after %s of its age", len(old), Young)
		return t
	}
	t.Over = old[len(old)-1].at.Sub(old[0].at)
	t.Block = longBlock
	if old[len(old)-1].at.Sub(q.Samples[0].At) < longRun-longBlock {
		t.Block = t.Over / shortBlocks
	}
	blocks := medians(old, t.Block)
	t.Blocks = len(blocks)
	if t.Blocks < fewest {
		t.Reason = fmt.Sprintf("%d blocks of %s, fewer than %d", t.Blocks, t.Block, fewest)
		return t
	}
	wander, wanderLive := drift, driftLive
	if t.Varied = varies(blocks); t.Varied {
		wander, wanderLive = 2*wander, 2*wanderLive
	}
	t.Drift = wander
	t.Seen = seen(pick(blocks, rss))
	var halves [2]Fit
	t.RSS, halves, t.Settling = project(blocks, rss, t.Varied, wander, q.Horizon)
	var halvesLive [2]Fit
	if exposed(blocks) {
		var settling bool
		t.Live, halvesLive, settling = project(blocks, liveTwice, t.Varied, wanderLive, q.Horizon)
		t.Settling = t.Settling || settling
	}
	t.decide(q, halves, halvesLive)
	return t
}

// decide is steps 8 to 10 of the rule.
func (t *Trend) decide(q Question, halves, halvesLive [2]Fit) {
	p, l := t.RSS, t.Live
	projection := q.Horizon.Hours() > projected*t.Over.Hours()
	over := func(halves [2]Fit) bool { // both halves by themselves
		h := q.Horizon.Hours()
		return halves[0].PerHour*h > q.Limit && halves[1].PerHour*h > q.Limit
	}
	sure := !projection || !t.Settling
	switch {
	case t.Seen > q.Limit:
		t.Outcome, t.Reason = soak.Fail, fmt.Sprintf("grew by %.1f MB", t.Seen/1e6)
		return
	case p.Low > q.Limit && sure && (!projection || over(halves)):
		t.Outcome, t.Reason = soak.Fail, "the whole interval lies over the limit"
		return
	case l.Known() && l.Low > q.Limit && p.Bytes > q.Limit && sure && (!projection || over(halvesLive)):
		t.Outcome, t.Reason = soak.Fail, "the whole interval of the live heap lies over the limit"
		return
	}
	apart := math.Abs(p.Bytes - l.Bytes)
	agree := l.Known() && apart < math.Hypot(p.half(), l.half())
	narrow := p.High < q.Limit || l.Known() && l.High < q.Limit && agree && (!projection || p.High < 2*q.Limit)
	if narrow && t.Seen < q.Limit && (!l.Known() || l.Bytes < q.Limit) && (projection || t.Seen+t.Drift < q.Limit) {
		t.Outcome, t.Reason = soak.Pass, "the interval lies under the limit"
		return
	}
	switch {
	case l.Known() && !agree:
		t.Reason = fmt.Sprintf("memory and live heap disagree by %.2f MB/h: memory outside the heap", apart/1e6/q.Horizon.Hours())
	case t.Settling:
		t.Reason = "still settling: the second half grows more slowly than the first"
	case len(p.Shifts) > 0:
		s := p.Shifts[len(p.Shifts)-1]
		t.Reason = fmt.Sprintf("jump of %+.1f MB at %s: repeat with more of what happened then", s.Bytes/1e6, s.At.UTC().Format(time.TimeOnly))
	default:
		t.Reason = fmt.Sprintf("interval %.0f to %.0f MB straddles the limit: run longer", p.Low/1e6, p.High/1e6)
	}
}

// project fits a figure of the blocks and both their halves (steps 3 to 7).
func project(blocks []block, figure func(block) float64, varied bool, wander float64, horizon time.Duration) (Projection, [2]Fit, bool) {
	whole := fit(blocks, figure, varied, wander)
	middle := len(blocks) / 2
	halves := [2]Fit{fit(blocks[:middle], figure, varied, wander), fit(blocks[middle:], figure, varied, wander)}
	a, b := halves[0], halves[1]
	joint := math.Hypot(a.Error, b.Error)
	chosen := whole
	if math.Abs(a.PerHour-b.PerHour) > 3*joint {
		chosen = b
		chosen.SecondHalf = true
	}
	settling := b.PerHour < 0.75*a.PerHour && a.PerHour-b.PerHour > 2*joint
	h := horizon.Hours()
	p := Projection{Fit: chosen, Bytes: chosen.PerHour*h + chosen.jumps()}
	p.Low, p.High = p.Bytes-chosen.Half*h, p.Bytes+chosen.Half*h
	return p, halves, settling
}
