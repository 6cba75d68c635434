package fault

import (
	"fmt"

	"steadfeed/fakebinance"
	"steadfeed/soak"
	"steadfeed/soak/internal/testbed"
)

// onExchange begins what the exchange does by itself.
func onExchange(bed *testbed.Testbed, in soak.Injection) (Begun, error) {
	begun, err := bed.Exchange.Begin(fakebinance.Fault{
		Kind:     in.Fault,
		Target:   in.Target,
		For:      in.For.D(),
		Settings: in.Settings,
	})
	if err != nil {
		return nil, fmt.Errorf("begin %s: %w", in.Name, err)
	}
	return begun, nil
}
