package fault

import (
	"context"
	"fmt"
	"math/rand/v2"
	"strconv"
	"time"

	"steadfeed/fakebinance"
	"steadfeed/soak"
	"steadfeed/soak/internal/testbed"
)

const (
	// squeezedCPUs is a tenth of the limit of production: little more than the
	// subject uses on average at the rate of the long plans, so bursts pile up.
	squeezedCPUs = 0.05
	// squeezedMB is an eighth of the limit of production, and about three times
	// the resident memory of the streamer: one that is bounded by construction
	// lives with it, one that is not is ended by the system.
	squeezedMB = 64
)

// squeezeCPU leaves the subject a part of its CPU, as a crowded machine does.
// Pongs may come too late then.
var squeezeCPU = Fault{Name: "cpu-squeeze", Kind: KindMachine, draw: func(rng *rand.Rand, _ timing) soak.Injection {
	length := seconds(rng, 10, 25)
	in := machineTrouble(length, length+reconnectPause, 1)
	in.Settings = map[string]string{"cpus": strconv.FormatFloat(squeezedCPUs, 'g', -1, 64)}
	return in
}, begin: func(bed *testbed.Testbed, in soak.Injection) (Begun, error) {
	cpus, err := strconv.ParseFloat(in.Settings["cpus"], 64)
	if err != nil {
		return nil, fmt.Errorf("begin %s: %w", in.Name, err)
	}
	subject, err := bed.SubjectContainer()
	if err != nil {
		return nil, fmt.Errorf("begin %s: %w", in.Name, err)
	}
	before, usageErr := subject.UsageNow(context.Background())
	restore, err := subject.Squeeze(cpus, 0)
	if err != nil {
		return nil, fmt.Errorf("begin %s: %w", in.Name, err)
	}
	return hold(in.For.D(), func() fakebinance.Evidence {
		after, err := subject.UsageNow(context.Background())
		if err := restore(); err != nil {
			return fakebinance.Evidence{Text: fmt.Sprintf("not restored: %v", err)}
		}
		if usageErr != nil || err != nil {
			return fakebinance.Evidence{Text: fmt.Sprintf("what it did meanwhile is not known (%v, %v)", usageErr, err)}
		}
		n := after.HeldBack - before.HeldBack
		return fakebinance.Evidence{Proven: n > 0, Text: fmt.Sprintf("%d times it wanted more than %g of a CPU", n, cpus)}
	}), nil
}}

// squeezeMemory leaves the subject a part of its memory. Nothing of it may be
// seen from outside.
var squeezeMemory = Fault{Name: "memory-squeeze", Kind: KindMachine, draw: func(rng *rand.Rand, _ timing) soak.Injection {
	in := machineTrouble(seconds(rng, 15, 30), 2*time.Second, 0)
	in.Disturbance.Settle, in.Disturbance.Alerts = soak.Duration(3*time.Second), nil
	in.Settings = map[string]string{"memory_mb": strconv.Itoa(squeezedMB)}
	return in
}, begin: func(bed *testbed.Testbed, in soak.Injection) (Begun, error) {
	megabytes, err := strconv.ParseInt(in.Settings["memory_mb"], 10, 64)
	if err != nil {
		return nil, fmt.Errorf("begin %s: %w", in.Name, err)
	}
	subject, err := bed.SubjectContainer()
	if err != nil {
		return nil, fmt.Errorf("begin %s: %w", in.Name, err)
	}
	restore, err := subject.Squeeze(0, megabytes<<20)
	if err != nil {
		return nil, fmt.Errorf("begin %s: %w", in.Name, err)
	}
	return hold(in.For.D(), func() fakebinance.Evidence {
		_, held, err := subject.Limits(context.Background())
		if err := restore(); err != nil {
			return fakebinance.Evidence{Text: fmt.Sprintf("not restored: %v", err)}
		}
		return fakebinance.Evidence{Proven: err == nil && held == megabytes<<20, Text: fmt.Sprintf("it was held to %d MiB", held>>20)}
	}), nil
}}
