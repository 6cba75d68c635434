package judge

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"steadfeed/soak"
)

// zeroEvents: when none of n trades was lost, the loss rate is below 3/n with
// 95 % confidence (the rule of three).
const zeroEvents = 3

// power says what the run could have missed.
func power(e *Evidence) []string {
	if r := e.Ledger.Reading; r != nil {
		return topicPower(e, r)
	}
	out := []string{}
	d := e.delivery()
	if n := d.Delivered; n >= zeroEvents && d.Lost+d.Duplicate+d.Disordered+d.Altered == 0 {
		out = append(out, fmt.Sprintf(
			"a fault that strikes single trades at random, fewer than 1 in %s, can have been missed: none in %s bounds its rate at 3/n with 95 %% confidence",
			group(n/zeroEvents), count(n)))
	}
	did := map[string]int{}
	for _, in := range e.Plan.Injections {
		if in.Proven {
			did[in.Fault]++
		}
	}
	var exercised, missing []string
	for _, f := range soak.Faults {
		if did[f] > 0 {
			exercised = append(exercised, fmt.Sprintf("%s (%d)", f, did[f]))
		} else {
			missing = append(missing, f)
		}
	}
	var others []string // what the exchange has no part in
	for _, f := range slices.Sorted(maps.Keys(did)) {
		if !slices.Contains(soak.Faults, f) {
			others = append(others, fmt.Sprintf("%s (%d)", f, did[f]))
		}
	}
	if len(missing) > 0 {
		text := "faults not exercised: " + strings.Join(missing, ", ")
		if len(exercised) > 0 {
			text += "; exercised: " + strings.Join(exercised, ", ")
		}
		out = append(out, text)
	}
	if len(others) == 0 {
		out = append(out, "restarts of Kafka, of the registry and of the subject itself are not part of this plan")
	} else {
		out = append(out, "exercised on processes and brokers: "+strings.Join(others, ", "))
	}
	if gated := slices.ContainsFunc(e.Plan.Limits, func(l soak.Limit) bool {
		return l.ID == "memory.trend" && l.Role == soak.Gate
	}); !gated {
		out = append(out, fmt.Sprintf("no leak that stays below the abort limit for %s can have been seen: memory over time was not judged", e.Plan.Length()))
	}
	return out
}

// eventPower is how much an event can leave behind unseen: as much as the
// interval reaches up to.
func eventPower(checks []soak.Check) []string {
	for _, c := range checks {
		if c.ID == "memory.growth_per_event" && c.High != nil && *c.High > 0 {
			return []string{fmt.Sprintf("a leak of up to %.0f KiB of memory at each rotation or reconnect can have been missed", *c.High)}
		}
	}
	return nil
}
