package audit

import (
	"math"
	"time"
)

// open is the end of a span or window that has none yet.
const open = math.MaxInt64

// FreshAge: trades are fresh when none that is due has been invisible for
// longer. Criteria call a lag under a second fresh.
const FreshAge = time.Second

// A window is the time in which an injection is answerable for what happens.
// All times here are Unix microseconds.
type window struct {
	name         string
	began, ended int64 // of the injection
	settle       int64
	closed       int64
	trades       int64
	backlog      int64
	pause        int64 // the longest that was charged to it

	// Catching up is watched from the injection's end until the window has
	// closed and trades are fresh, or until the next injection spoils it.
	watched    bool
	fresh      bool
	freshSince int64
	cutShort   string // the injection that began before it had caught up
	cutAt      int64
}

// A span is a stretch of time with the one window that is answerable for it.
type span struct {
	from, to int64
	window   int
}

// timeline is who is answerable for which moment. Spans are in order and do
// not overlap; there are at most two a window, and the plan bounds the windows.
type timeline struct {
	windows []window
	spans   []span
}

func (t *timeline) begin(name string, at int64) {
	for i := range t.windows {
		w := &t.windows[i]
		if w.ended == open || !w.watched {
			continue
		}
		w.watched = false
		if !w.fresh {
			w.cutShort, w.cutAt = name, at
		}
		w.closed = min(w.closed, at)
	}
	t.endSpan(at)
	t.windows = append(t.windows, window{name: name, began: at, ended: open, closed: open})
	t.spans = append(t.spans, span{at, open, len(t.windows) - 1})
}

// end notes that the newest open injection of that name ended.
func (t *timeline) end(name string, at, settle, backlog int64, fresh bool) {
	for i := len(t.windows) - 1; i >= 0; i-- {
		w := &t.windows[i]
		if w.name == name && w.ended == open {
			w.ended, w.settle, w.backlog = at, settle, backlog
			w.watched, w.fresh, w.freshSince = true, fresh, at
			return
		}
	}
}

// pending tells whether any window waits for the subject to settle.
func (t *timeline) pending() bool {
	for i := len(t.windows) - 1; i >= 0; i-- {
		if t.windows[i].watched {
			return true
		}
	}
	return false
}

// observe is told whether trades are fresh and closes what is due. Only a
// record can make them fresh again, so that was when the last one came.
func (t *timeline) observe(now int64, fresh bool, lastRecord int64) {
	for i := range t.windows {
		w := &t.windows[i]
		if !w.watched || now < w.ended {
			continue
		}
		if fresh && !w.fresh {
			w.freshSince = max(min(lastRecord, now), w.ended)
		}
		w.fresh = fresh
		if w.closed == open {
			switch due := w.ended + w.settle; {
			case now >= due && fresh:
				t.close(i, max(due, w.freshSince))
			case now >= due+w.settle:
				t.close(i, due+w.settle)
			}
		}
		w.watched = w.closed == open || !fresh
	}
}

// close closes a window. If another is open, the newest of them answers from
// then on.
func (t *timeline) close(i int, at int64) {
	t.windows[i].closed = at
	if last := len(t.spans) - 1; t.spans[last].window != i || t.spans[last].to != open {
		return
	}
	t.endSpan(at)
	for j := len(t.windows) - 1; j >= 0; j-- {
		if t.windows[j].closed == open {
			t.spans = append(t.spans, span{at, open, j})
			return
		}
	}
}

func (t *timeline) endSpan(at int64) {
	if last := len(t.spans) - 1; last >= 0 && t.spans[last].to == open {
		t.spans[last].to = at
	}
}

// charge divides the time from due to visible among the windows and returns
// what is left: the time for which no injection is answerable. within is the
// window that answers for the moment the trade became visible, or nil.
func (t *timeline) charge(due, visible int64) (undisturbed int64, within *window) {
	undisturbed = max(visible-due, 0)
	for i := len(t.spans) - 1; i >= 0; i-- {
		s := t.spans[i]
		if s.to <= due {
			break
		}
		if s.from > visible {
			continue
		}
		w := &t.windows[s.window]
		if visible <= s.to {
			within = w
		}
		if share := min(visible, s.to) - max(due, s.from); share > 0 {
			w.pause = max(w.pause, share)
			undisturbed -= share
		}
	}
	return undisturbed, within
}

// passes is the moment at which a trade due then has been invisible for age
// without an injection to answer for it.
func (t *timeline) passes(due, age int64) int64 {
	at := due
	for _, s := range t.spans {
		if s.to <= at {
			continue
		}
		if s.from-at > age {
			break
		}
		if s.from > at {
			age -= s.from - at
		}
		if s.to == open {
			return open
		}
		at = s.to
	}
	return at + age
}

// during names the injection that answers for a moment.
func (t *timeline) during(at int64) string {
	for i := len(t.spans) - 1; i >= 0; i-- {
		if s := t.spans[i]; s.from <= at && at <= s.to {
			return t.windows[s.window].name
		}
	}
	return ""
}
