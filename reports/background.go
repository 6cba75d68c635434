package reports

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"steadfeed/soak"
)

// claims is what the run says, does not say, and could have missed.
func (b *builder) claims() {
	v := b.e.verdict
	if v == nil {
		return
	}
	for _, list := range []struct {
		from []string
		to   *[]string
	}{{v.Claims, &b.Claims}, {v.NotClaimed, &b.NotClaimed}, {v.Power, &b.Power}} {
		for _, text := range list.from {
			*list.to = append(*list.to, shorten(text))
		}
	}
}

// environment is what was tested, by what, and where.
func (b *builder) environment() {
	e := b.e
	add := func(name, value string) {
		if value != "" {
			b.Environment = append(b.Environment, fact{Name: shorten(name), Value: shorten(value)})
		}
	}
	subject := e.subject()
	add("Plan", e.plan.Name+": "+e.plan.About)
	add("Seed", strconv.FormatUint(e.plan.Seed, 10))
	add("Phases", phases(e.plan))
	add("Symbols", strings.Join(e.plan.Symbols, ", "))
	if e.ledger != nil {
		add("Trades from", e.ledger.Source)
	}
	add("Subject", cmp.Or(subject.Command, strings.Join(e.plan.Subject.Command, " ")))
	add("Version", subject.Version)
	add("SHA-256", subject.SHA256)
	add("Ended with", subject.Exit)
	add("Settings", settings(e.plan.Subject.Settings))
	if e.ledger != nil && !e.isAudit() {
		u := e.ledger.Uptime
		add("Uptime", fmt.Sprintf("%s in all, %s within disturbance, %s outside it with a due trade invisible for more than 5 s",
			seconds(float64(u.Seconds)), seconds(float64(u.Disturbed)), seconds(float64(u.Bad))))
		add("Exchange", fmt.Sprintf("published late by %s (p99), at most %s; that is part of every lag", seconds(e.ledger.PublisherLateP99), seconds(e.ledger.PublisherLateMax)))
		add("Clock", "largest step of the wall clock against the steady one: "+seconds(e.ledger.ClockStep))
	}
	if s := e.samples; s.n > 1 {
		share := (s.last.HarnessCPUSeconds - s.first.HarnessCPUSeconds) / s.last.At.Sub(s.first.At).Seconds()
		add("Harness", fmt.Sprintf("used %s of a core and at most %s beside the subject", percent(share), megabytes(float64(s.largestHarness))))
	}
	for _, event := range e.events {
		if event.Kind != soak.EventHarness || len(event.Fields) == 0 {
			continue
		}
		add(event.Name, settings(event.Fields))
	}
}

func phases(plan soak.Plan) string {
	var parts []string
	for _, p := range plan.Phases {
		parts = append(parts, p.Name+" "+length(p.For.D()))
	}
	return strings.Join(parts, ", then ")
}

func settings(fields map[string]string) string {
	var parts []string
	for name, value := range fields {
		parts = append(parts, name+"="+value)
	}
	slices.Sort(parts)
	return strings.Join(parts, " ")
}

// repeat is how to do it all again.
func (b *builder) repeat() {
	dir := "runs/" + b.e.id
	what, command := repetition(b.e.plan, dir)
	b.Repeat = []fact{
		{Name: what, Value: command},
		{Name: "Judge this run again", Value: "bin/soak judge " + quote(dir)},
		{Name: "Write this page again", Value: "bin/soak report " + quote(dir)},
	}
}
