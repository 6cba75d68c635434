package reports

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"steadfeed/soak"
)

// evidence is what a run directory was found to hold.
type evidence struct {
	id      string
	plan    soak.Plan
	course  *soak.Course  // nil: missing
	ledger  *soak.Ledger  // nil: missing
	verdict *soak.Verdict // nil: missing

	events        []soak.Event // the first and the last maxEvents/2
	eventsOmitted int64        // between them
	findings      []time.Time  // when guarantees were seen to break; at most maxEvents
	phases        []phaseMark
	files         []file
	samples       survey
	missing       []string // what a complete run would have, one sentence each
	run           *soak.Run
}

// file is one raw file beside the report.
type file struct {
	Name, About string
}

// maxEvents bounds the events kept for the page; a run of a month has
// thousands, and events.ndjson holds them all. The beginning and the end tell
// more about a run than its middle.
const maxEvents = 200

// survey is what a first reading of the samples says about them.
type survey struct {
	n, gaps, silent int64 // silent: the subject's /metrics gave nothing
	others          int64 // of another subject than the one that is drawn
	first, last     soak.Sample
	longestGap      time.Duration
	largestHarness  int64 // resident bytes
	allowedGap      time.Duration
}

// gapFactor: more than three sampling intervals without a sample are a gap;
// one or two are a busy machine.
const gapFactor = 3

// collect reads everything but the series from the run directory. What cannot
// be read is told on the page; it is no reason to have none.
func collect(run *soak.Run) *evidence {
	e := &evidence{id: run.ID(), plan: run.Plan(), run: run}
	e.course = optional(e, soak.CourseFile, run.ReadCourse,
		"what was tested and how the run itself went is not known")
	e.verdict = optional(e, soak.VerdictFile, run.ReadVerdict,
		"the run has not been judged, so this page has evidence and no verdict")
	e.ledger = optional(e, soak.LedgerFile, run.ReadLedger,
		"the run did not get as far as its audit, so nothing is known of lost, duplicate, disordered or altered trades")
	e.readEvents()
	e.surveySamples()
	e.findFiles()
	return e
}

func optional[T any](e *evidence, name string, read func() (T, error), without string) *T {
	value, err := read()
	switch {
	case err == nil:
		return &value
	case errors.Is(err, fs.ErrNotExist):
		e.lacks("%s is missing: %s.", name, without)
	default:
		e.lacks("%s cannot be read (%s): %s.", name, e.local(err), without)
	}
	return nil
}

func (e *evidence) lacks(format string, a ...any) {
	e.missing = append(e.missing, shorten(fmt.Sprintf(format, a...)))
}

// local takes the place of the run directory out of an error: a report must
// read the same wherever the directory lies.
func (e *evidence) local(err error) string {
	return strings.ReplaceAll(err.Error(), e.run.Dir()+string(filepath.Separator), "")
}

func (e *evidence) readEvents() {
	var n int64
	for event, err := range e.run.Events() {
		if err != nil {
			e.lacks("%s is damaged (%s): later events are left out.", soak.EventsFile, e.local(err))
			break
		}
		n++
		e.keep(event)
		switch event.Kind {
		case soak.EventPhase:
			name := shorten(event.Name)
			if last := len(e.phases) - 1; last < 0 || e.phases[last].name != name && last < maxEvents {
				e.phases = append(e.phases, phaseMark{name, event.At})
			}
		case soak.EventFinding:
			if len(e.findings) < maxEvents {
				e.findings = append(e.findings, event.At)
			}
		}
	}
	if n == 0 {
		e.lacks("%s holds no events: the course of the run is not known.", soak.EventsFile)
	}
	e.noteTorn(soak.EventsFile)
}

// keep holds on to the first and the last events.
func (e *evidence) keep(event soak.Event) {
	if len(e.events) < maxEvents {
		e.events = append(e.events, event)
		return
	}
	copy(e.events[maxEvents/2:], e.events[maxEvents/2+1:])
	e.events[maxEvents-1] = event
	e.eventsOmitted++
}

func (e *evidence) surveySamples() {
	s := &e.samples
	s.allowedGap = gapFactor * e.plan.SampleEvery.D()
	for sample, err := range e.run.Samples() {
		if err != nil {
			e.lacks("%s is damaged (%s): later samples are left out.", soak.SamplesFile, e.local(err))
			break
		}
		if s.n == 0 {
			s.first, s.last = sample, sample
		}
		if sample.Subject != s.first.Subject {
			s.others++
			continue
		}
		s.n++
		if gap := sample.At.Sub(s.last.At); s.allowedGap > 0 && gap > s.allowedGap {
			s.gaps++
			s.longestGap = max(s.longestGap, gap)
		}
		if sample.MetricsErr != "" {
			s.silent++
		}
		s.largestHarness = max(s.largestHarness, sample.HarnessRSSBytes)
		s.last = sample
	}
	if s.n == 0 {
		e.lacks("%s holds no samples: memory, throughput and lag over time are not known.", soak.SamplesFile)
	}
	if s.others > 0 {
		e.lacks("%s of other subjects than %s are in %s and not drawn.", plural(s.others, "sample"), s.first.Subject, soak.SamplesFile)
	}
	e.noteTorn(soak.SamplesFile)
}

// noteTorn says so when a crash cut the last line of a file short; the reader
// of the run directory passes over it.
func (e *evidence) noteTorn(name string) {
	f, err := os.Open(filepath.Join(e.run.Dir(), name))
	if err != nil {
		return // missing: has been said
	}
	defer f.Close()
	size, err := f.Seek(0, 2)
	if err != nil || size == 0 {
		return
	}
	last := make([]byte, 1)
	if _, err := f.ReadAt(last, size-1); err == nil && last[0] != '\n' {
		e.lacks("The last line of %s is torn, as a crash leaves it.", name)
	}
}

// fill reads the samples once more, into the series of all charts.
func (e *evidence) fill(s span, charts []*chart) {
	var prev *soak.Sample
	for sample, err := range e.run.Samples() {
		if err != nil {
			return // told by the survey
		}
		if sample.Subject != e.samples.first.Subject {
			continue
		}
		if prev != nil && (e.samples.allowedGap > 0 && sample.At.Sub(prev.At) > e.samples.allowedGap || !sample.At.After(prev.At)) {
			prev = nil
		}
		place := s.place(sample.At)
		for _, chart := range charts {
			for _, line := range chart.lines {
				line.add(prev, &sample, place)
			}
		}
		prev = &sample
	}
}

// span is the time that the charts show: from the first to the last thing that
// is dated.
func (e *evidence) span() span {
	var s span
	include := func(t time.Time) {
		if t.IsZero() {
			return
		}
		if s.began.IsZero() || t.Before(s.began) {
			s.began = t
		}
		if t.After(s.ended) {
			s.ended = t
		}
	}
	if len(e.phases) > 0 {
		s.zero = e.phases[0].at
		include(s.zero)
	}
	include(e.samples.first.At)
	include(e.samples.last.At)
	if n := len(e.events); n > 0 {
		include(e.events[0].At)
		include(e.events[n-1].At)
	}
	if e.ledger != nil {
		include(e.ledger.Began)
		include(e.ledger.Ended)
	}
	for _, in := range e.injections() {
		include(in.Began)
		include(in.Ended)
	}
	if s.zero.IsZero() {
		s.zero = s.began
	}
	return s
}

// rawFiles are the files that a run may leave, in the order to look at them.
var rawFiles = []file{
	{soak.VerdictFile, "the verdict with every check, for programs"},
	{soak.SummaryFile, "the verdict on a page"},
	{soak.JUnitFile, "the checks as test cases, for continuous integration"},
	{soak.LedgerFile, "published against delivered: accounts, windows, sessions, findings"},
	{soak.PlanFile, "the plan, its limits, and what became of each injection"},
	{soak.CourseFile, "what was tested, when, and whether the run was interrupted"},
	{soak.EventsFile, "everything dated, one JSON object a line"},
	{soak.SamplesFile, "every sample with all counters of the subject, one JSON object a line"},
	{soak.LogsDir + "/", "output of the subject"},
	{soak.ProfilesDir + "/", "heap and goroutine profiles of the subject, for go tool pprof"},
}

func (e *evidence) findFiles() {
	for _, f := range rawFiles {
		if _, err := os.Stat(filepath.Join(e.run.Dir(), f.Name)); err == nil {
			e.files = append(e.files, f)
		}
	}
}
