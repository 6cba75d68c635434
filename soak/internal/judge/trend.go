package judge

import (
	"fmt"
	"math"
	"slices"
	"strings"
	"time"

	"steadfeed/soak"
	"steadfeed/soak/internal/leak"
)

const (
	leastDuration = 98 // percent of the plan, for a trend to be judged
	leastSamples  = 95 // percent of those due
	widestGap     = 3  // intervals between two samples
)

// memoryTrend projects memory over the length of the plan. The run is enough
// to find the same answer again: the reason names all that it rests on.
func memoryTrend(e *Evidence, limit soak.Limit) measurement {
	m := measurement{unfit: true, evidence: soak.SamplesFile}
	if limit.Max == nil {
		m.why = "the plan has no limit for it"
		return m
	}
	if m.why = trendless(e); m.why != "" {
		return m
	}
	life, restarts := lastLife(e.Samples)
	q := leak.Question{Born: life[0].At, From: settled(e), Limit: *limit.Max * megabyte, Horizon: e.Plan.Length()}
	for _, s := range life {
		if s.Phase != soak.PhaseDrain { // without traffic memory is another's
			q.Samples = append(q.Samples, s)
		}
	}
	t := leak.Judge(q)
	m.why = t.Reason
	if t.RSS.Known() {
		m.value, m.low, m.high = number(t.RSS.Bytes/megabyte), number(t.RSS.Low/megabyte), number(t.RSS.High/megabyte)
		m.why += "; " + grounds(t, q.Horizon)
		m.trend = drawn(t)
	}
	if restarts > 0 {
		m.why += fmt.Sprintf("; of the last of %d lives, which began at %s", restarts+1, clock(q.Born))
	}
	m.why = reasoned(limit, m.why)
	m.unfit, m.missed, m.decided = t.Outcome == soak.Inconclusive, t.Outcome == soak.Fail, true
	return m
}

// lastLife is what was sampled since the subject was last restarted: its CPU
// time began anew, and so did its memory.
func lastLife(samples []soak.Sample) (life []soak.Sample, restarts int) {
	var from int
	var spent float64
	for i, s := range samples {
		if s.RSSBytes == 0 {
			continue
		}
		if s.CPUSeconds < spent {
			from, restarts = i, restarts+1
		}
		spent = s.CPUSeconds
	}
	return samples[from:], restarts
}

// trendless is why a run says nothing about a trend, empty when it does.
func trendless(e *Evidence) string {
	if len(e.Samples) == 0 {
		return noSamples
	}
	if e.Interrupted || e.Trouble != "" {
		return "the run was cut short, or the harness was in trouble"
	}
	if m := duration(e, soak.Limit{}); m.unfit || m.value != nil && *m.value < leastDuration {
		return "the run is too short: " + m.why
	}
	if m := samples(e, soak.Limit{}); m.unfit || m.value != nil && *m.value < leastSamples {
		return "samples are missing: " + m.why
	}
	if m := subject(e, soak.Limit{}); m.unfit || m.missed {
		return "the subject did not end as it should: " + m.why
	}
	for i, s := range e.Samples[1:] {
		if gap := s.At.Sub(e.Samples[i].At); gap > widestGap*e.Plan.SampleEvery.D() {
			return fmt.Sprintf("no sample for %s before %s", gap.Round(time.Second), clock(s.At))
		}
	}
	return ""
}

// drawn is a trend as lines that a chart can hold. A block counts as its middle.
func drawn(t leak.Trend) *soak.Trend {
	out := &soak.Trend{Cut: t.Cut, Block: soak.Duration(t.Block)}
	line := func(figure string, p leak.Projection, times float64) {
		l := soak.TrendLine{
			Figure: figure, From: p.From.Add(t.Block / 2), To: p.To.Add(t.Block / 2), Shifts: []soak.TrendShift{},
			Level: math.Round(p.Level / times), PerHour: math.Round(p.PerHour / times), Half: math.Round(p.Half / times),
		}
		for _, s := range p.Shifts {
			l.Shifts = append(l.Shifts, soak.TrendShift{At: s.At, Bytes: math.Round(s.Bytes / times)})
		}
		slices.SortFunc(l.Shifts, func(a, b soak.TrendShift) int { return a.At.Compare(b.At) })
		out.Lines = append(out.Lines, l)
	}
	line(soak.FigureRSS, t.RSS, 1)
	if t.Live.Known() {
		line(soak.FigureLive, t.Live, leak.Collected)
	}
	return out
}

// grounds is all that a projection rests on.
func grounds(t leak.Trend, horizon time.Duration) string {
	out := []string{
		fmt.Sprintf("grew by %+.2f MB in %s from %s on", t.Seen/megabyte, span(t.Over.Seconds()), clock(t.Cut)),
		fmt.Sprintf("%d blocks of %s, D %.1f MB", t.Blocks, t.Block.Round(time.Second), t.Drift/megabyte),
		projection("memory", t.RSS, horizon),
	}
	if t.Live.Known() {
		out = append(out, projection("live heap twice", t.Live, horizon))
	} else {
		out = append(out, "the subject does not expose its live heap")
	}
	if t.Varied {
		out = append(out, "the message rate varied: what follows it was taken out, and D doubled")
	}
	return strings.Join(out, "; ")
}

func projection(of string, p leak.Projection, horizon time.Duration) string {
	text := fmt.Sprintf("%s %+.3f MB/h, in %s %+.1f MB (%+.1f to %+.1f), %.1f degrees of freedom",
		of, p.PerHour/megabyte, horizon, p.Bytes/megabyte, p.Low/megabyte, p.High/megabyte, p.Freedom)
	for _, s := range p.Shifts {
		text += fmt.Sprintf(", shift of %+.1f MB at %s", s.Bytes/megabyte, clock(s.At))
	}
	switch {
	case p.Staircase:
		text += ", three shifts upward counted as growth"
	case len(p.Shifts) == 0:
		text += ", no shift"
	}
	if p.SecondHalf {
		text += ", by its second half alone"
	}
	if p.Settling {
		text += ", still settling"
	}
	return text
}
