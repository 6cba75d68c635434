package judge

import (
	"fmt"

	"steadfeed/soak"
	"steadfeed/soak/internal/leak"
)

// What a Go process that does this work should hold, in megabytes. The plans'
// own limits are what it was ordered to hold.
const (
	strictGrowth   = 12 // in a day
	strictBaseline = 40 // of resident memory after warm-up; 15 to 40 are usual, less is no fault
	strictPeak     = 3  // times its own baseline, when an operator is to be woken
	strictGrowthID = "memory.growth"
)

// limitsBy are the limits of a plan by a set of criteria. The strict ones ask
// more of memory where the plan gates on it; where it does not, and in virtual
// time, where the harness's memory is in it, there is nothing more to ask.
func limitsBy(criteria string, plan soak.Plan) (limits []soak.Limit, own bool) {
	if criteria != soak.CriteriaStrict || plan.Virtual {
		return plan.Limits, false
	}
	for _, limit := range plan.Limits {
		if gate := limit.Role == soak.Gate && limit.Max != nil; gate && (limit.ID == strictGrowthID || limit.ID == "memory.trend") {
			own = own || limit.ID == strictGrowthID
			most := min(*limit.Max, strictGrowth)
			limit.Max = &most
		}
		limits = append(limits, limit)
	}
	if !own {
		return plan.Limits, false
	}
	baseline, peak := float64(strictBaseline), float64(strictPeak)
	return append(limits,
		soak.Limit{ID: "memory.baseline", Role: soak.Gate, Max: &baseline, Unit: "MB"},
		soak.Limit{ID: "memory.peak", Role: soak.Gate, Max: &peak, Unit: "baselines"},
	), true
}

// opinion is the outcome by the set of criteria that was not chosen, nil where
// the sets do not differ: its gates that the chosen set has not.
func opinion(e *Evidence, chosen []soak.Check) *soak.Opinion {
	if _, differ := limitsBy(soak.CriteriaStrict, e.Plan); !differ {
		return nil
	}
	o := &soak.Opinion{Criteria: soak.CriteriaStrict, Checks: []soak.Check{}}
	if e.Plan.Criteria == soak.CriteriaStrict {
		o.Criteria = soak.CriteriaSeed
	}
	limits, _ := limitsBy(o.Criteria, e.Plan)
	all := checks(e, limits)
	o.Outcome = outcome(e, all)
	same := map[string]string{}
	for _, c := range chosen {
		same[c.ID] = c.Limit
	}
	for _, c := range all {
		if limit, there := same[c.ID]; !there || limit != c.Limit {
			c.Trend = nil // the same lines, whatever the limit
			o.Checks = append(o.Checks, c)
		}
	}
	return o
}

// memoryBaseline is what the subject holds once it has warmed up.
func memoryBaseline(e *Evidence, _ soak.Limit) measurement {
	g, unfit := grown(e)
	if unfit != nil {
		return *unfit
	}
	return measurement{value: number(g.First / megabyte), why: "median of the first samples after warm-up", evidence: soak.SamplesFile}
}

// memoryPeak is the highest reading after warm-up in terms of the baseline.
func memoryPeak(e *Evidence, _ soak.Limit) measurement {
	g, unfit := grown(e)
	if unfit != nil {
		return *unfit
	}
	top := leak.Peak(e.Samples, settled(e))
	return measurement{
		value:    number(top / g.First),
		why:      fmt.Sprintf("at most %.2f MB after warm-up, from %.2f MB on", top/megabyte, g.First/megabyte),
		evidence: soak.SamplesFile,
	}
}
