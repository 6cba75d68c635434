package reports

import (
	"fmt"
	"strings"
	"time"

	"steadfeed/soak"
)

// trend is what the judge found in memory over time; nil where it found none.
func (e *evidence) trend() *soak.Trend {
	if e.verdict == nil {
		return nil
	}
	for _, c := range e.verdict.Checks {
		if c.Trend != nil {
			return c.Trend
		}
	}
	return nil
}

// instant is a point of a line: its time, and what its height lacks because a
// step at that time is still to come.
type instant struct {
	at     time.Time
	before float64
}

// drawTrend draws what memory.trend rests on: where the young process was cut
// off, and each line with its steps and the cone of its interval.
func (c *chart) drawTrend(b *strings.Builder, sc scale, frame, top, height int) {
	x := func(place float64) float64 { return float64(c.size.left) + place*float64(c.size.plot()) }
	y := func(bytes float64) float64 { return float64(top) + (1-sc.place(bytes))*float64(height) }
	fmt.Fprintf(b, `<path class="trend-cut" d="M%.1f %dV%d"/>`, x(c.span.place(c.trend.Cut)), frame, top+height)
	for _, l := range c.trend.Lines {
		times := []instant{{l.From, 0}}
		for _, s := range l.Shifts {
			times = append(times, instant{s.At, -s.Bytes}, instant{s.At, 0})
		}
		times = append(times, instant{l.To, 0})
		var line, upper, lower []string
		for _, t := range times {
			at := x(c.span.place(t.at))
			bytes, half := l.At(t.at)
			bytes += t.before
			line = append(line, fmt.Sprintf("%.1f %.1f", at, y(bytes)))
			upper = append(upper, fmt.Sprintf("%.1f %.1f", at, y(bytes+half)))
			lower = append([]string{fmt.Sprintf("%.1f %.1f", at, y(bytes-half))}, lower...)
		}
		fmt.Fprintf(b, `<path class="cone" d="M%sZ"/><path class="trend" d="M%s"/>`+"\n", strings.Join(append(upper, lower...), "L"), strings.Join(line, "L"))
	}
}

// describeTrend says in a sentence what the lines are.
func describeTrend(t *soak.Trend) string {
	var parts []string
	for _, l := range t.Lines {
		text := fmt.Sprintf("%s %+.2f MB/h (%+.2f to %+.2f)", l.Figure, l.PerHour/megabyte, (l.PerHour-l.Half)/megabyte, (l.PerHour+l.Half)/megabyte)
		if n := int64(len(l.Shifts)); n > 0 {
			text += " and " + plural(n, "jump")
		}
		parts = append(parts, text)
	}
	return fmt.Sprintf(" Thin lines: the trend from %s on, medians of %s: %s.", clock(t.Cut), length(t.Block.D()), strings.Join(parts, ", "))
}
