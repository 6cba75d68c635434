package fakebinance

import (
	"testing"
	"time"
)

func TestIntervals(t *testing.T) {
	draw := newRand(testSeed, "intervals", 0)
	var set intervals
	want := map[int64]bool{}
	for range 2000 {
		first := int64(draw.IntN(5000))
		last := first + int64(draw.IntN(4))
		set.add(first, last)
		for id := first; id <= last; id++ {
			want[id] = true
		}
	}
	for id := int64(-2); id < 5010; id++ {
		if set.contains(id) != want[id] {
			t.Fatalf("contains(%d) is %v, want %v", id, !want[id], want[id])
		}
	}
	for i, r := range set.ranges {
		if r.first > r.last || i > 0 && r.first <= set.ranges[i-1].last+1 {
			t.Fatalf("ranges %d and %d: %v", i-1, i, set.ranges)
		}
	}
	// Beyond its bound it forgets the lowest.
	set = intervals{}
	for i := range int64(maxIntervals + 10) {
		set.add(3*i, 3*i)
	}
	if len(set.ranges) != maxIntervals || set.contains(27) || !set.contains(30) || !set.contains(3*(maxIntervals+9)) {
		t.Errorf("%d ranges from %d", len(set.ranges), set.ranges[0].first)
	}
}

func TestLateness(t *testing.T) {
	var h lateness
	if p99, most := h.read(); p99 != 0 || most != 0 {
		t.Errorf("empty: %s, %s", p99, most)
	}
	h.observe(time.Millisecond, 985)
	h.observe(-time.Second, 5) // early counts as in time
	h.observe(time.Hour, 1)
	h.observe(2*time.Second, 9)
	p99, most := h.read()
	if p99 < time.Millisecond || p99 > 1100*time.Microsecond || most != time.Hour {
		t.Errorf("p99 %s, max %s", p99, most)
	}
	h.observe(2*time.Second, 1)
	if p99, _ := h.read(); p99 < 2*time.Second || p99 > 2200*time.Millisecond {
		t.Errorf("p99 %s", p99)
	}
}

func TestLedgerForgetsOldSessions(t *testing.T) {
	l := newLedger(marketOf(t, 7, 0, "BTCUSDT"))
	for n := range int64(maxSessionRecords + 50) {
		open := SessionRecord{N: n + 1, Opened: marketStart}
		l.sessionOpened(open, func() SessionRecord { open.Trades = 99; return open })
	}
	l.sessionClosed(SessionRecord{N: 3, Closed: marketStart})    // forgotten
	l.sessionClosed(SessionRecord{N: 1050, Closed: marketStart}) // known
	got := l.Sessions()
	if len(got) != maxSessionRecords || got[0].N != 51 || got[len(got)-1].N != 1050 || got[len(got)-1].Closed.IsZero() || got[0].Trades != 99 {
		t.Errorf("%d sessions from %d to %+v", len(got), got[0].N, got[len(got)-1])
	}
}
