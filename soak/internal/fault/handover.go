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

// deaths are the faults that end a process of the subject. They are for plans
// in virtual time.
var deaths = []Fault{kill, handOver}

// handOver starts a second process beside the first, leaves both for a while,
// and has the first one drain: what a deployment does. Only one of the two may
// write.
var handOver = Fault{Name: "hand-over", Kind: KindDeath, draw: func(rng *rand.Rand, _ timing) soak.Injection {
	both := seconds(rng, 5, 60)
	return soak.Injection{
		Target: fakebinance.TargetAll,
		For:    soak.Duration(both),
		Disturbance: soak.Disturbance{
			Pause:      soak.Duration(handOverPause),
			Reconnects: 1,
			Settle:     soak.Duration(handOverPause),
		},
	}
}, begin: func(bed *testbed.Testbed, in soak.Injection) (Begun, error) {
	end, err := bed.HandOver(context.Background())
	if err != nil {
		return nil, fmt.Errorf("begin %s: %w", in.Name, err)
	}
	began := time.Now()
	return hold(in.For.D(), func() fakebinance.Evidence {
		beside := time.Since(began)
		exit := end(drainWithin)
		return fakebinance.Evidence{Proven: exit.Clean(), Text: fmt.Sprintf("two for %s, then the first drained: %s", beside.Round(time.Second), exit.Text)}
	}), nil
}}

const (
	// handOverPause is for the group to notice (members ask each 10 s in these
	// plans) and for the new owner to read where the old one ended.
	handOverPause = 30 * time.Second
	// drainWithin is more than the streamer's own limit of 30 s.
	drainWithin = 35 * time.Second
)
