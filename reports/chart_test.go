package reports

import (
	"fmt"
	"math/rand/v2"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"steadfeed/soak"
)

// newChart is a chart of lines whose values come from f, a sample each second.
func newChart(z size, n, lines int, f func(line, i int) float64) *chart {
	c := &chart{id: "c", title: "t", caption: "d", size: z, unit: inPieces, span: span{began: birth, ended: birth.Add(time.Duration(n-1) * time.Second), zero: birth}}
	for line := range lines {
		i := 0
		c.lines = append(c.lines, newSeries(fmt.Sprint("line ", line), line%4+1, z.plot(), func(_, _ *soak.Sample) (float64, bool) {
			v := f(line, i)
			i++
			return v, v >= 0
		}))
	}
	var prev *soak.Sample
	for i := range n {
		now := &soak.Sample{At: birth.Add(time.Duration(i) * time.Second)}
		for _, s := range c.lines {
			s.add(prev, now, c.span.place(now.At))
		}
		prev = now
	}
	return c
}

var pathStep = regexp.MustCompile(`([Mlvh])([^Mlvh]*)`)
var pathNumber = regexp.MustCompile(`-?(\d*\.\d+|\d+)`)

// points are the corners of a path as a browser would draw it.
func points(t *testing.T, d string) (xs, ys []float64, strokes int) {
	t.Helper()
	var x, y float64
	for _, step := range pathStep.FindAllStringSubmatch(d, -1) {
		var v []float64
		for _, text := range pathNumber.FindAllString(step[2], -1) {
			f, err := strconv.ParseFloat(text, 64)
			must(t, err)
			v = append(v, f)
		}
		switch step[1] {
		case "M":
			x, y, strokes = v[0], v[1], strokes+1
		case "l":
			x, y = x+v[0], y+v[1]
		case "v":
			y += v[0]
		case "h":
			x += v[0]
		}
		xs, ys = append(xs, x), append(ys, y)
	}
	return xs, ys, strokes
}

// One sample of a day must still be seen when a hundred share a pixel column.
func TestSpikesStay(t *testing.T) {
	const n = 86_400
	for _, at := range []int{0, 500, n - 1} {
		for _, peak := range []float64{0, 90} { // below and above its neighbours
			c := newChart(wideSize, n, 1, func(_, i int) float64 {
				if i == at {
					return peak
				}
				return 50
			})
			sc := linear(100, inPieces, 5)
			xs, ys, _ := points(t, c.lines[0].path(sc, 0, 0, 200))
			want := 200 - 2*peak
			found := false
			for i := range ys {
				if ys[i] > want-0.11 && ys[i] < want+0.11 {
					found = true
					if place := float64(at) / n * float64(wideSize.plot()); xs[i] < place-2 || xs[i] > place+2 {
						t.Errorf("sample %d is drawn at %.1f, want about %.1f", at, xs[i], place)
					}
				}
			}
			if !found {
				t.Errorf("the one sample of %g at %d of %d is not in the path", peak, at, n)
			}
		}
	}
}

// The relative steps of a path, rounded each to a tenth, must not add up to a
// drift.
func TestPathDoesNotDrift(t *testing.T) {
	rng := rand.New(rand.NewPCG(7, 7))
	values := make([]float64, 1000)
	for i := range values {
		values[i] = 100 * rng.Float64()
	}
	c := newChart(wideSize, len(values), 1, func(_, i int) float64 { return values[i] })
	sc := linear(100, inPieces, 5)
	_, ys, strokes := points(t, c.lines[0].path(sc, 0, 0, 200))
	if len(ys) != len(values) || strokes != 1 {
		t.Fatalf("%d points in %d strokes of %d samples", len(ys), strokes, len(values))
	}
	for i, v := range values {
		if want := 200 - 2*v; ys[i] < want-0.06 || ys[i] > want+0.06 {
			t.Fatalf("point %d lies at %.2f, want %.2f", i, ys[i], want)
		}
	}
}

// A line is not drawn across a time without readings, as if it knew.
func TestGapsBreakTheLine(t *testing.T) {
	c := newChart(wideSize, 100, 1, func(_, i int) float64 {
		if i >= 40 && i < 60 || i == 80 || i == 82 {
			return -1 // no reading
		}
		return 5
	})
	d := c.lines[0].path(linear(10, inPieces, 5), 0, 0, 200)
	if _, _, strokes := points(t, d); strokes != 4 {
		t.Errorf("%d strokes, want 4: %s", strokes, d)
	}
	if strings.Count(d, "h.1") != 1 {
		t.Errorf("the single reading between two gaps is not a dot: %s", d)
	}
}

func TestRatesEndWhereACountFalls(t *testing.T) {
	read := perSecond(func(s *soak.Sample) float64 { return float64(s.Published) })
	at := func(s int, n int64) *soak.Sample {
		return &soak.Sample{At: birth.Add(time.Duration(s) * time.Second), Published: n}
	}
	f := func(prev, now *soak.Sample, want float64, wantOK bool) {
		t.Helper()
		if v, ok := read(prev, now); ok != wantOK || ok && v != want {
			t.Errorf("rate %v, %v; want %v, %v", v, ok, want, wantOK)
		}
	}
	f(nil, at(1, 10), 0, false)
	f(at(1, 10), at(3, 30), 10, true)
	f(at(1, 10), at(2, 10), 0, true)
	f(at(1, 10), at(2, 5), 0, false)
	f(at(1, 10), at(1, 20), 0, false)
}

// The budget: a day of 20 series, and the page around it, under 500 KB.
func TestSizeOfADay(t *testing.T) {
	const budget = 500_000
	s := newSynthetic(24*time.Hour, 30*time.Second, 36)
	for i := range 900 { // a subject that reconnected all day
		opened := birth.Add(time.Duration(i) * 95 * time.Second)
		s.ledger.Sessions = append(s.ledger.Sessions, soak.Session{N: int64(100 + i), Opened: opened, Closed: opened.Add(90 * time.Second),
			EndedBy: "error", Reason: "read: connection reset by peer", Streams: 3, Trades: 13_000, PingsSent: 4, PongsGot: 4})
		s.events = append(s.events, soak.Event{At: opened, Kind: soak.EventSession, Name: fmt.Sprint("session ", 100+i), Text: "opened with 3 streams"})
	}
	p := newPage(collect(s.write(t)))
	rng := rand.New(rand.NewPCG(7, 7))
	already := len(p.Process) + 3*2
	more := newChart(wideSize, 1440, 20-already, func(line, _ int) float64 { return float64(line) + rng.Float64() })
	p.Wide = append(p.Wide, (&builder{page: p}).view(more))
	var b strings.Builder
	must(t, render(&b, p))
	t.Logf("%d bytes", b.Len())
	if b.Len() > budget {
		t.Errorf("%d bytes, budget %d", b.Len(), budget)
	}
	checkPage(t, []byte(b.String()))
}
