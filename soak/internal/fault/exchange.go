package fault

import (
	"fmt"
	"time"

	"steadfeed/fakebinance"
	"steadfeed/soak"
	"steadfeed/soak/internal/testbed"
)

// onExchange begins what the exchange does by itself, and what goes with it.
func onExchange(bed *testbed.Testbed, in soak.Injection) (Begun, error) {
	begun, err := bed.Exchange.Begin(faultOf(in))
	if err != nil {
		return nil, fmt.Errorf("begin %s: %w", in.Name, err)
	}
	switch also := in.Also; {
	case also == nil:
	case also.At == 0:
		if _, err := bed.Exchange.Begin(faultOf(*also)); err != nil {
			begun.End()
			return nil, fmt.Errorf("begin what goes with %s: %w", in.Name, err)
		}
	default:
		time.AfterFunc(also.At.D(), func() {
			select {
			case <-begun.Done(): // the run was ended early
			default:
				_, _ = bed.Exchange.Begin(faultOf(*also)) // fails when the exchange is closed, and checked before
			}
		})
	}
	return begun, nil
}

// faultOf is an injection as the exchange knows it.
func faultOf(in soak.Injection) fakebinance.Fault {
	return fakebinance.Fault{Kind: in.Fault, Target: in.Target, For: in.For.D(), Settings: in.Settings}
}
