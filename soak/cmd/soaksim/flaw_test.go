package main

import (
	"slices"
	"strings"
	"testing"

	"steadfeed/soak"
)

// handOvers is six hours in which nothing happens but hand-overs.
func handOvers(t *testing.T) soak.Plan {
	t.Helper()
	for seed := range uint64(50) {
		plan := sixHours(t, seed)
		plan.Injections = slices.DeleteFunc(plan.Injections, func(in soak.Injection) bool { return in.Fault != "hand-over" })
		if len(plan.Injections) > 0 {
			t.Logf("seed %d, %d hand-overs", seed, len(plan.Injections))
			plan.Least = nil // a hand-over need not miss anything
			return plan
		}
	}
	t.Fatal("no seed of 50 has a hand-over")
	return soak.Plan{}
}

// Two streamers side by side write each trade once, and one that is not fenced
// is convicted of writing it again.
func TestHandOver(t *testing.T) {
	if testing.Short() {
		t.Skip("-short: hours of virtual time")
	}
	result := bubble(t, handOvers(t), subject)
	if result.Verdict.Outcome != soak.Pass {
		t.Errorf("%s; trouble %q", result.Verdict.Why, result.Course.Trouble)
	}
	for _, in := range result.Verdict.Injections {
		if !in.Proven {
			t.Errorf("%s: %s %s", in.Name, in.Evidence, in.Err)
		}
	}
	unfenced, err := spoilt("unfenced")
	if err != nil {
		t.Fatal(err)
	}
	result = bubble(t, handOvers(t), unfenced)
	if d := result.Verdict.Delivery; result.Verdict.Outcome != soak.Fail || d.Duplicate == 0 || d.Lost+d.Altered > 0 {
		t.Errorf("%s: %+v; trouble %q", result.Verdict.Why, d, result.Course.Trouble)
	}
}

func TestUnknownFlaw(t *testing.T) {
	if _, err := spoilt("lazy"); err == nil || !strings.Contains(err.Error(), "leaks-memory") {
		t.Errorf("%v does not name those that there are", err)
	}
}
