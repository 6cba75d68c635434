package judge

import (
	"testing"
	"time"

	"steadfeed/soak"
)

// The strict criteria convict a day that the plan's limits acquit, and the
// other way round nothing changes but what the other set is told to say.
func TestCriteria(t *testing.T) {
	began := time.Date(2026, 3, 1, 0, 0, 0, 0, time.UTC)
	day := func(criteria string, first, grown, peak float64) soak.Verdict {
		e, _ := judged(t, "good")
		e.Plan.Criteria = criteria
		most := 50.0
		e.Plan.Limits = []soak.Limit{{ID: "memory.growth", Role: soak.Gate, Max: &most, Unit: "MB"}}
		e.Samples = nil
		for m := range 24 * 60 {
			bytes := first + grown*float64(m)/(24*60)
			if m == 700 {
				bytes = max(bytes, peak)
			}
			e.Samples = append(e.Samples, soak.Sample{At: began.Add(time.Duration(m) * time.Minute), Phase: soak.PhaseCalm, RSSBytes: int64(1e6 * bytes)})
		}
		return Judge(e)
	}
	f := func(what string, first, grown, peak float64, strict soak.Outcome, missed string) {
		t.Helper()
		seed, hard := day("", first, grown, peak), day(soak.CriteriaStrict, first, grown, peak)
		if seed.Outcome != soak.Pass || seed.Other == nil || seed.Other.Criteria != soak.CriteriaStrict || seed.Other.Outcome != strict {
			t.Errorf("%s, by the plan's limits: %s, %+v; want a pass, and %s", what, seed.Outcome, seed.Other, strict)
		}
		if hard.Outcome != strict || hard.Criteria != soak.CriteriaStrict || hard.Other == nil || hard.Other.Outcome != soak.Pass {
			t.Errorf("%s, strictly: %s, %+v; want %s, and a pass", what, hard.Outcome, hard.Other, strict)
		}
		fitting(t, hard)
		for _, checks := range [][]soak.Check{hard.Checks, seed.Other.Checks} {
			if len(checks) != 3 {
				t.Errorf("%s: %d checks, want growth, baseline and peak", what, len(checks))
			}
			for _, c := range checks {
				if (c.Outcome == soak.Fail) != (c.ID == missed) {
					t.Errorf("%s: %s %s, %v of %s", what, c.ID, c.Outcome, *c.Observed, c.Limit)
				}
			}
		}
	}
	f("as it should be", 25, 5, 0, soak.Pass, "")
	f("13 MB grown", 25, 13, 0, soak.Fail, "memory.growth")
	f("too large from the start", 41, 5, 0, soak.Fail, "memory.baseline")
	f("smaller than usual", 9, 0, 0, soak.Pass, "")
	f("four times itself for a moment", 25, 5, 100, soak.Fail, "memory.peak")
}

// A plan that does not gate on growth, and one in virtual time, are judged by
// their own limits whatever the set.
func TestCriteriaWhereMemoryIsNotJudged(t *testing.T) {
	most := 50.0
	f := func(plan soak.Plan) {
		t.Helper()
		limits, differ := limitsBy(soak.CriteriaStrict, plan)
		if differ || len(limits) != len(plan.Limits) {
			t.Errorf("%+v: %d limits", plan.Limits, len(limits))
		}
	}
	f(soak.Plan{Limits: []soak.Limit{{ID: "memory.growth", Role: soak.Report, Max: &most}}})
	f(soak.Plan{Limits: []soak.Limit{{ID: "delivery.complete", Role: soak.Gate, Max: &most}}})
	f(soak.Plan{Virtual: true, Limits: []soak.Limit{{ID: "memory.growth", Role: soak.Gate, Max: &most}}})
}
