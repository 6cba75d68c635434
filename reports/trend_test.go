package reports

import (
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"steadfeed/soak"
)

// The trend is drawn on the axis of the chart: along a line that follows its
// samples exactly, up a step where they step, with a cone as wide as its
// interval.
func TestTrendIsDrawnOverItsSamples(t *testing.T) {
	const n = 3601
	value := func(i int) float64 { // 10 pieces an hour, and 4 at once after half of it
		v := 20 + 10*float64(i)/3600
		if i >= 1800 {
			v += 4
		}
		return v
	}
	c := newChart(wideSize, n, 1, func(_, i int) float64 { return value(i) })
	line := soak.TrendLine{
		Figure: soak.FigureRSS, From: birth.Add(15 * time.Minute), To: birth.Add(time.Hour),
		Level: value(900), PerHour: 10, Half: 2, Shifts: []soak.TrendShift{{At: birth.Add(30 * time.Minute), Bytes: 4}},
	}
	c.trend = &soak.Trend{Cut: line.From, Block: soak.Duration(time.Minute), Lines: []soak.TrendLine{line}}
	svg := string(c.svg())
	sc, _ := c.scale()
	height := func(drawn, v float64) bool { // within half a pixel of the axis's own account
		top, bottom := edge(t, svg, "data-top"), edge(t, svg, "data-bottom")
		d := drawn - (top + (1-sc.place(v))*(bottom-top))
		return d > -0.5 && d < 0.5
	}
	corners := func(class string) [][2]float64 {
		d := regexp.MustCompile(`class="` + class + `" d="M([^"]*)"`).FindStringSubmatch(svg)
		if d == nil {
			t.Fatalf("no %s in %s", class, svg)
		}
		var out [][2]float64
		for _, corner := range strings.Split(strings.TrimSuffix(d[1], "Z"), "L") {
			xy := numbers(t, corner)
			out = append(out, [2]float64{xy[0], xy[1]})
		}
		return out
	}
	trend, cone := corners("trend"), corners("cone")
	if len(trend) != 4 || len(cone) != 8 {
		t.Fatalf("%d corners of the line and %d of the cone, want 4 and 8", len(trend), len(cone))
	}
	for i, want := range []float64{value(900), 25, 29, value(3600)} {
		if !height(trend[i][1], want) {
			t.Errorf("corner %d of the line lies at %.1f, want %g", i, trend[i][1], want)
		}
	}
	if trend[1][0] != trend[2][0] || trend[0][0] >= trend[1][0] {
		t.Errorf("the step is not upright: %v", trend)
	}
	if cone[0][1] != trend[0][1] || !height(cone[3][1], value(3600)+1.5) || !height(cone[4][1], value(3600)-1.5) {
		t.Errorf("the cone is not as wide as its interval: %v", cone)
	}
	if cut := numbers(t, regexp.MustCompile(`class="trend-cut" d="M([\d.]+)`).FindStringSubmatch(svg)[1]); cut[0] != trend[0][0] {
		t.Errorf("the cut is at %g, the line begins at %g", cut[0], trend[0][0])
	}
	if text := describeTrend(c.trend); !strings.Contains(text, "and 1 jump.") {
		t.Errorf("not said: %s", text)
	}
	c.trend = nil
	if svg := string(c.svg()); strings.Contains(svg, `class="trend"`) {
		t.Error("a trend is drawn where there is none")
	}
}

func edge(t *testing.T, svg, name string) float64 {
	t.Helper()
	return numbers(t, regexp.MustCompile(name + `="([\d.]+)"`).FindStringSubmatch(svg)[1])[0]
}

func numbers(t *testing.T, text string) []float64 {
	t.Helper()
	var out []float64
	for _, number := range pathNumber.FindAllString(text, -1) {
		f, err := strconv.ParseFloat(number, 64)
		must(t, err)
		out = append(out, f)
	}
	return out
}
