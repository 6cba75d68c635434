package reports

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"steadfeed/soak"
)

// Bounds of the tables on the page; the files of the run directory hold
// everything. A page that nobody can scroll through helps nobody.
const (
	maxInjectionRows = 300
	maxSessionRows   = 100
)

type tradeTable struct {
	Source string
	How    string // what was done with the trades
	Rows   []tradeRow
	Sum    tradeRow
}

type tradeRow struct {
	Symbol, IDs, Published, Delivered, Share string
	Broken                                   []brokenCell
}

// brokenCell is a count of broken promises: nought or marked.
type brokenCell struct {
	Text string
	Bad  bool
}

// trades is the account of each symbol.
func (b *builder) trades() {
	l := b.e.ledger
	if l == nil {
		return
	}
	t := &tradeTable{Source: shorten(l.Source), How: b.how()}
	for _, a := range l.Accounts {
		row := newTradeRow(shorten(a.Symbol), a)
		if a.Published > 0 {
			row.IDs = strconv.FormatInt(a.FirstID, 10) + " to " + strconv.FormatInt(a.LastID, 10)
		}
		t.Rows = append(t.Rows, row)
	}
	d := b.e.delivery()
	t.Sum = newTradeRow("all", soak.Account{Published: d.Published, Delivered: d.Delivered, Lost: d.Lost,
		Duplicate: d.Duplicate, Disordered: d.Disordered, Altered: d.Altered})
	b.Trades = t
}

func newTradeRow(name string, a soak.Account) tradeRow {
	row := tradeRow{Symbol: name, IDs: "\u2013", Published: count(a.Published), Delivered: count(a.Delivered), Share: "\u2013"}
	if a.Published > 0 {
		row.Share = percent(float64(a.Delivered) / float64(a.Published))
	}
	for _, n := range []int64{a.Lost, a.Duplicate, a.Disordered, a.Altered} {
		row.Broken = append(row.Broken, brokenCell{count(n), n != 0})
	}
	return row
}

type findingTable struct {
	None    string // said when there are no rows
	Rows    []findingRow
	Omitted string
}

type findingRow struct {
	Guarantee, Meaning, Symbol, IDs, N, During, Why string
}

var meanings = map[soak.Guarantee]string{
	soak.Complete: "lost", soak.Unique: "duplicate", soak.Ordered: "disordered", soak.Faithful: "altered",
}

// findings are the broken guarantees, each with its evidence.
func (b *builder) findings() {
	var findings []soak.Finding
	switch e := b.e; {
	case e.ledger != nil:
		findings = e.ledger.Findings
		if e.ledger.FindingsOmitted > 0 {
			b.Findings.Omitted = plural(e.ledger.FindingsOmitted, "further finding") + " counted and not listed."
		}
	case e.verdict != nil:
		findings = e.verdict.Findings
	default:
		b.Findings.None = "Not known: the trades were not audited."
		return
	}
	if len(findings) > soak.MaxFindings {
		b.Findings.Omitted = "The first " + count(soak.MaxFindings) + " are listed; ledger.json has them all."
		findings = findings[:soak.MaxFindings]
	}
	for _, f := range findings {
		b.Findings.Rows = append(b.Findings.Rows, findingRow{
			Guarantee: shorten(string(f.Guarantee)), Meaning: meanings[f.Guarantee], Symbol: shorten(f.Symbol),
			IDs: idRange(f.FirstID, f.LastID), N: count(max(1, f.LastID-f.FirstID+1)),
			During: cmp.Or(shorten(f.During), "no injection"), Why: shorten(f.Why),
		})
	}
	if n := b.e.delivery().Delivered; len(findings) == 0 && n == 0 {
		b.Findings.None = "No trade was delivered, so there was nothing to find."
	} else if len(findings) == 0 {
		b.Findings.None = "No guarantee was found broken in " + plural(n, "delivered trade") + "."
	}
}

func idRange(first, last int64) string {
	if first == last {
		return strconv.FormatInt(first, 10)
	}
	return strconv.FormatInt(first, 10) + " to " + strconv.FormatInt(last, 10)
}

type injectionRow struct {
	N                          int
	Name, Fault, Target        string
	Settings, Planned          string
	Began, Ended               stamp
	Lasted                     string
	Proof                      state
	Evidence                   string
	Pause, CatchUp, Reconnects declared
	Backlog                    string
}

// declared is what was measured against what the injection was entitled to.
type declared struct {
	Measured, Allowed string
	Over              bool
}

func (b *builder) injections() {
	all := b.e.injections()
	for i, in := range all {
		if i == maxInjectionRows {
			b.InjectionsN = fmt.Sprintf("The first %d of %d injections are listed; plan.json and ledger.json have them all.", i, len(all))
			break
		}
		b.Injections = append(b.Injections, b.injectionRow(i+1, in))
	}
}

func (b *builder) injectionRow(n int, in soak.Injection) injectionRow {
	row := injectionRow{
		N: n, Name: shorten(in.Name), Fault: shorten(in.Fault), Target: shorten(in.Target),
		Planned: elapsed(in.At.D()) + " for " + length(in.For.D()),
		Began:   b.stamp(in.Began), Ended: b.stamp(in.Ended),
		Evidence: shorten(in.Evidence), Lasted: "\u2013", Backlog: "\u2013",
	}
	if in.Kind != in.Fault {
		row.Fault += " (" + shorten(in.Kind) + ")"
	}
	var settings []string
	for name, value := range in.Settings {
		settings = append(settings, shorten(name+"="+value))
	}
	slices.Sort(settings)
	row.Settings = strings.Join(settings, ", ")
	switch {
	case in.Began.IsZero():
		row.Proof = state{"none", "not begun"}
	case in.Proven:
		row.Proof = state{"pass", "proven"}
	default:
		row.Proof = state{"inconclusive", "not proven"}
	}
	if in.Err != "" {
		row.Evidence = strings.TrimPrefix(row.Evidence+"; trouble: "+shorten(in.Err), "; ")
	}
	if in.Ended.After(in.Began) {
		row.Lasted = length(in.Ended.Sub(in.Began))
	}
	if !in.Ended.IsZero() {
		row.Ended.Clock = clock(in.Ended) // the day stands before it
	}
	row.Pause = declared{"\u2013", length(in.Disturbance.Pause.D()), false}
	row.CatchUp = declared{"\u2013", "settles in " + length(in.Disturbance.Settle.D()), false}
	row.Reconnects = declared{"\u2013", strconv.Itoa(in.Disturbance.Reconnects), false}
	b.measure(&row, in)
	return row
}

// measure sets what the injection did against what it declared.
func (b *builder) measure(row *injectionRow, in soak.Injection) {
	w := b.e.window(in.Name)
	if w == nil {
		return
	}
	row.Pause.Measured = seconds(w.LongestPause)
	row.Pause.Over = w.LongestPause > in.Disturbance.Pause.D().Seconds()
	row.Backlog = count(w.Backlog)
	row.CatchUp.Measured = seconds(w.CatchUp)
	if !w.CaughtUp {
		row.CatchUp.Measured, row.CatchUp.Over = "not caught up", true
	}
	ended := 0
	for _, s := range b.e.ledger.Sessions {
		if s.During == in.Name && b.e.ledger.Reconnected(s) {
			ended++
		}
	}
	row.Reconnects.Measured = strconv.Itoa(ended)
	row.Reconnects.Over = ended > in.Disturbance.Reconnects
}

type eventRow struct {
	At               stamp
	Kind, Name, Text string
	OmittedAfter     bool // the events left out lie below this row
}

// course is the timeline and the events behind it.
func (b *builder) course(m marks) {
	t := timeline{span: b.span, marks: m, findings: b.e.findings}
	if b.e.ledger != nil {
		t.unplanned = func(s soak.Session) bool { return unplanned(b.e.ledger, s) }
		t.sessions = slices.SortedStableFunc(slices.Values(b.e.ledger.Sessions), func(x, y soak.Session) int { return x.Opened.Compare(y.Opened) })
	}
	for i, event := range b.e.events {
		row := eventRow{At: b.stamp(event.At), Kind: shorten(string(event.Kind)), Name: shorten(event.Name), Text: shorten(event.Text)}
		row.OmittedAfter = b.e.eventsOmitted > 0 && i == maxEvents/2-1
		b.Timeline.Events = append(b.Timeline.Events, row)
		switch event.Kind {
		case soak.EventSubject:
			t.subject = append(t.subject, mark{event.At, row.Text})
		case soak.EventAlert:
			t.alerts = append(t.alerts, mark{event.At, row.Name + " " + row.Text})
		case soak.EventHarness:
			t.harness = append(t.harness, mark{event.At, row.Text})
		}
	}
	if n := b.e.eventsOmitted; n > 0 {
		b.Timeline.Omitted = plural(n, "event") + " in between: see " + soak.EventsFile + "."
	}
	b.Timeline.SVG, b.Timeline.Caption = t.svg(), t.caption()
}

type lagRow struct {
	Phase, Trades, P50, P99, Max string
}

// lags are the freshness figures by phase.
func (b *builder) lags() {
	if b.e.ledger == nil {
		return
	}
	for _, p := range b.e.ledger.Phases {
		b.Lags = append(b.Lags, lagRow{shorten(p.Phase), count(p.Trades), seconds(p.P50), seconds(p.P99), seconds(p.Max)})
	}
}

type sessionRow struct {
	N, Lasted, Streams, Trades       string
	ServerPings, ClientPings, Missed string
	Opened, Closed                   stamp
	EndedBy, Reason, During          string
	Unplanned                        bool
}

// unplanned is whether neither an injection nor a rotation accounts for the end
// of a session: it counts against the subject.
func unplanned(l *soak.Ledger, s soak.Session) bool { return s.During == "" && l.Reconnected(s) }

func (b *builder) sessions() {
	l := b.e.ledger
	if l == nil {
		return
	}
	all := slices.SortedStableFunc(slices.Values(l.Sessions), func(x, y soak.Session) int { return cmp.Compare(x.N, y.N) })
	shown := all[max(0, len(all)-maxSessionRows):]
	if left := int64(len(all)-len(shown)) + l.SessionsOmitted; left > 0 {
		b.SessionsN = fmt.Sprintf("The newest %d are listed; %s before them (the newest %d are in ledger.json).", len(shown), plural(left, "session"), len(all))
	}
	for _, s := range shown {
		row := sessionRow{
			N: count(s.N), Streams: count(int64(s.Streams)), Trades: count(s.Trades),
			ServerPings: count(s.PongsGot) + " of " + count(s.PingsSent),
			ClientPings: count(s.PongsSent) + " of " + count(s.ClientPings),
			Missed:      count(s.PongTimeouts),
			Opened:      b.stamp(s.Opened), Closed: b.stamp(s.Closed), Lasted: "\u2013",
			EndedBy: shorten(s.EndedBy), Reason: shorten(s.Reason), During: cmp.Or(shorten(s.During), "\u2013"),
			Unplanned: unplanned(l, s),
		}
		if !s.Closed.IsZero() {
			row.Lasted = length(s.Closed.Sub(s.Opened).Round(100 * time.Millisecond))
		}
		b.Sessions = append(b.Sessions, row)
	}
}
