package fault

import (
	"slices"
	"testing"
	"time"

	"steadfeed/soak"
)

// Of many injections the two are found that it takes, as short and as early as
// they still fail.
func TestShrink(t *testing.T) {
	plan := smokeLike()
	plan.Virtual = true
	plan.Phases[1].For = soak.Duration(6 * time.Hour)
	plan.Phases[1].Injections = 40
	plan.Injections = schedule(t, 5, plan)
	one, other := plan.Injections[7].Name, plan.Injections[29].Name
	asked := 0
	small := Shrink(plan, 200, func(p soak.Plan) bool {
		asked++
		i := slices.IndexFunc(p.Injections, func(in soak.Injection) bool { return in.Name == one && in.For.D() >= leastFor })
		j := slices.IndexFunc(p.Injections, func(in soak.Injection) bool { return in.Name == other })
		for _, in := range p.Injections {
			if err := Validate(in); err != nil {
				t.Error(err)
			}
		}
		return i >= 0 && j > i
	})
	if len(small.Injections) != 2 || small.Injections[0].Name != one || small.Injections[1].Name != other {
		t.Errorf("shrunk to %d: %v", len(small.Injections), small.Injections)
	}
	if small.Phases[1].For.D() > 10*time.Minute || small.Injections[0].For.D() >= 2*leastFor && small.Injections[0].For == plan.Injections[7].For {
		t.Errorf("chaos of %s, the first for %s", small.Phases[1].For, small.Injections[0].For)
	}
	if plan.Phases[1].For.D() != 6*time.Hour || len(plan.Injections) < 30 {
		t.Error("the plan that it was given has changed")
	}
	if asked > 200 {
		t.Errorf("asked %d times", asked)
	}
	if again := Shrink(plan, 0, nil); len(again.Injections) != len(plan.Injections) {
		t.Error("without a try something was left out")
	}
}
