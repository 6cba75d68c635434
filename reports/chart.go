package reports

import (
	"fmt"
	"html"
	"html/template"
	"math"
	"strings"
	"time"

	"steadfeed/soak"
)

// chart is series over time, drawn as SVG.
type chart struct {
	id      string
	title   string
	caption string // what it shows, in a sentence
	size    size
	unit    unit
	log     bool
	lines   []*series
	limit   *limitLine
	trend   *soak.Trend // of memory
	span    span
	marks   marks
}

// limitLine is a limit of the plan drawn into a chart.
type limitLine struct {
	value float64
	label string
}

// marks is what every chart shows behind its lines, so that cause and effect
// stand above each other.
type marks struct {
	phases []phaseMark
	bands  []band
}

// phaseMark is where a phase began.
type phaseMark struct {
	name string
	at   time.Time
}

// band is the time of one injection, and the time until it was settled.
type band struct {
	number         int // in the table of injections
	name           string
	began, ended   time.Time
	settled        time.Time // zero: not known
	proven, wasRun bool
}

// size is the outer size of a chart and where its plot lies, in pixels.
type size struct {
	width, height int
	left, right   int // margins of the plot
	timeTicks     int
	lines         int // across the plot
	clock         bool
	labels        bool // phases and injection numbers above the plot
	rows          int  // of the table of its figures
}

// The wide charts and the timeline share their margins: what happened at the
// same time stands in one column of the page.
var (
	heroSize  = size{width: 448, height: 312, left: 46, right: 12, timeTicks: 6, lines: 5, clock: true, labels: true, rows: 30}
	wideSize  = size{width: 1232, height: 230, left: 84, right: 16, timeTicks: 13, lines: 5, clock: true, labels: true, rows: 48}
	smallSize = size{width: 400, height: 150, left: 46, right: 10, timeTicks: 5, lines: 3, rows: 24}
)

func (z size) plot() int { return z.width - z.left - z.right }

const (
	labelRow  = 13  // height of one row of labels above or below a plot
	breakRow  = 22  // height of the strip above a break of the axis, where a far limit is drawn
	charWidth = 6.3 // of a label, at most
)

// tooFar is how many times higher than the highest value a limit may lie and
// still share the axis; above it, the axis is broken, so that the lines keep
// their shape.
const tooFar = 1.6

// table is the figures of a chart as text, for those who cannot see it.
type table struct {
	Columns []string
	Rows    []tableRow
	Note    string
}

type tableRow struct {
	Elapsed, Clock string
	Cells          []string
}

// high is the highest value of all lines.
func (c *chart) high() (v float64, ok bool) {
	for _, s := range c.lines {
		if s.n > 0 {
			v, ok = max(v, s.high), true
		}
	}
	return v, ok
}

// scale decides the axis: whether it holds the limit or is broken below it.
func (c *chart) scale() (sc scale, broken bool) {
	high, _ := c.high()
	if c.log {
		low := math.Inf(1)
		for _, s := range c.lines {
			if s.lowPositive > 0 {
				low = min(low, s.lowPositive)
			}
		}
		if c.limit != nil {
			low, high = min(low, c.limit.value), max(high, c.limit.value)
		}
		return logarithmic(low, high, c.unit), false
	}
	if c.limit != nil {
		if c.limit.value > high*tooFar {
			broken = true
		} else {
			high = max(high, c.limit.value)
		}
	}
	return linear(high, c.unit, c.size.lines), broken
}

// svg draws the chart; nothing when there is nothing to draw, and then the
// caption says so.
func (c *chart) svg() template.HTML {
	if _, ok := c.high(); !ok {
		return ""
	}
	var b strings.Builder
	z := c.size
	sc, broken := c.scale()
	top, bottom := 6, z.height-labelRow-5
	if z.labels {
		top += 2 * labelRow
	}
	if z.clock {
		bottom -= labelRow
	}
	frame := top
	if broken {
		top += breakRow
	}
	height := bottom - top
	right := z.left + z.plot()

	fmt.Fprintf(&b, `<svg class="chart" id="%s" viewBox="0 0 %d %d" role="img" aria-labelledby="%s-t %s-d"`, c.id, z.width, z.height, c.id, c.id)
	fmt.Fprintf(&b, ` data-left="%d" data-right="%d" data-top="%d" data-bottom="%d" data-low="%g" data-high="%g" data-unit="%s" data-factor="%g" data-began="%d" data-ended="%d" data-zero="%d"`,
		z.left, right, top, bottom, sc.low, sc.high, html.EscapeString(c.unit.name), c.unit.factor, c.span.began.UnixMilli(), c.span.ended.UnixMilli(), c.span.zero.UnixMilli())
	if sc.log {
		b.WriteString(` data-log="1"`)
	}
	fmt.Fprintf(&b, ">\n<title id=\"%s-t\">%s</title><desc id=\"%s-d\">%s</desc>\n", c.id, html.EscapeString(c.title), c.id, html.EscapeString(c.caption))

	c.marks.draw(&b, c.span, z, frame, bottom)
	for _, t := range sc.ticks {
		y := float64(top) + (1-sc.place(t.at))*float64(height)
		fmt.Fprintf(&b, `<path class="grid" d="M%d %.1fH%d"/><text class="tick end" x="%d" y="%.1f">%s</text>`, z.left, y, right, z.left-6, y+3.5, html.EscapeString(t.label))
	}
	b.WriteByte('\n')
	drawTimeAxis(&b, c.span, z, frame, bottom)
	if c.limit != nil {
		c.drawLimit(&b, sc, broken, frame, top, height, right)
	}
	for _, s := range c.lines {
		if s.n > 0 {
			fmt.Fprintf(&b, "<path class=\"line s%d\" data-name=\"%s\" d=\"%s\"/>\n", s.style, html.EscapeString(s.name), s.path(sc, z.left, top, height))
		}
	}
	if c.trend != nil {
		c.drawTrend(&b, sc, frame, top, height)
	}
	b.WriteString("</svg>")
	return template.HTML(b.String())
}

// drawLimit draws the limit in its place, or above a break of the axis.
func (c *chart) drawLimit(b *strings.Builder, sc scale, broken bool, frame, top, height, right int) {
	y := float64(top) + (1-sc.place(c.limit.value))*float64(height)
	label := c.limit.label
	if broken {
		y = float64(frame) + 7
		for _, x := range []int{c.size.left, right} { // the usual sign of a broken axis
			fmt.Fprintf(b, `<path class="cut" d="M%d %dl10-5M%d %dl10-5"/>`, x-5, top-3, x-5, top-7)
		}
		label += " (axis broken)"
	}
	place := y + 11
	if y+14 > float64(top+height) {
		place = y - 4
	}
	fmt.Fprintf(b, `<path class="limit" d="M%d %.1fH%d"/><text class="limit-label end" x="%d" y="%.1f">%s</text>`+"\n", c.size.left, y, right, right-4, place, html.EscapeString(label))
}

// drawTimeAxis draws elapsed time and, where there is room, the clock below it.
func drawTimeAxis(b *strings.Builder, s span, z size, top, bottom int) {
	for _, t := range s.ticks(z.timeTicks) {
		x := float64(z.left) + t.place*float64(z.plot())
		fmt.Fprintf(b, `<path class="grid" d="M%.1f %dV%d"/>`, x, top, bottom+4)
		anchor := "mid"
		if half := charWidth * float64(max(len(t.elapsed), len(t.clock))) / 2; x+half > float64(z.width) {
			anchor, x = "end", float64(z.width) // else its end would be cut off
		}
		fmt.Fprintf(b, `<text class="tick %s" x="%.1f" y="%d">%s</text>`, anchor, x, bottom+labelRow+2, t.elapsed)
		if z.clock {
			fmt.Fprintf(b, `<text class="tick %s soft" x="%.1f" y="%d">%s</text>`, anchor, x, bottom+2*labelRow+2, t.clock)
		}
	}
	if z.clock {
		fmt.Fprintf(b, `<text class="tick soft" x="%d" y="%d">UTC</text>`, max(0, z.left-54), bottom+2*labelRow+2)
	}
	fmt.Fprintf(b, "<path class=\"axis\" d=\"M%d %dH%d\"/>\n", z.left, bottom, z.left+z.plot())
}

// draw draws bands and phases behind the lines of a chart.
func (m marks) draw(b *strings.Builder, s span, z size, top, bottom int) {
	x := func(t time.Time) float64 { return float64(z.left) + s.place(t)*float64(z.plot()) }
	free := math.Inf(-1) // where the next number has room
	for _, band := range m.bands {
		if !band.wasRun {
			continue
		}
		ended := band.ended
		if ended.Before(band.began) {
			ended = s.ended // began and never seen to end
		}
		from, to := x(band.began), max(x(ended), x(band.began)+2)
		if band.settled.After(ended) {
			fmt.Fprintf(b, `<rect class="settle" x="%.1f" y="%d" width="%.1f" height="%d"/>`, to, top, max(0, x(band.settled)-to), bottom-top)
		}
		fmt.Fprintf(b, `<rect class="band" x="%.1f" y="%d" width="%.1f" height="%d"/>`, from, top, to-from, bottom-top)
		label := fmt.Sprint(band.number)
		middle, half := (from+to)/2, charWidth*float64(len(label))/2+2
		if z.labels && middle-half > free {
			fmt.Fprintf(b, `<text class="number mid" x="%.1f" y="%d">%s</text>`, middle, top-4, label)
			free = middle + half
		}
	}
	for i, phase := range m.phases {
		from, to := x(phase.at), float64(z.left+z.plot())
		if i+1 < len(m.phases) {
			to = x(m.phases[i+1].at)
		}
		fmt.Fprintf(b, `<path class="phase" d="M%.1f %dV%d"/>`, from, top-2*labelRow*btoi(z.labels), bottom)
		if z.labels && charWidth*float64(len(phase.name))+4 < to-from {
			fmt.Fprintf(b, `<text class="phase-label" x="%.1f" y="%d">%s</text>`, from+4, top-labelRow-5, html.EscapeString(phase.name))
		}
	}
	b.WriteByte('\n')
}

func btoi(b bool) int {
	if b {
		return 1
	}
	return 0
}

// table gives the figures of the chart: the range of each line in each of a
// fixed number of stretches of time.
func (c *chart) table() table {
	t := table{}
	for _, s := range c.lines {
		t.Columns = append(t.Columns, s.name)
	}
	columns := c.size.plot()
	whole := c.span.ended.Sub(c.span.began)
	for row := range c.size.rows {
		from, to := row*columns/c.size.rows, (row+1)*columns/c.size.rows
		at := c.span.began.Add(time.Duration(float64(whole) * float64(from) / float64(columns)))
		cells, any := make([]string, len(c.lines)), false
		for i, s := range c.lines {
			low, high, ok := merged(s.columns[from:to])
			switch text := c.unit.format(high); {
			case !ok:
				cells[i] = "\u2013"
				continue
			case c.unit.format(low) == text:
				cells[i] = text
			default:
				cells[i] = c.unit.format(low) + " to " + text
			}
			any = true
		}
		if any {
			t.Rows = append(t.Rows, tableRow{c.span.elapsed(at), clock(at), cells})
		}
	}
	return t
}

// reduced says how the samples were brought to the width of the chart.
func (c *chart) reduced() string {
	var n int64
	for _, s := range c.lines {
		n = max(n, s.n)
	}
	columns := int64(c.size.plot())
	if n <= columns {
		return ""
	}
	return fmt.Sprintf("%s samples on %s pixel columns: each column shows its lowest and highest sample, so no spike is left out.", count(n), count(columns))
}
