package leak

import (
	_ "embed"
	"flag"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"steadfeed/soak"
)

var series = flag.Int("series", 0, "how many series a row of the power tables has, and four times as many where its answers are split; 0: a few of the rows that must hold")

const (
	powerSeed  = 1
	fewSeries  = 10  // of a row without -series
	splitTimes = 4   // as many series of a row that ends this way and that: a half of 200 strays by 3.5 points, of 800 by 1.8
	splitShare = 95  // percent; a row is split when no answer has so many
	farPoints  = 5   // a row may be so far from its table
	cleanFails = 0.5 // percent of clean steady runs that may fail
	cleanPass  = 95  // percent of clean runs with injections, calm where it must be, that are to pass
)

//go:embed testdata/power.txt
var powerTables string

// differs is why rows are not held to within five points of their table: the
// generator is another one, and has no constant that is of a row. The letters
// were set from a run of 200 series a row, 800 of one that is split; rows that
// have one are still not to be wrong more often than their table, but for c.
var differs = map[string]string{
	"a": "decided more often than in its table: memory wanders less here on that scale, or grows in another shape",
	"b": "inconclusive more often than in its table: memory wanders more here on that scale, or grows in another shape",
	"c": "pages are held for hours after a plateau here, so an hour that ends with plateaus fails more often",
}

// row is one of a table of the rule: shares in percent of pass, fail and
// inconclusive that it is to have.
type row struct {
	table   string
	process process
	limit   float64 // MB
	horizon time.Duration
	shares  [3]float64
	widths  []float64 // of resident memory and of the live heap, MB; where the table has them
	differs string    // a letter; empty: within five points
}

func (w row) clean() bool { return w.process.kind == "linear" && w.process.rate == 0 }

func rows(t *testing.T) []row {
	var out []row
	var head row
	for n, line := range strings.Split(powerTables, "\n") {
		var err error
		switch {
		case line == "", line[0] == '#':
		case line[0] == '=':
			head, err = table(line[1:])
		default:
			var w row
			w, err = head.with(strings.Fields(line))
			out = append(out, w)
		}
		if err != nil {
			t.Fatalf("power.txt:%d: %v", n+1, err)
		}
	}
	return out
}

// table reads the head of one: its name, and words such as limit=50.
func table(line string) (w row, err error) {
	name, words, _ := strings.Cut(line, ": ")
	w.table = strings.TrimSpace(name)
	for _, word := range strings.Fields(words) {
		key, value, _ := strings.Cut(word, "=")
		number := func(into *float64) { *into, err = strconv.ParseFloat(value, 64) }
		length := func(into *time.Duration) { *into, err = time.ParseDuration(value) }
		switch key {
		case "run":
			length(&w.process.length)
		case "sample":
			length(&w.process.every)
		case "in":
			length(&w.horizon)
		case "age":
			length(&w.process.age)
		case "limit":
			number(&w.limit)
		case "noise":
			number(&w.process.noise)
		case "from":
			number(&w.process.from)
		case "to":
			number(&w.process.to)
		case "plateaus":
			w.process.plateaus, err = strconv.Atoi(value)
		case "live":
			w.process.live = true
		default:
			err = fmt.Errorf("unknown word %s", word)
		}
		if err != nil {
			return w, err
		}
	}
	return w, nil
}

// with reads a row of a table.
func (w row) with(fields []string) (row, error) {
	if last := fields[len(fields)-1]; differs[last] != "" {
		w.differs, fields = last, fields[:len(fields)-1]
	}
	var figures []float64
	for _, f := range fields[1:] {
		v, err := strconv.ParseFloat(f, 64)
		if err != nil {
			return w, err
		}
		figures = append(figures, v)
	}
	if len(figures) != 4 && len(figures) != 6 {
		return w, fmt.Errorf("%d figures", len(figures))
	}
	w.process.kind, w.process.rate = fields[0], figures[0]
	w.shares, w.widths = [3]float64(figures[1:4]), figures[4:]
	return w, nil
}

// wrong is the index of the share that is in error; -1 where each answer is
// right in some runs.
func (w row) wrong() int {
	switch truth := w.process.rate * w.horizon.Hours(); {
	case w.process.kind == "late":
		return -1
	case truth > w.limit:
		return 0
	default:
		return 1
	}
}

// replayed is what the rule made of the series of a row.
type replayed struct {
	shares         [3]float64 // percent of pass, fail and inconclusive
	half, halfLive float64    // medians, MB
}

func (w row) replay(n int, r *rand.Rand) replayed {
	var got replayed
	var half, halfLive []float64
	for range n {
		t := Judge(Question{Samples: w.process.samples(r), Born: born, Limit: w.limit * 1e6, Horizon: w.horizon})
		for i, o := range []soak.Outcome{soak.Pass, soak.Fail, soak.Inconclusive} {
			if t.Outcome == o {
				got.shares[i] += 100 / float64(n)
			}
		}
		half, halfLive = append(half, t.RSS.half()/1e6), append(halfLive, t.Live.half()/1e6)
	}
	got.half, got.halfLive = median(half), median(halfLive)
	return got
}

// The rule finds what its tables say, on series made anew.
func TestPower(t *testing.T) {
	all := rows(t)
	lines := make([]string, len(all))
	var told sync.Mutex
	t.Run("rows", func(t *testing.T) {
		for i, w := range all {
			n := *series
			if n == 0 {
				if w.shares[0] < 99 && w.shares[1] < 99 || w.table != "24 h" && w.table != "24 h, 12 injections spread" || w.differs != "" {
					continue
				}
				n = fewSeries
			} else if slices.Max(w.shares[:]) < splitShare {
				n *= splitTimes
			}
			t.Run(fmt.Sprintf("%s/%s %g", w.table, w.process.kind, w.process.rate), func(t *testing.T) {
				t.Parallel()
				got := w.replay(n, rand.New(rand.NewPCG(powerSeed, uint64(i))))
				line := w.check(t, got)
				told.Lock()
				defer told.Unlock()
				lines[i] = line
			})
		}
	})
	t.Logf("seed %d", powerSeed)
	for _, line := range lines {
		if line != "" {
			t.Log(line)
		}
	}
	for letter, why := range differs {
		t.Logf("%s: %s", letter, why)
	}
}

func (w row) check(t *testing.T, got replayed) string {
	var far float64
	for i, share := range got.shares {
		far = max(far, math.Abs(share-w.shares[i]))
	}
	if i := w.wrong(); i >= 0 && w.differs != "c" && got.shares[i] > w.shares[i]+farPoints {
		t.Errorf("wrong in %.1f %%, want at most %.1f", got.shares[i], w.shares[i]+farPoints)
	}
	if w.differs == "" && far > farPoints {
		t.Errorf("off by %.1f points: %.1f, want %.1f", far, got.shares, w.shares)
	}
	if steady := !w.process.live && w.process.plateaus == 0; w.clean() && steady && got.shares[1] > cleanFails {
		t.Errorf("%.1f %% of clean runs fail", got.shares[1])
	}
	if calm := w.process.plateaus > 0 && w.process.to < 0.9*w.process.length.Minutes() && w.horizon == w.process.length; calm && w.differs == "" && (got.shares[0] < cleanPass || got.shares[1] > cleanFails) {
		t.Errorf("%.1f %% of clean runs with injections pass, %.1f %% fail", got.shares[0], got.shares[1])
	}
	line := fmt.Sprintf("%-44s %-7s %4g: %5.1f %5.1f %5.1f, table %5.1f %5.1f %5.1f, off by %4.1f", w.table, w.process.kind, w.process.rate,
		got.shares[0], got.shares[1], got.shares[2], w.shares[0], w.shares[1], w.shares[2], far)
	if len(w.widths) > 0 {
		line += fmt.Sprintf("; ± %.1f %.1f, table %.1f %.1f", got.half, got.halfLive, w.widths[0], w.widths[1])
	}
	return line + " " + w.differs
}
