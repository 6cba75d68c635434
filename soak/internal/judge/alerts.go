package judge

import (
	"fmt"
	"slices"
	"time"

	"steadfeed/soak"
)

const (
	// alertWithin is what an alert may come later than what causes it: a
	// scrape, an evaluation and a look, 5 s each, on a busy machine.
	alertWithin = 30 * time.Second
	// missedLooks: with more than this share of them missing, an alert may have
	// fired unseen.
	missedLooks = 0.05
)

// watched says why nothing can be said of alerts, or "".
func watched(e *Evidence) string {
	switch a := e.Alerts; {
	case a == nil:
		return "nobody watched for alerts"
	case a.Looks == 0 || len(a.Rules) == 0:
		return "Prometheus had no rules, or was never asked for them"
	case float64(a.Missed) > missedLooks*float64(a.Looks):
		return fmt.Sprintf("Prometheus did not answer %s of %s times", group(a.Missed), group(a.Looks))
	}
	return ""
}

// alertsExpected counts the alerts that injections name and that did not fire
// by then. One that fires still from an injection before counts: it cannot
// fire twice.
func alertsExpected(e *Evidence, _ soak.Limit) measurement {
	m := measurement{evidence: soak.CourseFile, why: watched(e)}
	if m.why != "" {
		m.unfit = true
		return m
	}
	var named, missing int
	for _, in := range e.Plan.Injections {
		if in.Began.IsZero() || in.Ended.IsZero() || !in.Proven { // validity.injections says so
			continue
		}
		for _, name := range in.Alerts {
			named++
			if slices.ContainsFunc(e.Alerts.Fired, func(a soak.Alert) bool {
				return a.Name == name && !a.Began.After(until(in)) && (a.Ended.IsZero() || a.Ended.After(in.Began))
			}) {
				continue
			}
			missing++
			if m.why == "" {
				m.why = fmt.Sprintf("%s did not fire for %s", name, in.Name)
				if !slices.Contains(e.Alerts.Rules, name) {
					m.why += ": there is no such rule"
				}
			}
		}
	}
	m.value = number(missing)
	switch {
	case named == 0:
		m.why = "no injection of this run names an alert"
	case missing == 0:
		m.why = fmt.Sprintf("all %d that injections name fired", named)
	}
	return m
}

// alertsUnexpected counts the alerts that fired without an injection that
// names them or may fire them.
func alertsUnexpected(e *Evidence, _ soak.Limit) measurement {
	m := measurement{evidence: soak.CourseFile, why: watched(e)}
	if m.why != "" {
		m.unfit = true
		return m
	}
	excess := e.Alerts.Omitted
	for _, a := range e.Alerts.Fired {
		if slices.ContainsFunc(e.Plan.Injections, func(in soak.Injection) bool {
			return !in.Began.IsZero() && !a.Began.Before(in.Began) && (in.Ended.IsZero() || !a.Began.After(until(in))) &&
				(slices.Contains(in.Alerts, a.Name) || slices.Contains(in.Disturbance.Alerts, a.Name))
		}) {
			continue
		}
		excess++
		if m.why == "" {
			m.why = fmt.Sprintf("%s fired at %s; no injection of that time names it", a.Name, clock(a.Began))
		}
	}
	m.value = number(excess)
	if excess == 0 {
		m.why = fmt.Sprintf("%d fired, each by an injection; %d rules watched", len(e.Alerts.Fired), len(e.Alerts.Rules))
	}
	return m
}

// until is the latest moment at which an alert can still be the injection's.
func until(in soak.Injection) time.Time {
	return in.Ended.Add(in.Disturbance.Settle.D() + alertWithin)
}
