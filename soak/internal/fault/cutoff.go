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

// cutOff takes the subject's container off the network: exchange, Kafka and
// registry are away at once, no connection is closed, and when the network is
// back the subject has another address, so none of the old ones goes on.
var cutOff = Fault{Name: "cut-off", Kind: KindMachine, draw: func(rng *rand.Rand, t timing) soak.Injection {
	length := seconds(rng, 15, 30) // a shorter one would be over long before it can be noticed
	noticed := min(t.staleTimeout, t.pingInterval+t.pongTimeout) + time.Second
	in := machineTrouble(length, max(length, noticed)+brokerRecovery, 1)
	// The exchange sees its end of the session end only when no pong comes.
	in.Disturbance.Settle = soak.Duration(max(exchangeGivesUp-length, machineSettle))
	return in
}, begin: func(bed *testbed.Testbed, in soak.Injection) (Begun, error) {
	subject, err := bed.SubjectContainer()
	if err != nil {
		return nil, fmt.Errorf("begin %s: %w", in.Name, err)
	}
	restore, err := subject.CutOff()
	if err != nil {
		return nil, fmt.Errorf("begin %s: %w", in.Name, err)
	}
	began := time.Now()
	return hold(in.For.D(), func() fakebinance.Evidence {
		_, err := bed.Endpoints().Metrics(context.Background()) // a subject that lives serves them, ready or not
		lasted := time.Since(began)
		if err := restore(); err != nil {
			return fakebinance.Evidence{Text: fmt.Sprintf("not restored: %v", err)}
		}
		return fakebinance.Evidence{Proven: err != nil, Text: fmt.Sprintf("it had no network for %s; asked meanwhile, it answered: %v", lasted.Round(time.Millisecond), err)}
	}), nil
}}

// exchangeGivesUp: the exchange pings each 20 s and ends a session that has not
// answered for a minute (Binance's rule, and the fake's default); a ping may
// have been answered just before the cut.
const exchangeGivesUp = 85 * time.Second
