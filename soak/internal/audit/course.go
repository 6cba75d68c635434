package audit

import "time"

// Phase says that a phase began. Trades due before the first one count to it.
func (a *Auditor) Phase(name string, at time.Time) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if len(a.phases) < maxPhases {
		a.phases = append(a.phases, phase{name, at.UnixMicro(), new(histogram)})
	}
}

// Begin says that traffic began: uptime counts from here.
func (a *Auditor) Begin(at time.Time) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.began, a.ended = at, time.Time{}
}

// End says that traffic ended. Records of it are still expected.
func (a *Auditor) End(at time.Time) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.ended = at
	a.latest = max(a.latest, at.UnixMicro())
}

// Disturb says that an injection is about to begin: it opens its window. Call
// it before the fault acts, so that no effect of it falls outside.
func (a *Auditor) Disturb(injection string, at time.Time) {
	a.mu.Lock()
	defer a.mu.Unlock()
	now := at.UnixMicro()
	a.latest = max(a.latest, now)
	a.look(now)
	a.timeline.begin(injection, now)
}

// Heal says that an injection ended. Its window closes settle later, or when
// the subject has caught up if that is later, at most twice settle later.
func (a *Auditor) Heal(injection string, at time.Time, settle time.Duration) {
	a.mu.Lock()
	defer a.mu.Unlock()
	now := at.UnixMicro()
	a.latest = max(a.latest, now)
	var backlog int64
	for _, c := range a.accounts {
		a.refresh(c)
		backlog += c.behind() - c.missing.size() - c.lost
	}
	a.timeline.end(injection, now, settle.Microseconds(), backlog, a.fresh(now))
	a.look(now)
}

// Pause is the longest time so far that a due trade was invisible for which an
// injection answers; 0 for one that never began. What is still invisible is in
// it as of the last call of Now.
func (a *Auditor) Pause(injection string) time.Duration {
	a.mu.Lock()
	defer a.mu.Unlock()
	for i := len(a.timeline.windows) - 1; i >= 0; i-- {
		if w := &a.timeline.windows[i]; w.name == injection {
			return time.Duration(w.pause) * time.Microsecond
		}
	}
	return 0
}

// look lets the windows know how things stand.
func (a *Auditor) look(now int64) {
	a.looked = now
	if !a.timeline.pending() {
		return
	}
	for _, c := range a.accounts {
		a.refresh(c)
	}
	a.timeline.observe(now, a.fresh(now), a.visible)
}

// fresh tells whether no trade beyond those visible has been due for longer
// than is fresh.
func (a *Auditor) fresh(now int64) bool {
	return now-a.oldestDue() <= a.freshAge
}

// oldestDue is when the oldest trade was due that is published and lies beyond
// the newest visible one of its symbol; never if there is none.
func (a *Auditor) oldestDue() int64 {
	oldest := int64(never)
	for _, c := range a.accounts {
		oldest = min(oldest, a.frontierDue(c))
	}
	return oldest
}

func (a *Auditor) frontierDue(c *account) int64 {
	id := c.frontier()
	if !c.owed || id > c.last {
		return never
	}
	if c.frontierID != id {
		c.frontierID, c.frontierDue = id, a.source.Trade(c.symbol, id).EventAt
	}
	return c.frontierDue
}
