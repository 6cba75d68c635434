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

	// Collected: with GOGC=100 the heap grows to twice what is retained.
	Collected = 2

	longRun     = 12 * time.Hour // from which on a block is a quarter of an hour
	longBlock   = 15 * time.Minute
	shortBlocks = 90 // of a shorter run
	fewest      = 12 // blocks that a fit takes

	variedRate = 0.10 // the message rate varies when its deviation is a larger share of its mean
	projected  = 1.5  // a horizon of more than so many runs is a projection

	slower        = 0.75 // a second half that grows at less than this share of the first is settling,
	settledErrors = 2    // when they are so many joint errors apart
	unlikeErrors  = 3    // halves so many joint errors apart are no steady state
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
}

// Projection is growth carried on to the horizon. The zero value stands for a
// figure that the subject does not expose.
type Projection struct {
	Fit
	Bytes, Low, High float64
	Halves           [2]float64 // slopes of the halves by themselves, bytes an hour
	Settling         bool       // the second half grows more slowly than the first
	SecondHalf       bool       // the halves differ, so the second speaks
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
	run := old[len(old)-1].at.Sub(q.Samples[0].At) // warm-up and all
	t.Block = longBlock
	if run < longRun-longBlock {
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
	ahead := q.Horizon.Hours() > projected*run.Hours()
	t.RSS = project(blocks, fitting{figure: rss, varied: t.Varied, wander: wander}, q.Horizon, ahead)
	if exposed(blocks) {
		t.Live = project(blocks, fitting{figure: liveTwice, varied: t.Varied, wander: wanderLive}, q.Horizon, ahead)
	}
	t.decide(q, ahead)
	return t
}

// decide is steps 8 to 10 of the rule; ahead says that the horizon is longer
// than what was measured.
func (t *Trend) decide(q Question, ahead bool) {
	p, l := t.RSS, t.Live
	// sure: looking ahead, nothing is a failure unless both halves say so by
	// themselves and growth does not slow down, of memory or of the live heap:
	// one that settles has not shown yet where it will end.
	settling := p.Settling || l.Settling
	sure := func(p Projection) bool {
		return !ahead || !settling && min(p.Halves[0], p.Halves[1])*q.Horizon.Hours() > q.Limit
	}
	switch {
	case t.Seen > q.Limit && sure(p):
		t.Outcome, t.Reason = soak.Fail, fmt.Sprintf("grew by %.1f MB", t.Seen/1e6)
		return
	case p.Low > q.Limit && sure(p):
		t.Outcome, t.Reason = soak.Fail, "the whole interval lies over the limit"
		return
	case l.Known() && l.Low > q.Limit && p.Bytes > q.Limit && sure(l):
		t.Outcome, t.Reason = soak.Fail, "the whole interval of the live heap lies over the limit"
		return
	}
	apart := math.Abs(p.Bytes - l.Bytes)
	agree := l.Known() && apart < math.Hypot(p.half(), l.half())
	narrow := p.High < q.Limit || l.Known() && l.High < q.Limit && agree && (!ahead || p.High < 2*q.Limit)
	if narrow && t.Seen < q.Limit && (!l.Known() || l.Bytes < q.Limit) && (ahead || t.Seen+t.Drift < q.Limit) {
		t.Outcome, t.Reason = soak.Pass, "the interval lies under the limit"
		return
	}
	switch {
	case l.Known() && !agree:
		t.Reason = fmt.Sprintf("memory and live heap disagree by %.2f MB/h: memory outside the heap", apart/1e6/q.Horizon.Hours())
	case settling:
		t.Reason = "still settling: the second half grows more slowly than the first"
	case len(p.Shifts) > 0:
		s := p.Shifts[len(p.Shifts)-1]
		t.Reason = fmt.Sprintf("jump of %+.1f MB at %s: repeat with more of what happened then", s.Bytes/1e6, s.At.UTC().Format(time.TimeOnly))
	default:
		t.Reason = fmt.Sprintf("interval %.0f to %.0f MB straddles the limit: run longer", p.Low/1e6, p.High/1e6)
	}
}

// project fits a figure of the blocks and both their halves (steps 3 to 7). The
// halves are those of what is left when traffic and jumps are out: a jump is
// counted once and is no reason to take them for unlike. What a longer horizon
// holds may be more than a run has: jumps may come again.
func project(blocks []block, how fitting, horizon time.Duration, ahead bool) Projection {
	c := how.clean(blocks)
	middle := len(blocks) / 2
	a := how.line(blocks[:middle], c.half(0, middle))
	b := how.line(blocks[middle:], c.half(middle, len(blocks)))
	apart, joint := a.PerHour-b.PerHour, math.Hypot(a.Error, b.Error)
	p := Projection{
		Fit:      how.line(blocks, c),
		Halves:   [2]float64{a.PerHour, b.PerHour},
		Settling: b.PerHour < slower*a.PerHour && apart > settledErrors*joint,
	}
	if p.SecondHalf = math.Abs(apart) > unlikeErrors*joint; p.SecondHalf {
		p.Fit, p.Shifts = b, c.shifts
	}
	if ahead {
		p.Half = math.Hypot(p.Half, p.jumpsEitherWay()/p.hours())
	}
	h := horizon.Hours()
	p.Bytes = p.PerHour*h + p.jumps()
	p.Low, p.High = p.Bytes-p.Half*h, p.Bytes+p.Half*h
	return p
}
