package fault

import (
	"fmt"
	"hash/fnv"
	"math/rand/v2"
	"slices"
	"time"

	"steadfeed/soak"
)

const (
	// breath is the time between the end of one injection's effects and the
	// next, in which the run sees that all is well again.
	breath = 3 * time.Second
	// maxInjections bounds the schedule of one chaos phase, so that a ledger
	// with a window for each stays small.
	maxInjections = 1000
	// fillTries: so many draws in a row that do not fit into what is left end
	// the filling; the rest goes into the pauses.
	fillTries = 8
	// weightSteps: a fault is 1, 2, 4 or 8 times as likely as the rarest; a case of KindSingle is as likely as that.
	weightSteps = 4
)

// Schedule draws the injections of a plan's chaos phases. It is a pure
// function: the same seed and plan give the same injections. Each seed weighs
// the faults differently and leaves some out, since a mix that is always even
// never shows what one kind does in plenty; but every kind has its turn in
// every chaos phase, for the criteria count kinds.
func Schedule(seed uint64, plan soak.Plan) ([]soak.Injection, error) {
	pace, err := timingOf(plan.Subject, silenceOf(plan.Traffic, len(plan.Symbols)))
	if err != nil {
		return nil, err
	}
	rng := stream(seed, "schedule")
	var injections []soak.Injection
	var begins time.Duration
	for _, phase := range plan.Phases {
		if phase.Chaos || phase.Events > 0 {
			drawn := events(phase)
			if phase.Chaos {
				if drawn, err = fill(rng, plan, pace, phase); err != nil {
					return nil, fmt.Errorf("phase %s: %w", phase.Name, err)
				}
			}
			for _, in := range drawn {
				in.At += soak.Duration(begins)
				in.Name = fmt.Sprintf("%d-%s", len(injections)+1, in.Fault)
				injections = append(injections, in)
			}
		}
		begins += phase.For.D()
	}
	return injections, nil
}

// At is one injection of a fault at a time that nobody draws by lot.
func At(plan soak.Plan, name string, at time.Duration) (soak.Injection, error) {
	f, known := find(name)
	if !known {
		return soak.Injection{}, fmt.Errorf("there is no fault %q", name)
	}
	pace, err := timingOf(plan.Subject, silenceOf(plan.Traffic, len(plan.Symbols)))
	if err != nil {
		return soak.Injection{}, err
	}
	in := f.injection(stream(plan.Seed, "at "+name), pace)
	in.Name, in.At = name, soak.Duration(at)
	return in, nil
}

// stream is a source of randomness for one purpose, so that one more draw in
// one place does not change what is drawn in another.
func stream(seed uint64, purpose string) *rand.Rand {
	h := fnv.New64a()
	h.Write([]byte(purpose))
	return rand.New(rand.NewPCG(seed, h.Sum64()))
}

// events brings a rotation about at the plan's pace, for as long as the phase
// has room for the effects of the last.
func events(phase soak.Phase) []soak.Injection {
	var all []soak.Injection
	pace := max(phase.Events.D(), eventSpan())
	for at := time.Duration(0); at+eventSpan() <= phase.For.D() && len(all) < maxInjections; at += pace {
		in := shutdown.injection(nil, timing{})
		in.At = soak.Duration(at)
		all = append(all, in)
	}
	return all
}

// fill draws injections for a chaos phase: one of each kind first, then more
// by weight while there is room, in an order and with pauses left to chance.
// A phase says how many it wants; 0 is as many as there is room for.
func fill(rng *rand.Rand, plan soak.Plan, pace timing, phase soak.Phase) ([]soak.Injection, error) {
	room, most := phase.For.D(), phase.Injections
	faults, kinds := drawnIn(plan, pace)
	if plan.Containers != nil {
		faults = slices.DeleteFunc(faults, func(f Fault) bool { return tooLong(f, pace, room) })
	}
	if most == 0 {
		most = maxInjections
	}
	weights := weigh(rng, faults)
	var drawn []soak.Injection
	free := room
	for _, kind := range kinds {
		in := pick(rng, faults, weights, func(f Fault) bool { return f.Kind == kind }).injection(rng, pace)
		drawn = append(drawn, in)
		free -= span(in)
	}
	if free < 0 {
		return nil, fmt.Errorf("its %s are too short for one injection of each kind: %s more are needed", room, -free)
	}
	spare := free - room/10 // some time in chaos stays undisturbed
	for tries := 0; tries < fillTries && len(drawn) < most; tries++ {
		in := pick(rng, faults, weights, func(f Fault) bool { return plan.Virtual || f.Kind != KindDeath }).injection(rng, pace)
		if span(in) > spare {
			continue
		}
		drawn = append(drawn, in)
		free -= span(in)
		spare -= span(in)
		tries = 0
	}
	rng.Shuffle(len(drawn), func(i, j int) { drawn[i], drawn[j] = drawn[j], drawn[i] })
	if plan.Settle > 0 {
		// Memory is judged of the last process, so it had better begin early.
		slices.SortStableFunc(drawn, func(a, b soak.Injection) int { return deathsOf(b) - deathsOf(a) })
	}

	// What is left of the time goes between them, unevenly.
	var at time.Duration
	for i := range drawn {
		pause := time.Duration(rng.Int64N(int64(free)/int64(len(drawn)-i) + 1))
		free -= pause
		at += pause
		drawn[i].At = soak.Duration(at.Truncate(time.Millisecond))
		at += span(drawn[i])
	}
	return drawn, nil
}

func deathsOf(in soak.Injection) int {
	if in.Kind == KindDeath {
		return 1
	}
	return 0
}

// tooLong tells whether one injection of a fault would take more of a chaos
// phase than leaves room for the other kinds. Only a compressed phase is that
// short: faults are not compressed.
func tooLong(f Fault, pace timing, room time.Duration) bool {
	const share = 4 // one kind of seven may have as much as a quarter
	return span(f.injection(stream(0, f.Name), pace)) > room/share
}

// span is the time that an injection needs for itself.
func span(in soak.Injection) time.Duration {
	return in.For.D() + in.Disturbance.Settle.D() + breath
}

// weigh gives each fault its likelihood under this seed. A quarter of them is
// switched off, on average, but never the last of a kind.
func weigh(rng *rand.Rand, faults []Fault) map[string]int {
	weights := make(map[string]int, len(faults))
	left := make(map[string]int)
	for _, f := range faults {
		weights[f.Name] = 1 << rng.IntN(weightSteps)
		if f.Kind == KindSingle {
			weights[f.Name] = 1 // there are so many of them
		}
		left[f.Kind]++
	}
	for _, i := range rng.Perm(len(faults)) {
		f := faults[i]
		if rng.IntN(4) == 0 && left[f.Kind] > 1 {
			weights[f.Name] = 0
			left[f.Kind]--
		}
	}
	return weights
}

// pick draws a fault among those wanted, by weight.
func pick(rng *rand.Rand, faults []Fault, weights map[string]int, wanted func(Fault) bool) Fault {
	candidates := slices.DeleteFunc(slices.Clone(faults), func(f Fault) bool { return !wanted(f) })
	total := 0
	for _, f := range candidates {
		total += weights[f.Name]
	}
	ticket := rng.IntN(total)
	for _, f := range candidates {
		if ticket -= weights[f.Name]; ticket < 0 {
			return f
		}
	}
	return candidates[len(candidates)-1] // not reached: ticket is below the total
}
