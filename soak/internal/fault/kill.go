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

// KindDeath is the end of the subject's process.
const KindDeath = "death"

// kill ends the subject with SIGKILL and starts it again at once: it has nothing
// but what is in Kafka.
var kill = Fault{Name: "kill", Kind: KindDeath, draw: func(*rand.Rand, timing) soak.Injection {
	return soak.Injection{
		Target: fakebinance.TargetAll,
		For:    soak.Duration(killSpan),
		Disturbance: soak.Disturbance{
			Pause:      soak.Duration(killSpan + reconnectPause),
			Reconnects: 1,
			Settle:     soak.Duration(killSpan),
		},
	}
}, begin: func(bed *testbed.Testbed, in soak.Injection) (Begun, error) {
	before := bed.Subject()
	began := time.Now()
	if err := bed.Replace(context.Background()); err != nil {
		return nil, fmt.Errorf("begin %s: %w", in.Name, err)
	}
	took := time.Since(began)
	return hold(in.For.D(), func() fakebinance.Evidence {
		return fakebinance.Evidence{Proven: true, Text: fmt.Sprintf("ended: %s; the next one was started after %s", before.Exit().Text, took.Round(time.Millisecond))}
	}), nil
}}

// killSpan is for the process to start, to be given its partitions and to read
// what it finds there.
const killSpan = 10 * time.Second
