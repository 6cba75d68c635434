package main

import (
	"fmt"
	"os"
	"strings"
	"testing"
	"testing/synctest"

	"steadfeed/soak"
	"steadfeed/soak/internal/fault"
	"steadfeed/soak/internal/runner"
)

// cases are the faults whose name contains a text.
func cases(only string) (chosen []fault.Case) {
	for _, c := range fault.Cases() {
		if strings.Contains(c.Name, only) {
			chosen = append(chosen, c)
		}
	}
	return chosen
}

// inBubbles runs each fault by itself, one after the other, each in a bubble of
// its own, and says where each run is.
func inBubbles(all []fault.Case, seed uint64, out string) {
	inTest(func(t *testing.T, watch *clockWatch) int {
		status := soak.ExitPass
		for _, c := range all {
			plan, err := runner.SinglePlan(c, seed)
			if err != nil {
				fmt.Fprintln(os.Stderr, "soaksim: "+err.Error())
				return soak.ExitUsage
			}
			plan.Subject.Command = os.Args[:1]
			synctest.Test(t, func(*testing.T) {
				result, err := simulate(plan, out, watch, inMemory(subject))
				if err != nil {
					fmt.Fprintln(os.Stderr, "soaksim: "+c.Name+": "+err.Error())
					status = soak.ExitBroken
					return
				}
				fmt.Println(result.Run.Dir())
			})
		}
		return status
	})
}
