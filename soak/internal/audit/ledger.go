package audit

import (
	"fmt"
	"sort"
	"time"

	"steadfeed/fakebinance"
	"steadfeed/soak"
)

// Ledger closes the books: what is missing now was lost. It changes nothing,
// so that it can be called again; lost trades are reported to OnFinding the
// first time.
func (a *Auditor) Ledger() soak.Ledger {
	a.mu.Lock()
	l, lost := a.close()
	if a.told {
		lost = nil
	}
	a.told = true
	a.mu.Unlock()
	a.tell(lost)
	return l
}

func (a *Auditor) close() (l soak.Ledger, lost []soak.Finding) {
	l = soak.Ledger{Source: a.source.Describe(), Began: utc(a.began), Ended: utc(a.ended)}
	books := findings{kept: append([]soak.Finding{}, a.findings.kept...), omitted: a.findings.omitted}
	for _, c := range a.accounts {
		a.refresh(c)
		l.Accounts = append(l.Accounts, a.closeAccount(*c, &books))
	}
	if s := a.strange; s.altered > 0 {
		l.Accounts = append(l.Accounts, soak.Account{Symbol: s.symbol, Altered: s.altered})
	}
	l.Findings, l.FindingsOmitted = books.kept, books.omitted
	if oldest := a.oldestDue(); oldest < a.latest {
		a.timeline.charge(oldest, a.latest)
	}
	l.Phases = a.closePhases()
	l.Windows = a.closeWindows()
	l.Uptime = a.closeUptime()
	l.Sessions, l.SessionsOmitted = a.closeSessions()
	p99, most := a.ledger.Late()
	l.PublisherLateP99, l.PublisherLateMax = p99.Seconds(), most.Seconds()
	l.ClockStep = a.clock.step.Seconds()
	return l, books.untold
}

// closeAccount works on a copy of the account.
func (a *Auditor) closeAccount(c account, books *findings) soak.Account {
	for _, hole := range c.missing {
		n := hole.last - hole.first + 1
		c.lost += n
		books.add(&c, a.lost(&c, hole.first, hole.last, hole.seen, fmt.Sprintf(
			"%s, never in the topic, though %d is", published(n), hole.last+1)), false)
		a.markLost(&c, hole.first, hole.last)
	}
	if from := c.frontier(); c.owed && from <= c.last {
		n := c.last - from + 1
		c.lost += n
		books.add(&c, a.lost(&c, from, c.last, a.source.Trade(c.symbol, from).EventAt, fmt.Sprintf(
			"%s, never in the topic, and nothing after it", published(n))), false)
		a.markLost(&c, from, c.last)
	}
	out := soak.Account{
		Symbol: c.symbol, Published: c.published(), Delivered: c.delivered,
		Lost: c.lost, Duplicate: c.duplicate, Disordered: c.disordered, Altered: c.altered,
	}
	if out.Published > 0 {
		out.FirstID, out.LastID = c.begins(), c.ends()
	}
	return out
}

func published(n int64) string {
	if n == 1 {
		return "published"
	}
	return fmt.Sprintf("%d trades published", n)
}

func (a *Auditor) lost(c *account, first, last, seen int64, why string) soak.Finding {
	due := a.source.Trade(c.symbol, first).EventAt
	return soak.Finding{Guarantee: soak.Complete, Symbol: c.symbol, FirstID: first, LastID: last, During: a.during(due, seen), Why: why}
}

// markLost marks the bad seconds of a range of lost trades: it steps from
// second to second, not from trade to trade, since a subject that died early
// has lost millions.
func (a *Auditor) markLost(c *account, first, last int64) {
	for id := first; id <= last; {
		due := a.source.Trade(c.symbol, id).EventAt
		a.markBad(due)
		next := due - due%microsPerSecond + microsPerSecond
		id += int64(sort.Search(int(last-id+1), func(i int) bool {
			return a.source.Trade(c.symbol, id+int64(i)).EventAt >= next
		}))
	}
}

func (a *Auditor) closePhases() []soak.PhaseLag {
	lags := []soak.PhaseLag{}
	for _, p := range a.phases {
		if p.lags.count == 0 {
			continue
		}
		lags = append(lags, soak.PhaseLag{
			Phase: p.name, Trades: p.lags.count,
			P50: seconds(p.lags.quantile(0.5)), P99: seconds(p.lags.quantile(0.99)), Max: seconds(p.lags.max),
		})
	}
	return lags
}

func (a *Auditor) closeWindows() []soak.Window {
	windows := []soak.Window{}
	for _, w := range a.timeline.windows {
		out := soak.Window{
			Injection: w.name, Began: moment(w.began), Ended: moment(w.ended), Closed: moment(w.closed),
			Trades: w.trades, Backlog: w.backlog, LongestPause: seconds(w.pause),
			CaughtUp: w.ended != open && w.fresh, CutShort: w.cutShort,
		}
		switch { // as far as it was watched
		case w.ended == open:
		case w.fresh:
			out.CatchUp = seconds(w.freshSince - w.ended)
		case w.cutShort != "":
			out.CatchUp = seconds(w.cutAt - w.ended)
		default:
			out.CatchUp = seconds(max(a.latest-w.ended, 0))
		}
		windows = append(windows, out)
	}
	return windows
}

// closeUptime counts whole seconds of traffic.
func (a *Auditor) closeUptime() (u soak.Uptime) {
	if a.began.IsZero() {
		return u
	}
	began, ended := a.began.UnixMicro(), a.latest
	if !a.ended.IsZero() {
		ended = a.ended.UnixMicro()
	}
	length := max(ended-began, 0)
	u.Seconds = min(length/microsPerSecond, maxUptimeSeconds)
	var disturbed bitmap
	for _, s := range a.timeline.spans {
		disturbed.markRange(max(s.from-began, 0), min(s.to, ended)-began)
	}
	u.Disturbed = min(disturbed.set, u.Seconds)
	u.Bad = min(a.bad.set, u.Seconds-u.Disturbed)
	return u
}

func (a *Auditor) closeSessions() (sessions []soak.Session, omitted int64) {
	records := a.ledger.Sessions()
	if len(records) > 0 {
		omitted = records[0].N - 1
	}
	if n := len(records) - soak.MaxSessions; n > 0 {
		records, omitted = records[n:], omitted+int64(n)
	}
	sessions = make([]soak.Session, len(records))
	for i, r := range records {
		sessions[i] = Session(r)
		sessions[i].During = ""
		if !r.Closed.IsZero() {
			sessions[i].During = a.timeline.during(r.Closed.UnixMicro())
		}
	}
	return sessions, omitted
}

// Session is an exchange's session record in the vocabulary of a run. The two
// have the same fields, in the same order, so that this stays a conversion.
func Session(r fakebinance.SessionRecord) soak.Session { return soak.Session(r) }

func seconds(us int64) float64 { return float64(us) / float64(microsPerSecond) }

func moment(us int64) time.Time {
	if us == open {
		return time.Time{}
	}
	return time.UnixMicro(us).UTC()
}

func utc(t time.Time) time.Time {
	if t.IsZero() {
		return t
	}
	return t.UTC()
}
