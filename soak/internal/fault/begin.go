package fault

import (
	"fmt"

	"steadfeed/fakebinance"
	"steadfeed/soak"
	"steadfeed/soak/internal/testbed"
)

// Begin starts an injection. The caller must End what it returns; the fault
// also ends by itself when its time is over. Neither depends on a context, so
// that a run that is cancelled heals what it broke.
func Begin(bed *testbed.Testbed, in soak.Injection) (*fakebinance.Injection, error) {
	if err := Validate(in); err != nil {
		return nil, err
	}
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
