package leak

import (
	"math"
	"slices"
	"time"

	"gonum.org/v1/gonum/floats"
	"gonum.org/v1/gonum/stat"
	"gonum.org/v1/gonum/stat/distuv"
)

const (
	shiftsMax   = 3     // level shifts that a series may have
	shiftBytes  = 1e6   // the smallest that counts
	shiftGain   = 6     // n ln(SSE0/SSE1) must exceed so many ln n
	oneSide     = 0.995 // of Student's t
	lagMax      = 0.97  // cap of the correlation of neighbours
	freedomMin  = 1.0   // neighbours that are all alike leave less; then nothing is certain
	shiftMargin = 2     // blocks at either end in which no shift is looked for
	tiny        = 1e-9  // a square that is nothing but rounding
)

// Shift is a level that changed at once.
type Shift struct {
	At    time.Time
	Bytes float64
}

// Fit is a straight line through blocks, level shifts taken out.
type Fit struct {
	PerHour   float64   // Theil-Sen slope, bytes
	Error     float64   // of it, one standard error
	Half      float64   // of the interval about it, at 99.5 % on either side: the error, the drift and, ahead, the jumps that may come again, as independent errors add
	Freedom   float64   // effective degrees of freedom
	From, To  time.Time // the first and the last block
	Level     float64   // of the line at From, bytes
	Shifts    []Shift
	Staircase bool // three upward shifts: growth, and left in
}

func (f Fit) hours() float64 { return f.To.Sub(f.From).Hours() }

// jumpsEitherWay is the sum of the sizes of the jumps.
func (f Fit) jumpsEitherWay() float64 {
	var sum float64
	for _, s := range f.Shifts {
		sum += math.Abs(s.Bytes)
	}
	return sum
}

func (f Fit) jumps() float64 {
	var sum float64
	for _, s := range f.Shifts {
		sum += s.Bytes
	}
	return sum
}

// fitting is how blocks are fitted.
type fitting struct {
	figure func(block) float64
	varied bool    // take out what follows the message rate
	wander float64 // bytes that a healthy process drifts
}

// cleaned is a figure of blocks without what follows the message rate and
// without level shifts, which are counted once.
type cleaned struct {
	hours, bytes []float64
	steps        [][]float64 // that were taken out, one where a level holds
	shifts       []Shift
	staircase    bool
}

func (how fitting) clean(blocks []block) cleaned {
	c := cleaned{hours: make([]float64, len(blocks)), bytes: pick(blocks, how.figure)}
	for i, b := range blocks {
		c.hours[i] = b.at.Sub(blocks[0].at).Hours()
	}
	known := [][]float64{ones(len(blocks)), c.hours}
	if how.varied {
		rate := pick(blocks, func(b block) float64 { return b.rate })
		k := coefficient(rate, c.bytes, known)
		mean := stat.Mean(rate, nil)
		for i := range c.bytes {
			c.bytes[i] -= k * (rate[i] - mean)
		}
	}
	steps := shifts(known, c.bytes)
	up := 0
	sizes := make([]float64, len(steps))
	for i, s := range steps {
		others := slices.Concat(known, slices.Delete(slices.Clone(steps), i, i+1))
		if sizes[i] = coefficient(s, c.bytes, others); sizes[i] > 0 {
			up++
		}
	}
	if c.staircase = up == shiftsMax; c.staircase {
		return c
	}
	c.steps = steps
	for i, s := range steps {
		floats.AddScaled(c.bytes, -sizes[i], s)
		c.shifts = append(c.shifts, Shift{At: blocks[slices.Index(s, 1)].at, Bytes: sizes[i]})
	}
	return c
}

// half is the one before an index or the one from it on. Its shifts are out
// already, so a line through it costs no more than the line.
func (c cleaned) half(from, to int) cleaned {
	return cleaned{hours: c.hours[from:to], bytes: c.bytes[from:to]}
}

// line is the straight line through what was left of the blocks.
func (how fitting) line(blocks []block, c cleaned) Fit {
	n := len(blocks)
	f := Fit{From: blocks[0].at, To: blocks[n-1].at, Shifts: c.shifts, Staircase: c.staircase}
	f.PerHour = theilSen(c.hours, c.bytes)
	rest := make([]float64, n)
	for i := range rest {
		rest[i] = c.bytes[i] - f.PerHour*(c.hours[i]-c.hours[0])
	}
	f.Level = stat.Mean(rest, nil)
	floats.AddConst(-f.Level, rest)
	widened := alike(rest)
	f.Freedom = max(float64(n)/widened-2-float64(len(c.steps)), freedomMin)
	sigma := math.Sqrt(floats.Dot(rest, rest) / float64(n-2))
	left := orthogonal(c.hours, slices.Concat([][]float64{ones(n)}, c.steps)) // what jumps leave of time
	f.Error = sigma * math.Sqrt(widened) / floats.Norm(left, 2)
	f.Half = math.Hypot(quantile(f.Freedom)*f.Error, how.wander/f.hours())
	return f
}

// quantile is that of Student's t on one side of the intervals.
func quantile(freedom float64) float64 {
	return distuv.StudentsT{Mu: 0, Sigma: 1, Nu: freedom}.Quantile(oneSide)
}

func ones(n int) []float64 {
	out := make([]float64, n)
	floats.AddConst(1, out)
	return out
}

// shifts finds level shifts, the one that explains most first.
func shifts(known [][]float64, y []float64) [][]float64 {
	n := len(y)
	basis := straighten(known)
	rest := without(y, basis)
	var found [][]float64
	for len(found) < shiftsMax {
		// A step from k on is ones behind k, so its products with anything
		// are sums of a tail.
		tails := make([]float64, len(basis))
		var tail, gain float64
		best := -1
		for k := n - 1; k >= shiftMargin; k-- {
			tail += rest[k]
			own := float64(n - k)
			for i, q := range basis {
				tails[i] += q[k]
				own -= tails[i] * tails[i]
			}
			if k > n-shiftMargin || own < tiny {
				continue
			}
			if g := tail * tail / own; g > gain && math.Abs(tail/own) >= shiftBytes {
				best, gain = k, g
			}
		}
		before := floats.Dot(rest, rest)
		if best < 0 || float64(n)*math.Log(before/max(before-gain, 1)) <= shiftGain*math.Log(float64(n)) {
			return found
		}
		step := make([]float64, n)
		floats.AddConst(1, step[best:])
		found = append(found, step)
		basis = straighten(append(slices.Clone(known), found...))
		rest = without(y, basis)
	}
	return found
}

// straighten makes a basis orthonormal, and leaves out what others say already.
func straighten(basis [][]float64) [][]float64 {
	var out [][]float64
	for _, v := range basis {
		q := without(v, out)
		if size := floats.Norm(q, 2); size*size > tiny {
			floats.Scale(1/size, q)
			out = append(out, q)
		}
	}
	return out
}

// without is what an orthonormal basis does not explain of v.
func without(v []float64, basis [][]float64) []float64 {
	out := slices.Clone(v)
	for _, q := range basis {
		floats.AddScaled(out, -floats.Dot(out, q), q)
	}
	return out
}

// orthogonal is what any basis does not explain of v.
func orthogonal(v []float64, basis [][]float64) []float64 { return without(v, straighten(basis)) }

// coefficient is that of x in the least squares of y on x and others.
func coefficient(x, y []float64, others [][]float64) float64 {
	own := orthogonal(x, others)
	size := floats.Dot(own, own)
	if size < tiny {
		return 0
	}
	return floats.Dot(own, y) / size
}

// theilSen is the median of the slopes between all pairs.
func theilSen(x, y []float64) float64 {
	slopes := make([]float64, 0, len(x)*(len(x)-1)/2)
	for i := range x {
		for j := range i {
			slopes = append(slopes, (y[i]-y[j])/(x[i]-x[j]))
		}
	}
	return median(slopes)
}

// alike is how many residuals count for one, since neighbours are alike.
func alike(rest []float64) float64 {
	r := neighbours(rest)
	return (1 + r) / (1 - r)
}

// neighbours is the correlation of each residual with the next, corrected for
// the bias that it has in short series, 0 to lagMax.
func neighbours(rest []float64) float64 {
	n := float64(len(rest))
	all := floats.Dot(rest, rest)
	if all == 0 {
		return 0
	}
	r := floats.Dot(rest[1:], rest[:len(rest)-1]) / all
	return min(max(r+(1+4*r)/n, 0), lagMax)
}
