package leak

import (
	"slices"
	"time"

	"gonum.org/v1/gonum/stat"

	"steadfeed/soak"
)

// block is a stretch of samples as their medians.
type block struct {
	at        time.Time // of its first sample
	rss, live float64   // bytes; live is 0 where the subject does not expose it
	rate      float64   // trades published a second
}

func rss(b block) float64       { return b.rss }
func liveTwice(b block) float64 { return Collected * b.live }

func pick(blocks []block, figure func(block) float64) []float64 {
	out := make([]float64, len(blocks))
	for i, b := range blocks {
		out[i] = figure(b)
	}
	return out
}

// divide leaves out samples in which the process could not be read, and
// divides the others by an instant.
func divide(samples []soak.Sample, cut time.Time) (old, young []block) {
	var last soak.Sample
	for _, s := range samples {
		if s.RSSBytes == 0 {
			continue
		}
		b := block{at: s.At, rss: float64(s.RSSBytes), live: float64(s.HeapLiveBytes)}
		if d := s.At.Sub(last.At).Seconds(); !last.At.IsZero() && d > 0 {
			b.rate = float64(s.Published-last.Published) / d
		}
		last = s
		if s.At.Before(cut) {
			young = append(young, b)
		} else {
			old = append(old, b)
		}
	}
	return old, young
}

// medians makes blocks of equal length; what is left over at the end joins
// none when it is shorter than half of one.
func medians(readings []block, length time.Duration) []block {
	var out []block
	for len(readings) > 0 {
		end := readings[0].at.Add(length)
		n, _ := slices.BinarySearchFunc(readings, end, func(b block, t time.Time) int { return b.at.Compare(t) })
		part := readings[:n]
		readings = readings[n:]
		if len(readings) == 0 && len(out) > 0 && part[n-1].at.Sub(part[0].at) < length/2 {
			break
		}
		var live []float64
		for _, b := range part {
			if b.live > 0 {
				live = append(live, b.live)
			}
		}
		m := block{at: part[0].at, rss: median(pick(part, rss)), rate: stat.Mean(pick(part, func(b block) float64 { return b.rate }), nil)}
		if len(live) > 0 {
			m.live = median(live)
		}
		out = append(out, m)
	}
	return out
}

// exposed says whether every block has a live heap.
func exposed(blocks []block) bool {
	return !slices.ContainsFunc(blocks, func(b block) bool { return b.live == 0 })
}

func varies(blocks []block) bool {
	mean, deviation := stat.MeanStdDev(pick(blocks, func(b block) float64 { return b.rate }), nil)
	return mean > 0 && deviation > variedRate*mean
}

// seen is the median of the last eighth less that of the first.
func seen(figures []float64) float64 {
	if len(figures) == 0 {
		return 0
	}
	n := max(len(figures)/8, 1)
	return median(figures[len(figures)-n:]) - median(figures[:n])
}
