package fault

import (
	"math/rand/v2"
	"time"

	"steadfeed/fakebinance"
	"steadfeed/soak"
)

// reset ends the connection with a TCP RST: what a middlebox or a crashed
// server does. The subject's read fails at once.
var reset = Fault{Name: "reset", Kind: KindDrop, draw: func(*rand.Rand, timing) soak.Injection {
	return cut(nil)
}}

// cut is common to the faults that end a session at their beginning.
func cut(settings map[string]string) soak.Injection {
	return soak.Injection{
		Target:   fakebinance.TargetOpen,
		For:      soak.Duration(time.Second), // it is over at once; this is for its evidence to arrive
		Settings: settings,
		Disturbance: soak.Disturbance{
			Pause:      soak.Duration(reconnectPause),
			Reconnects: 1,
			Settle:     soak.Duration(settle),
		},
	}
}
