package reports

import (
	"fmt"
	"html/template"
	"slices"
	"strings"
	"time"

	"steadfeed/soak"
)

// page is everything on the report, in its order, as text that needs no
// further thought: the template only places it.
type page struct {
	Title    string
	Run      string
	Plan     string
	Seed     uint64
	Verdict  state
	Why      string
	Began    stamp
	Notices  []string // what is missing, what was unusual
	Validity []fact
	Totals   []figure
	Checks   []checkRow
	Roles    string // how many checks of which role

	Memory chartView

	Trades      *tradeTable // nil: no ledger
	Findings    findingTable
	Injections  []injectionRow
	InjectionsN string // beyond those shown
	Timeline    timelineView
	Wide        []chartView
	Process     []chartView
	Sessions    []sessionRow
	SessionsN   string
	Lags        []lagRow

	Claims, NotClaimed, Power []string
	Environment               []fact
	Repeat                    []fact // what for, and the command
	Files                     []file
}

// state is an outcome as icon, word and colour; the word alone says it all.
type state struct {
	Class string // pass, fail, inconclusive, none: names the icon and the colour
	Word  string
}

func outcomeState(o soak.Outcome) state {
	switch o {
	case soak.Pass, soak.Fail, soak.Inconclusive:
		return state{string(o), string(o)}
	case "":
		return state{"none", "no outcome"}
	}
	return state{"none", shorten(string(o))}
}

// stamp is a moment: the clock in UTC, and the time since the start beside it.
type stamp struct {
	Clock, Elapsed, ISO string
}

// fact is a name with its value, and a remark in smaller type.
type fact struct {
	Name, Value, Note string
	State             *state
}

// figure is one of the totals in large type.
type figure struct {
	Name, Value, Note string
	Bad               bool
}

// checkRow is a criterion as one line of the table.
type checkRow struct {
	ID, Role, Limit, Measured string
	Interval                  string // around Measured, where there is one
	Why, Evidence             string
	Link                      string // to the evidence, if that is a file of the run
	State                     state
	Gate                      bool
}

type chartView struct {
	ID, Title, Caption, Reduced string
	SVG                         template.HTML
	Legend                      []legend
	Table                       table
}

type legend struct {
	Class, Name string
}

type timelineView struct {
	SVG     template.HTML
	Caption string
	Events  []eventRow
	Omitted string
}

// builder fills a page, section by section, from the evidence.
type builder struct {
	*page
	e    *evidence
	span span
}

// newPage makes of the evidence what the page says.
func newPage(e *evidence) *page {
	s := e.span()
	m := e.marks()
	drawn := newCharts(e, s, m)
	b := builder{page: &page{Run: shorten(e.id), Plan: shorten(e.plan.Name), Seed: e.plan.Seed, Files: e.files}, e: e, span: s}
	b.headline()
	b.notices()
	b.validity()
	b.totals()
	b.checks()
	b.Memory = b.view(drawn.memory)
	b.trades()
	b.findings()
	b.injections()
	b.course(m)
	b.Wide = []chartView{b.view(drawn.throughput), b.view(drawn.lag)}
	for _, c := range drawn.process {
		b.Process = append(b.Process, b.view(c))
	}
	b.lags()
	b.sessions()
	b.claims()
	b.environment()
	b.repeat()
	return b.page
}

// view is a chart with its legend and the table of its figures.
func (b *builder) view(c *chart) chartView {
	v := chartView{ID: c.id, Title: c.title, Caption: c.caption, Reduced: c.reduced(), SVG: c.svg(), Table: c.table()}
	if !c.size.labels || v.SVG == "" {
		return v // a small chart has one line, and its title names it
	}
	for _, s := range c.lines {
		if s.n > 0 {
			v.Legend = append(v.Legend, legend{fmt.Sprintf("line s%d", s.style), s.name})
		}
	}
	if c.limit != nil {
		v.Legend = append(v.Legend, legend{"limit", "limit"})
	}
	for _, band := range c.marks.bands {
		if band.wasRun {
			v.Legend = append(v.Legend, legend{"band", "injection"}, legend{"settle", "settling"})
			break
		}
	}
	return v
}

// marks takes phases and injections from the evidence into the charts.
func (e *evidence) marks() marks {
	m := marks{phases: e.phases}
	for i, in := range e.injections() {
		mark := band{number: i + 1, name: shorten(in.Name), began: in.Began, ended: in.Ended, proven: in.Proven, wasRun: !in.Began.IsZero()}
		if w := e.window(in.Name); w != nil {
			mark.settled = w.Closed
		}
		m.bands = append(m.bands, mark)
	}
	return m
}

// injections are those of the plan with what became of them. The plan is
// written again when a run ends; of a run that was judged, the verdict has them
// too.
func (e *evidence) injections() []soak.Injection {
	if e.verdict != nil && len(e.verdict.Injections) >= len(e.plan.Injections) {
		return e.verdict.Injections
	}
	return e.plan.Injections
}

func (e *evidence) window(injection string) *soak.Window {
	if e.ledger == nil {
		return nil
	}
	i := slices.IndexFunc(e.ledger.Windows, func(w soak.Window) bool { return w.Injection == injection })
	if i < 0 {
		return nil
	}
	return &e.ledger.Windows[i]
}

// subject is the build under test as far as the run directory tells.
func (e *evidence) subject() soak.SubjectBuild {
	switch {
	case e.course != nil && e.course.Subject.Command != "":
		return e.course.Subject
	case e.verdict != nil:
		return e.verdict.Subject
	}
	return soak.SubjectBuild{Name: e.plan.Subject.Name, Command: strings.Join(e.plan.Subject.Command, " ")}
}

// times are when the run began and ended; zero where that is not known.
func (e *evidence) times() (began, ended time.Time) {
	switch {
	case e.verdict != nil && !e.verdict.Began.IsZero():
		return e.verdict.Began, e.verdict.Ended
	case e.course != nil:
		return e.course.Began, e.course.Ended
	}
	return time.Time{}, time.Time{}
}

// stamp writes a moment; of a run longer than a day with its date.
func (b *builder) stamp(t time.Time) stamp {
	if t.IsZero() {
		return stamp{}
	}
	text := clock(t)
	if b.span.ended.Sub(b.span.began) > 24*time.Hour {
		text = t.UTC().Format("2 Jan 15:04:05")
	}
	return stamp{text, b.span.elapsed(t), t.UTC().Format("2006-01-02T15:04:05Z")}
}
