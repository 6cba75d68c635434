package judge

import (
	"fmt"
	"strings"

	"steadfeed/soak"
)

// headline is the verdict in one sentence: what passed and what is not
// claimed, or what is worst.
func headline(e *Evidence, v *soak.Verdict) string {
	switch v.Outcome {
	case soak.Pass:
		text := "pass: " + strings.Join(v.Claims, "; ")
		if unclaimed := areas(v.Checks); len(unclaimed) > 0 {
			text += "; not claimed: " + strings.Join(unclaimed, ", ")
		}
		return text
	case soak.Fail:
		return "fail: " + worst(v.Checks, soak.Fail)
	}
	var reasons []string
	if e.Trouble != "" {
		reasons = append(reasons, "the harness was in trouble: "+firstLine(e.Trouble))
	}
	if e.Interrupted {
		reasons = append(reasons, "the run was interrupted")
	}
	if e.published() == 0 && e.Trouble == "" {
		reasons = append(reasons, nothingPublished)
	}
	if len(reasons) == 0 {
		reasons = append(reasons, worst(v.Checks, soak.Inconclusive))
	}
	return "inconclusive: " + strings.Join(reasons, "; ")
}

// worst names the first gate of an outcome with its reason, and how many more
// there are. The criteria are in order of weight: a lost trade comes before a
// slow one.
func worst(checks []soak.Check, o soak.Outcome) string {
	var first string
	var others []string
	for _, c := range checks {
		switch {
		case c.Role != soak.Gate || c.Outcome != o:
		case first == "":
			first = c.ID + ", " + reason(c)
		default:
			others = append(others, c.ID)
		}
	}
	switch {
	case first == "":
		return "no check is a gate"
	case len(others) > 0:
		return first + "; also " + strings.Join(others, ", ")
	}
	return first
}

// reason is why a check came out as it did, with the figure and its limit
// where the reason is not the figure itself.
func reason(c soak.Check) string {
	criterion, known := find(c.ID)
	if !known || criterion.bound == fixed || c.Observed == nil || strings.HasPrefix(c.ID, "delivery.") {
		return c.Why
	}
	return fmt.Sprintf("%s (limit: %s): %s", observed(c), c.Limit, c.Why)
}

// claims are what this run showed, one sentence an area: the gates that
// passed.
func claims(e *Evidence, checks []soak.Check) []string {
	passed := map[string]soak.Check{}
	for _, c := range checks {
		if c.Role == soak.Gate && c.Outcome == soak.Pass {
			passed[c.ID] = c
		}
	}
	has := func(ids ...string) bool {
		for _, id := range ids {
			if _, ok := passed[id]; !ok {
				return false
			}
		}
		return true
	}
	out := []string{}
	if r := e.Ledger.Reading; r != nil {
		return append(out, topicClaims(e, r, has)...)
	}
	if has("delivery.complete", "delivery.unique", "delivery.ordered", "delivery.faithful") {
		out = append(out, fmt.Sprintf("all %s complete, unique, in order and unaltered", count(e.published())))
	}
	if has("pause", "catchup", "reconnects") {
		out = append(out, fmt.Sprintf("recovered from %d injections within what they declare", len(e.Plan.Injections)))
	}
	if c := passed["freshness"]; c.Observed != nil {
		out = append(out, fmt.Sprintf("visible within %s (p99)", lag(*c.Observed)))
	}
	if c := passed["uptime"]; c.Observed != nil {
		out = append(out, fmt.Sprintf("uptime %s %%", plain(*c.Observed)))
	}
	if c := passed["memory.rss_limit"]; c.Observed != nil {
		out = append(out, fmt.Sprintf("resident memory never above %.1f MB", *c.Observed))
	}
	return out
}

// beyondVirtual is what no run in virtual time shows.
var beyondVirtual = []string{
	"a broker's crash in the midst of its markers: the Kafka in memory writes them at once; `soak rounds -kinds broker` on a real one has it",
	"the time that work takes: in virtual time only waiting does; the plans in real time judge lags and CPU",
	"a streamer that is stopped where it stands and goes on when another has taken its place: `soak rounds` has it, with real processes",
}

// notClaimed are sentences about what the plan leaves to other runs.
func notClaimed(e *Evidence, checks []soak.Check) []string {
	out := []string{}
	if e.Plan.Virtual {
		out = append(out, beyondVirtual...)
	}
	for _, what := range e.Plan.Omitted {
		out = append(out, "left out by the compression of the timetable: "+what)
	}
	for _, c := range checks {
		if c.Role == soak.NotClaimed {
			out = append(out, fmt.Sprintf("%s: %s", c.ID, c.Why))
		}
	}
	return out
}

// areaNames are what people call checks that a plan does not claim.
var areaNames = map[string]string{
	"memory.trend":            "memory over time",
	"memory.growth_per_event": "memory per reconnect",
	"delivery.faithful":       "unaltered",
	"validity.exchange":       "the exchange's word",
	"alerts.expected":         "alerts",
	"alerts.unexpected":       "alerts",
}

func areas(checks []soak.Check) []string {
	var out []string
	seen := map[string]bool{}
	for _, c := range checks {
		if c.Role != soak.NotClaimed {
			continue
		}
		name := areaNames[c.ID]
		if name == "" {
			name = c.ID
		}
		if !seen[name] {
			seen[name] = true
			out = append(out, name)
		}
	}
	return out
}

func firstLine(text string) string {
	line, _, _ := strings.Cut(text, "\n")
	return line
}
