package reports

import (
	"cmp"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"unicode"

	"steadfeed/soak"
)

// headline is the outcome, why, and which run this is.
func (b *builder) headline() {
	switch v := b.e.verdict; {
	case v != nil:
		b.Verdict, b.Why = outcomeState(v.Outcome), sentence(v)
	case b.e.course == nil || b.e.course.Ended.IsZero():
		b.Verdict, b.Why = state{"none", "not judged"}, "The run is not finished, or was killed before it could be judged."
	default:
		b.Verdict, b.Why = state{"none", "not judged"}, "The run ended and has no verdict."
	}
	began, _ := b.e.times()
	if began.IsZero() {
		began = b.span.began
	}
	if !began.IsZero() {
		b.Began = stamp{Clock: date(began), ISO: began.UTC().Format("2006-01-02T15:04:05Z")}
	}
	b.Title = fmt.Sprintf("%s: %s", strings.ToUpper(b.Verdict.Word), b.Run)
}

// sentence is why the run came to its outcome, without the outcome's name,
// which stands beside it in large type.
func sentence(v *soak.Verdict) string {
	why := []rune(shorten(strings.TrimPrefix(v.Why, string(v.Outcome)+": ")))
	if len(why) == 0 {
		return "The verdict gives no reason."
	}
	why[0] = unicode.ToUpper(why[0])
	return string(why)
}

// notices are what a reader must know before believing anything else.
func (b *builder) notices() {
	if c := b.e.course; c != nil {
		if c.Trouble != "" {
			b.Notices = append(b.Notices, "The harness was in trouble: "+shorten(c.Trouble))
		}
		if c.Interrupted {
			b.Notices = append(b.Notices, "The run was interrupted; what had happened by then is shown.")
		}
	}
	b.Notices = append(b.Notices, b.e.missing...)
	if e := b.e; e.verdict != nil && e.ledger != nil && e.verdict.Delivery != e.delivery() {
		b.Notices = append(b.Notices, "verdict.json and ledger.json differ in their totals: the verdict was not made from this ledger.")
	}
}

// delivery sums the accounts of the ledger, or is what the verdict says.
func (e *evidence) delivery() soak.Delivery {
	if e.ledger == nil {
		return e.verdict.Delivery
	}
	var d soak.Delivery
	for _, a := range e.ledger.Accounts {
		d.Published += a.Published
		d.Delivered += a.Delivered
		d.Lost += a.Lost
		d.Duplicate += a.Duplicate
		d.Disordered += a.Disordered
		d.Altered += a.Altered
	}
	return d
}

// audited is whether the trades were accounted for.
func (e *evidence) audited() bool { return e.ledger != nil || e.verdict != nil }

// validity is whether the run was fit to be judged.
func (b *builder) validity() {
	if b.e.isAudit() {
		b.auditValidity()
		return
	}
	b.Validity = []fact{b.duration(), b.sampling(), b.faults(), b.build(), b.host(), b.load()}
}

// checked adds the outcome of a check to a fact, where there is one.
func (b *builder) checked(f fact, id string) fact {
	if b.e.verdict == nil {
		return f
	}
	for _, c := range b.e.verdict.Checks {
		if c.ID == id && c.Outcome != "" {
			s := outcomeState(c.Outcome)
			f.State = &s
		}
	}
	return f
}

func (b *builder) duration() fact {
	f := fact{Name: "Duration", Value: unknown}
	if began, ended := b.e.times(); !began.IsZero() && ended.After(began) {
		f.Value = length(ended.Sub(began))
	} else if b.span.ended.After(b.span.began) {
		f.Value = "at least " + length(b.span.ended.Sub(b.span.began))
	}
	if planned := b.e.plan.Length(); planned > 0 {
		f.Note = "planned " + length(planned) + " and drain"
	}
	return b.checked(f, "validity.duration")
}

func (b *builder) sampling() fact {
	s := b.e.samples
	f := fact{Name: "Samples", Value: count(s.n)}
	if every := b.e.plan.SampleEvery.D(); every > 0 {
		f.Note = "every " + length(every)
		for _, p := range b.e.plan.Phases {
			if closer := b.e.plan.Pace(p.Name); closer != every {
				f.Note += ", " + length(closer) + " in " + p.Name
			}
		}
		f.Note += ", "
	}
	switch {
	case s.n == 0:
		f.Note = "nothing to draw"
	case s.gaps == 0:
		f.Note += "no gaps"
	default:
		f.Note += plural(s.gaps, "gap") + ", longest " + length(s.longestGap)
	}
	if s.silent > 0 {
		f.Note += ", " + count(s.silent) + " without metrics"
	}
	return b.checked(f, "validity.samples")
}

func (b *builder) faults() fact {
	injections := b.e.injections()
	proven, kinds := 0, map[string]bool{}
	for _, in := range injections {
		if in.Proven {
			proven++
			kinds[in.Kind] = true
		}
	}
	f := fact{Name: "Injections", Value: fmt.Sprintf("%d of %d proven", proven, len(injections))}
	if len(injections) == 0 {
		f.Value, f.Note = "none planned", ""
	} else if len(kinds) > 0 {
		f.Note = shorten(strings.Join(slices.Sorted(mapKeys(kinds)), ", "))
	}
	return b.checked(f, "validity.injections")
}

func mapKeys(m map[string]bool) func(yield func(string) bool) {
	return func(yield func(string) bool) {
		for key := range m {
			if !yield(key) {
				return
			}
		}
	}
}

func (b *builder) build() fact {
	subject := b.e.subject()
	f := fact{Name: "Subject", Value: cmp.Or(shorten(subject.Name), unknown)}
	if subject.Version != "" {
		f.Note = shorten(subject.Version)
	}
	if len(subject.SHA256) >= 12 {
		f.Note += " sha256 " + shorten(subject.SHA256[:12])
	}
	f.Note = strings.TrimSpace(f.Note)
	return b.checked(f, "validity.subject")
}

func (b *builder) host() fact {
	f := fact{Name: "Host and clock", Value: unknown}
	if l := b.e.ledger; l != nil {
		f.Value = "clock step " + seconds(l.ClockStep)
		f.Note = "exchange late by p99 " + seconds(l.PublisherLateP99)
	}
	return b.checked(f, "validity.host")
}

func (b *builder) load() fact {
	f := fact{Name: "Load", Value: unknown, Note: plural(int64(len(b.e.plan.Symbols)), "symbol")}
	if l := b.e.ledger; l != nil && l.Ended.After(l.Began) {
		f.Value = number(float64(b.e.delivery().Published)/l.Ended.Sub(l.Began).Seconds()) + " trades/s"
	} else if n := b.e.samples.last; n.At.After(b.e.samples.first.At) {
		f.Value = number(float64(n.Published-b.e.samples.first.Published)/n.At.Sub(b.e.samples.first.At).Seconds()) + " trades/s"
	}
	if source := b.e.plan.Traffic; source.Capture != "" {
		f.Note += ", replay of " + shorten(filepath.Base(source.Capture))
	} else {
		f.Note += ", synthetic"
	}
	return f
}

// totals is the row of message totals.
func (b *builder) totals() {
	names := []string{"Published", "Delivered", "Lost", "Duplicate", "Disordered", "Altered"}
	if !b.e.audited() {
		for _, name := range names {
			b.Totals = append(b.Totals, figure{Name: name, Value: unknown})
		}
		if last := b.e.samples.last; last.Published > 0 {
			b.Totals[0].Value, b.Totals[0].Note = count(last.Published), "at the last sample"
			b.Totals[1].Value, b.Totals[1].Note = count(last.Delivered), "at the last sample"
		}
		return
	}
	d := b.e.delivery()
	share := "nothing was published"
	if d.Published > 0 {
		share = percent(float64(d.Delivered)/float64(d.Published)) + " of published"
	}
	notes := []string{"trades by the exchange", share, "never in the topic", "copies beyond the first", "behind a higher id", "not as published"}
	if b.e.isAudit() {
		auditNotes := slices.Clone(auditNotes)
		auditNotes[1] = notes[1]
		notes = auditNotes
	}
	for i, n := range []int64{d.Published, d.Delivered, d.Lost, d.Duplicate, d.Disordered, d.Altered} {
		b.Totals = append(b.Totals, figure{Name: names[i], Value: count(n), Note: notes[i], Bad: i >= 2 && n != 0})
	}
}

// weight orders checks by what a reader has to look at first.
func weight(c soak.Check) int {
	switch {
	case c.Role == soak.Gate && c.Outcome == soak.Fail:
		return 0
	case c.Role == soak.Gate && c.Outcome != soak.Pass:
		return 1
	case c.Role == soak.Gate:
		return 2
	case c.Role == soak.Report:
		return 3
	}
	return 4
}

func (b *builder) checks() {
	if b.e.verdict == nil {
		b.unjudged()
		return
	}
	checks := slices.Clone(b.e.verdict.Checks)
	slices.SortStableFunc(checks, func(x, y soak.Check) int { return cmp.Compare(weight(x), weight(y)) })
	gates := 0
	for _, c := range checks {
		if c.Role == soak.Gate {
			gates++
		}
		b.Checks = append(b.Checks, b.checkRow(c))
	}
	b.Roles = plural(int64(gates), "gate") + " of " + plural(int64(len(checks)), "check")
}

// unjudged shows what the run would have been judged by.
func (b *builder) unjudged() {
	for _, l := range b.e.plan.Limits {
		row := checkRow{ID: shorten(l.ID), Role: shorten(string(l.Role)), State: state{"none", "not judged"},
			Limit: "\u2013", Measured: "\u2013", Why: shorten(l.Why)}
		switch {
		case l.Max != nil:
			row.Limit = "at most " + measured(*l.Max, l.Unit)
		case l.Min != nil:
			row.Limit = "at least " + measured(*l.Min, l.Unit)
		}
		b.Checks = append(b.Checks, row)
	}
	b.Roles = "not judged; these are the limits of the plan"
}

func (b *builder) checkRow(c soak.Check) checkRow {
	row := checkRow{
		ID: shorten(c.ID), Role: shorten(string(c.Role)), State: outcomeState(c.Outcome),
		Limit: cmp.Or(shorten(c.Limit), "\u2013"), Measured: "\u2013",
		Why: shorten(c.Why), Evidence: shorten(c.Evidence), Link: b.link(c.Evidence),
		Gate: c.Role == soak.Gate,
	}
	switch {
	case c.Role == soak.NotClaimed:
		row.State = state{"none", "not claimed"}
	case c.Role == soak.Report && c.Outcome == "":
		row.State = state{"none", "reported"}
	}
	if c.Observed != nil {
		row.Measured = measured(*c.Observed, c.Unit)
	}
	if c.Low != nil && c.High != nil {
		row.Interval = measured(*c.Low, c.Unit) + " to " + measured(*c.High, c.Unit)
	}
	return row
}

// link is the evidence as a link, only if it names a file of the run.
func (b *builder) link(evidence string) string {
	name, _, _ := strings.Cut(evidence, " ")
	name = strings.TrimRight(name, ":,;")
	for _, f := range b.e.files {
		if f.Name == name {
			return name
		}
	}
	return ""
}
