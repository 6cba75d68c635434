package fault

import (
	"context"
	"fmt"
	"math/rand/v2"
	"time"

	"steadfeed/fakebinance"
	"steadfeed/soak"
	"steadfeed/soak/internal/testbed"
)

// KindMachine is trouble of the machine that the subject runs on.
const KindMachine = "machine"

// freeze stops the subject where it stands, as a machine does that swaps or
// moves to another host: it keeps its memory and connections and does nothing.
// From 6 s on its group takes it for dead.
var freeze = Fault{Name: "freeze", Kind: KindMachine, draw: func(rng *rand.Rand, _ timing) soak.Injection {
	length := seconds(rng, 4, 15)
	return machineTrouble(length, length+reconnectPause, 1)
}, begin: func(bed *testbed.Testbed, in soak.Injection) (Begun, error) {
	subject, err := bed.SubjectContainer()
	if err != nil {
		return nil, fmt.Errorf("begin %s: %w", in.Name, err)
	}
	if err := subject.Pause(); err != nil {
		return nil, fmt.Errorf("begin %s: %w", in.Name, err)
	}
	before, readErr := subject.UsageNow(context.Background())
	began := time.Now()
	return hold(in.For.D(), func() fakebinance.Evidence {
		after, err := subject.UsageNow(context.Background())
		lasted := time.Since(began)
		if err := subject.Resume(); err != nil {
			return fakebinance.Evidence{Text: fmt.Sprintf("not resumed: %v", err)}
		}
		if readErr != nil || err != nil {
			return fakebinance.Evidence{Text: fmt.Sprintf("what it did meanwhile is not known (%v, %v)", readErr, err)}
		}
		used := after.CPUSeconds - before.CPUSeconds
		return fakebinance.Evidence{Proven: used == 0, Text: fmt.Sprintf("it used %g s of CPU in %s", used, lasted.Round(time.Millisecond))}
	}), nil
}}

// machineTrouble is what trouble of the subject's machine is entitled to cause.
func machineTrouble(length, pause time.Duration, reconnects int) soak.Injection {
	return soak.Injection{
		Target: fakebinance.TargetAll,
		For:    soak.Duration(length),
		Disturbance: soak.Disturbance{
			Pause:      soak.Duration(pause),
			Reconnects: reconnects,
			Settle:     soak.Duration(machineSettle),
			Alerts:     []string{alertPongTimeout}, // where a ping falls into it
		},
	}
}

// machineSettle is for a subject that its group has given up to be given its
// partitions again, and to fetch what it missed.
const machineSettle = 12 * time.Second
