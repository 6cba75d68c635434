package audit

import "time"

const (
	microsPerSecond = int64(time.Second / time.Microsecond)

	// lateAge: uptime is the share of time in which every due trade was
	// visible within this.
	lateAge = 5 * microsPerSecond

	// maxUptimeSeconds bounds the bitmap: forty days, more than the longest
	// plan, in 422 KiB. What lies beyond is not counted.
	maxUptimeSeconds = 40 * 24 * 60 * 60
)

// A bitmap marks seconds since an origin.
type bitmap struct {
	words []uint64
	set   int64
}

func (b *bitmap) mark(second int64) {
	if second < 0 || second >= maxUptimeSeconds {
		return
	}
	word, bit := int(second/64), uint64(1)<<(second%64)
	for len(b.words) <= word {
		b.words = append(b.words, 0)
	}
	if b.words[word]&bit == 0 {
		b.words[word] |= bit
		b.set++
	}
}

// markRange marks every second that the time from..to touches, in
// microseconds since the origin.
func (b *bitmap) markRange(from, to int64) {
	for second := from / microsPerSecond; second*microsPerSecond < to && second < maxUptimeSeconds; second++ {
		b.mark(second)
	}
}
