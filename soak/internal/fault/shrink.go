package fault

import (
	"slices"
	"time"

	"steadfeed/soak"
)

// leastFor is how short an injection is made.
const leastFor = time.Second

// Shrink looks for the smallest schedule with which a plan still fails: first
// fewer injections, then shorter ones, then earlier ones. fails runs a plan and
// is asked at most tries times. The plan that is returned failed when it was
// last asked about.
func Shrink(plan soak.Plan, tries int, fails func(soak.Plan) bool) soak.Plan {
	attempt := func(change func(*soak.Plan) bool) bool {
		smaller := plan
		smaller.Injections = slices.Clone(plan.Injections)
		if tries <= 0 || !change(&smaller) {
			return false
		}
		tries--
		if !fails(smaller) {
			return false
		}
		plan = smaller
		return true
	}
	// Halves, then quarters, down to single ones, as delta debugging does
	// (Zeller and Hildebrandt, Simplifying and Isolating Failure-Inducing Input).
	for chunk := max(len(plan.Injections)/2, 1); ; chunk /= 2 {
		for i := 0; i < len(plan.Injections); {
			if !attempt(func(p *soak.Plan) bool {
				p.Injections = slices.Delete(p.Injections, i, min(i+chunk, len(p.Injections)))
				return true
			}) {
				i += chunk
			}
		}
		if chunk <= 1 {
			break
		}
	}
	for i := range plan.Injections {
		for attempt(func(p *soak.Plan) bool {
			p.Injections[i].For /= 2
			return p.Injections[i].For.D() >= leastFor
		}) {
		}
	}
	for attempt(func(p *soak.Plan) bool { return hasten(p, 2) }) {
	}
	return plan
}

// hasten makes the chaos of a plan begin and end so many times sooner, and its
// injections with it, where they still follow one another.
func hasten(plan *soak.Plan, times int) bool {
	plan.Phases = slices.Clone(plan.Phases)
	var begins time.Duration
	for i := range plan.Phases {
		phase := &plan.Phases[i]
		if !phase.Chaos {
			begins += phase.For.D()
			continue
		}
		shorter := phase.For.D() / time.Duration(times)
		free := begins
		for n := range plan.Injections {
			in := &plan.Injections[n]
			if at := in.At.D(); at < begins || at >= begins+phase.For.D() {
				continue
			}
			in.At = soak.Duration(max(begins+(in.At.D()-begins)/time.Duration(times), free))
			free = in.At.D() + span(*in)
		}
		if free > begins+shorter {
			return false
		}
		phase.For = soak.Duration(shorter)
		return true
	}
	return false
}
