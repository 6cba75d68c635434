package fakebinance

import "time"

// tallySeconds is how far back a rate looks: long enough for a figure that can
// be read, short enough that a halt or a fault shows in it.
const tallySeconds = 10

// tally counts trades by the second, of the last few. It is for one goroutine.
type tally [tallySeconds + 1]struct{ at, trades int64 } // at in Unix seconds

func (t *tally) add(now time.Time, trades int64) {
	second := now.Unix()
	slot := &t[second%int64(len(t))]
	if slot.at != second {
		slot.at, slot.trades = second, 0
	}
	slot.trades += trades
}

// rate is the mean a second over the last whole seconds, as far as they are
// after the one in which publishing started; 0 when there is none yet.
func (t *tally) rate(now, started time.Time) float64 {
	seconds := min(tallySeconds, now.Unix()-started.Unix()-1)
	if started.IsZero() || seconds <= 0 {
		return 0
	}
	var trades int64
	for _, slot := range t {
		if slot.at >= now.Unix()-seconds && slot.at < now.Unix() {
			trades += slot.trades
		}
	}
	return float64(trades) / float64(seconds)
}
