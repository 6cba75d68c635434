package soak

import "testing"

// A deployment is played in rounds as the ends of processes are: who reads such
// a run must not take what happened for faults of the exchange.
func TestPlansInRounds(t *testing.T) {
	for name, want := range map[string]bool{RoundsPlan: true, DeployPlan: true, "smoke": false, "soak-24h": false} {
		if plan := (Plan{Name: name}); plan.InRounds() != want {
			t.Errorf("%s is played in rounds: %v", name, !want)
		}
	}
}
