package judge

import "steadfeed/soak"

// Judge makes the verdict of a run.
func Judge(e Evidence) soak.Verdict {
	limits, _ := limitsBy(e.Plan.Criteria, e.Plan)
	v := soak.Verdict{
		Schema: soak.VerdictSchema, Run: e.Run, Plan: e.Plan.Name, Seed: e.Plan.Seed, Subject: e.Subject,
		Began: e.Began, Ended: e.Ended,
		Delivery:   e.delivery(),
		Injections: append([]soak.Injection{}, e.Plan.Injections...),
		Findings:   append([]soak.Finding{}, e.Ledger.Findings...),
		Checks:     checks(&e, limits),
		Criteria:   e.Plan.Criteria,
	}
	v.Outcome = outcome(&e, v.Checks)
	v.Other = opinion(&e, v.Checks)
	v.Claims = claims(&e, v.Checks)
	v.NotClaimed = notClaimed(&e, v.Checks)
	v.Power = append(power(&e), eventPower(v.Checks)...)
	v.Why = headline(&e, &v)
	return v
}

// checks applies each limit, in the order of the criteria. A limit
// of no known criterion, which a plan of another version can have, comes last.
func checks(e *Evidence, limits []soak.Limit) []soak.Check {
	out := []soak.Check{}
	for _, c := range criteria {
		for _, limit := range limits {
			if limit.ID == c.id {
				out = append(out, apply(e, c, limit))
			}
		}
	}
	for _, limit := range limits {
		if _, known := find(limit.ID); !known {
			out = append(out, soak.Check{
				ID: limit.ID, Role: limit.Role, Outcome: soak.Inconclusive,
				Why: "this version of the judge has no such check",
			})
		}
	}
	return out
}

// apply judges one criterion by one limit.
func apply(e *Evidence, c criterion, limit soak.Limit) soak.Check {
	check := soak.Check{ID: c.id, Role: limit.Role, Limit: limitText(c, limit), Unit: c.unit, Why: limit.Why}
	if limit.Role == soak.NotClaimed {
		return check
	}
	m := c.measure(e, limit)
	check.Observed, check.Evidence = m.value, m.evidence
	check.Low, check.High, check.Trend = m.low, m.high, m.trend
	if m.why != "" {
		check.Why = m.why
	}
	check.Outcome = result(e, c, limit, m)
	if check.Outcome == soak.Inconclusive && c.absence && !m.unfit {
		check.Why += "; the harness did not see the end of it, so this proves nothing"
	}
	return check
}

func result(e *Evidence, c criterion, limit soak.Limit, m measurement) soak.Outcome {
	missed := m.missed
	if c.bound != fixed && m.value != nil && !m.decided {
		missed = missed ||
			limit.Max != nil && *m.value > *limit.Max ||
			limit.Min != nil && *m.value < *limit.Min
	}
	switch {
	case m.unfit:
		return soak.Inconclusive
	case !missed:
		return soak.Pass
	case c.validity, c.absence && e.blind():
		return soak.Inconclusive
	default:
		return soak.Fail
	}
}

// outcome is the worst gate. A run that was cut short, or whose harness was in
// trouble, is at best inconclusive.
func outcome(e *Evidence, checks []soak.Check) soak.Outcome {
	worst := soak.Inconclusive
	gates := 0
	for _, c := range checks {
		if c.Role != soak.Gate {
			continue
		}
		switch {
		case c.Outcome == soak.Fail:
			return soak.Fail
		case gates == 0:
			worst = c.Outcome
		case c.Outcome == soak.Inconclusive:
			worst = soak.Inconclusive
		}
		gates++
	}
	if e.Interrupted || e.Trouble != "" || e.published() == 0 {
		return soak.Inconclusive
	}
	return worst
}
