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

// registryAway ends the subject with SIGKILL while there is no schema registry,
// and starts it again. A subject that has its schema needs none, so this is
// where one can be missed: nothing can be written before it is back, and
// everything is due then. It is for plans in virtual time.
var registryAway = Fault{Name: "registry-away", Kind: KindRegistry, draw: func(rng *rand.Rand, _ timing) soak.Injection {
	length := killSpan + seconds(rng, 5, 120)
	return soak.Injection{
		Target: fakebinance.TargetAll,
		For:    soak.Duration(length),
		Disturbance: soak.Disturbance{
			Pause:      soak.Duration(length + killSpan + reconnectPause),
			Reconnects: 1,
			Settle:     soak.Duration(killSpan + reconnectPause),
		},
	}
}, begin: func(bed *testbed.Testbed, in soak.Injection) (Begun, error) {
	back, err := bed.RegistryAway()
	if err == nil {
		if err = bed.Replace(context.Background()); err != nil {
			_ = back() // the run has failed
		}
	}
	if err != nil {
		return nil, fmt.Errorf("begin %s: %w", in.Name, err)
	}
	began := time.Now()
	return hold(in.For.D(), func() fakebinance.Evidence {
		away := time.Since(began)
		if err := back(); err != nil {
			return fakebinance.Evidence{Text: fmt.Sprintf("not restored: %v", err)}
		}
		return fakebinance.Evidence{Proven: true, Text: fmt.Sprintf("a new process was without a registry for %s", away.Round(time.Second))}
	}), nil
}}
