package reports

import (
	"fmt"
	"math"
	"strings"

	"steadfeed/soak"
)

// charts are all charts of a page, by what they answer.
type charts struct {
	memory     *chart
	throughput *chart
	lag        *chart
	process    []*chart // small ones
}

func (c *charts) all() []*chart {
	return append([]*chart{c.memory, c.throughput, c.lag}, c.process...)
}

// newCharts reads the samples into the charts of the page.
func newCharts(e *evidence, s span, m marks) *charts {
	make := func(id, title string, z size, u unit) *chart {
		return &chart{id: id, title: title, size: z, unit: u, span: s, marks: m}
	}
	line := func(c *chart, name string, read func(prev, now *soak.Sample) (float64, bool)) *series {
		added := newSeries(name, len(c.lines)%4+1, c.size.plot(), read)
		c.lines = append(c.lines, added)
		return added
	}
	all := &charts{
		memory:     make("memory", "Memory of the subject over time", heroSize, inMegabytes),
		throughput: make("throughput", "Trades published and delivered per second", wideSize, inTrades),
		lag:        make("lag", "Lag: from published to visible in the topic", wideSize, inSeconds),
	}
	memory := func(s *soak.Sample) float64 { return float64(s.RSSBytes) }
	if e.isAudit() {
		all.memory.title = "Memory of the auditor over time"
		memory = func(s *soak.Sample) float64 { return float64(s.HarnessRSSBytes) }
	}
	line(all.memory, "RSS", above0(memory))
	line(all.memory, "live heap", above0(func(s *soak.Sample) float64 { return float64(s.HeapLiveBytes) }))
	all.memory.limit = e.memoryLimit()
	all.memory.trend = e.trend()

	line(all.throughput, "published", perSecond(func(s *soak.Sample) float64 { return float64(s.Published) }))
	line(all.throughput, "delivered", perSecond(func(s *soak.Sample) float64 { return float64(s.Delivered) }))

	all.lag.log = true
	line(all.lag, "largest", above0(func(s *soak.Sample) float64 { return s.LagMax }))
	line(all.lag, "median", above0(func(s *soak.Sample) float64 { return s.LagP50 }))
	all.lag.limit = e.limit("freshness", inSeconds, "freshness limit, p99 outside injections")

	small := func(id, title string, u unit, name string, read func(prev, now *soak.Sample) (float64, bool)) {
		c := make(id, title, smallSize, u)
		line(c, name, read)
		all.process = append(all.process, c)
	}
	small("behind", "Trades due and not yet visible", inPieces, "behind", always(func(s *soak.Sample) float64 { return float64(s.Behind) }))
	small("cpu", "CPU of the subject, % of one core", inPercent, "CPU", perSecond(func(s *soak.Sample) float64 { return s.CPUSeconds }))
	small("goroutines", "Goroutines of the subject", inPieces, "goroutines", above0(func(s *soak.Sample) float64 { return float64(s.Goroutines) }))
	small("threads", "Threads of the subject", inPieces, "threads", above0(func(s *soak.Sample) float64 { return float64(s.Threads) }))
	small("files", "Open descriptors of the subject", inPieces, "descriptors", above0(func(s *soak.Sample) float64 { return float64(s.OpenFiles) }))
	small("harness", "Memory of the harness itself, MB", inMegabytes, "RSS of the harness", above0(func(s *soak.Sample) float64 { return float64(s.HarnessRSSBytes) }))

	e.fill(s, all.all())
	all.describe(e)
	return all
}

func always(f func(*soak.Sample) float64) func(_, _ *soak.Sample) (float64, bool) {
	return func(_, now *soak.Sample) (float64, bool) { return f(now), true }
}

// above0 takes a zero for "not to be had", which is what it means in the
// fields it is used for.
func above0(f func(*soak.Sample) float64) func(_, _ *soak.Sample) (float64, bool) {
	return func(_, now *soak.Sample) (float64, bool) { v := f(now); return v, v > 0 }
}

// perSecond is the rate of a count since the sample before. A count that fell
// is that of another process; there is no rate across it.
func perSecond(f func(*soak.Sample) float64) func(prev, now *soak.Sample) (float64, bool) {
	return func(prev, now *soak.Sample) (float64, bool) {
		if prev == nil {
			return 0, false
		}
		passed, more := now.At.Sub(prev.At).Seconds(), f(now)-f(prev)
		return more / passed, passed > 0 && more >= 0
	}
}

// memoryLimit is the size at which the plan aborts a subject.
func (e *evidence) memoryLimit() *limitLine {
	for _, limit := range e.plan.Limits {
		if limit.ID == "memory.rss_limit" && limit.Max != nil {
			if bytes, ok := bytesIn(*limit.Max, limit.Unit); ok {
				return &limitLine{bytes, "abort limit " + number(*limit.Max) + " " + limit.Unit}
			}
		}
	}
	return nil
}

func (e *evidence) limit(id string, u unit, label string) *limitLine {
	for _, limit := range e.plan.Limits {
		if limit.ID == id && limit.Max != nil && (limit.Unit == u.name || limit.Unit == "") {
			return &limitLine{*limit.Max, label + " " + u.format(*limit.Max)}
		}
	}
	return nil
}

// describe gives each chart the sentence that says what it shows.
func (c *charts) describe(e *evidence) {
	c.memory.caption = describeMemory(c.memory, e)
	c.throughput.caption = describeThroughput(c.throughput)
	c.lag.caption = describeLag(c.lag, e)
	for _, small := range c.process {
		small.caption = describeSmall(small)
	}
}

// during says where a moment lies: its elapsed time and the injection, if any.
func (c *chart) during(s *series) string {
	at := "at " + c.span.elapsed(s.highAt)
	for _, band := range c.marks.bands {
		if band.wasRun && !s.highAt.Before(band.began) {
			switch {
			case !s.highAt.After(band.ended):
				return at + ", during injection " + band.name
			case !s.highAt.After(band.settled):
				return at + ", while settling after injection " + band.name
			}
		}
	}
	return at
}

func describeMemory(c *chart, e *evidence) string {
	rss, heap := c.lines[0], c.lines[1]
	if rss.n == 0 {
		return "The run directory has no reading of the subject's memory."
	}
	var b strings.Builder
	begin, since := rss.first, "at the first sample"
	if rss.hasSettled {
		begin, since = rss.settled, "after warm-up"
	}
	fmt.Fprintf(&b, "RSS was %s %s and %s at the last sample (%s); highest %s %s.",
		megabytes(begin), since, megabytes(rss.last), difference(begin, rss.last), megabytes(rss.high), c.during(rss))
	switch {
	case e.isAudit():
	case heap.n > 0:
		fmt.Fprintf(&b, " Live heap %s to %s.", megabytes(heap.low), megabytes(heap.high))
	default:
		b.WriteString(" The subject gave no figure of its live heap.")
	}
	if c.trend != nil {
		b.WriteString(describeTrend(c.trend))
	}
	if c.limit != nil {
		if rss.high > c.limit.value {
			fmt.Fprintf(&b, " It exceeded the abort limit of %s.", megabytes(c.limit.value))
		} else {
			fmt.Fprintf(&b, " The abort limit of %s is %s times the highest.", megabytes(c.limit.value), number(c.limit.value/rss.high))
		}
	}
	return b.String()
}

// difference is how memory changed, with its sign; it agrees with the rounded
// figures that stand beside it.
func difference(from, to float64) string {
	const step = megabyte / 10
	change := (math.Round(to/step) - math.Round(from/step)) * step
	if change > 0 {
		return "+" + megabytes(change)
	}
	return megabytes(change)
}

func describeThroughput(c *chart) string {
	published, delivered := c.lines[0], c.lines[1]
	if published.n == 0 {
		return "The run directory has too few samples to tell rates."
	}
	return fmt.Sprintf("The exchange published %s trades/s in the mean, at most %s between two samples; the topic received %s in the mean, at most %s (%s).",
		number(published.mean()), number(published.high), number(delivered.mean()), number(delivered.high), c.during(delivered))
}

func describeLag(c *chart, e *evidence) string {
	largest := c.lines[0]
	var b strings.Builder
	if largest.n == 0 {
		b.WriteString("The run directory has no reading of the lag.")
	} else {
		fmt.Fprintf(&b, "The largest lag of any trade was %s %s.", seconds(largest.high), c.during(largest))
	}
	if e.ledger != nil {
		var parts []string
		for _, phase := range e.ledger.Phases {
			if phase.Trades > 0 {
				parts = append(parts, fmt.Sprintf("%s %s (%s)", shorten(phase.Phase), seconds(phase.P99), plural(phase.Trades, "trade")))
			}
		}
		if len(parts) > 0 {
			fmt.Fprintf(&b, " Outside injections, p99 by phase: %s.", strings.Join(parts, ", "))
		}
	}
	b.WriteString(" The axis is logarithmic.")
	return b.String()
}

func describeSmall(c *chart) string {
	s := c.lines[0]
	if s.n == 0 {
		return "No reading of it in the run directory."
	}
	text := c.unit.format
	if s.low == s.high {
		return fmt.Sprintf("%s throughout.", text(s.low))
	}
	return fmt.Sprintf("%s to %s, %s at the last sample; highest %s.", text(s.low), text(s.high), text(s.last), c.during(s))
}
