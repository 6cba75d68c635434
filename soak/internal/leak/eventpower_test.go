package leak

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"steadfeed/soak"
)

// eventRetained are the columns of the table of the rule, KiB of live heap that
// each event retains.
var eventRetained = []float64{0, 16, 64, 256, 1024}

// eventFails is how many percent of clean runs of a row may be taken for a leak:
// twice what the interval leaves out, since 200 runs count in halves of a
// percent. Of all rows together it is cleanFails.
const eventFails = 1

// eventRow is a row of it: in how many of a hundred runs the leak is found.
type eventRow struct {
	length, every, pace time.Duration
	found               [5]float64
	half                float64 // of the table's interval, KiB of live heap; at 99.5 % on either side
}

var eventRows = []eventRow{
	{day, time.Minute, 4 * time.Hour, [5]float64{0, 0, .6, 17.4, 92}, 302},
	{day, time.Minute, 30 * time.Minute, [5]float64{0, .4, 32.2, 100, 100}, 75},
	{day, time.Minute, 6 * time.Minute, [5]float64{0, 3.6, 67, 100, 100}, 43},
	{time.Hour, 5 * time.Second, 30 * time.Second, [5]float64{.2, 4.8, 54.8, 100, 100}, 53},
	{10 * time.Minute, time.Second, 10 * time.Second, [5]float64{.2, 1.8, 38, 100, 100}, 65},
	{10 * time.Minute, time.Second, 3 * time.Second, [5]float64{.2, 1.2, 25.6, 95.2, 100}, 109},
}

// replay is what was found of a leak, in percent, and the median half width.
func (w eventRow) replay(n int, retains float64, r *rand.Rand) (found, half float64, levels int) {
	p := process{kind: "linear", length: w.length, every: w.every, age: Young, pace: w.pace, retains: retains}
	if w.length == day {
		p.age = 0 // the first half hour is in it, and is cut
	}
	var events []time.Time
	for at := w.pace; at < w.length; at += w.pace {
		if at+p.age > Young {
			events = append(events, born.Add(p.age+at))
		}
	}
	var halves []float64
	for range n {
		samples := slices.DeleteFunc(p.samples(r), func(s soak.Sample) bool { return s.At.Sub(born) < Young })
		g, _ := PerEvent(samples, events, w.length)
		if g.Low > 0 {
			found += 100 / float64(n)
		}
		halves, levels = append(halves, (g.High-g.Low)/2/Collected/1024), g.Levels
	}
	return found, median(halves), levels
}

// What each event retains is found as often as the table of the rule says, or
// more often, and no clean process is taken for one that leaks.
func TestPowerOfEvents(t *testing.T) {
	n := *series
	all := eventRows
	if n == 0 {
		n, all = fewSeries, eventRows[4:]
	}
	clean := 0.0
	for i, w := range all {
		line := fmt.Sprintf("%v, an event each %v:", w.length, w.pace)
		r := rand.New(rand.NewPCG(powerSeed, uint64(i)))
		for k, kib := range eventRetained {
			found, half, levels := w.replay(n, kib, r)
			line += fmt.Sprintf("  %g KiB %.1f of %.1f", kib, found, w.found[k])
			if kib == 0 {
				clean += found / float64(len(all))
			}
			switch {
			case kib == 0 && found > eventFails:
				t.Errorf("%s %.1f %% of clean runs are taken for a leak", line, found)
			case *series > 0 && found < w.found[k]-farPoints:
				t.Errorf("%s: found too seldom", line)
			case kib == 1024 && found < 90:
				t.Errorf("%s: found too seldom", line)
			}
			if k == len(eventRetained)-1 {
				line += fmt.Sprintf("; %d levels, ± %.0f KiB (table %.0f)", levels, half, w.half)
			}
		}
		t.Log(line)
	}
	if clean > cleanFails {
		t.Errorf("%.1f %% of the clean runs of all rows are taken for a leak", clean)
	}
}
