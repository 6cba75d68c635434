package fault

import (
	"math/rand/v2"
	"time"

	"steadfeed/fakebinance"
	"steadfeed/soak"
)

// slowFrames holds every frame back for a while: a slow path, or a server
// under load. Nothing may be lost and no session need end, for frames go on
// coming.
var slowFrames = Fault{Name: "slow-frames", Kind: KindSlowFrames, draw: func(rng *rand.Rand, t timing) soak.Injection {
	return slowed(seconds(rng, 10, 15)+t.silence, map[string]string{"delay": seconds(rng, 1, 2).String()}, 0)
}}

// slowed is common to the faults that delay without ending.
func slowed(length time.Duration, settings map[string]string, reconnects int) soak.Injection {
	const delivery = 4 * time.Second // of what has piled up, through the subject and Kafka
	return soak.Injection{
		Target:   fakebinance.TargetAll, // else a reconnect would be the way out of it
		For:      soak.Duration(length),
		Settings: settings,
		Disturbance: soak.Disturbance{
			Pause:      soak.Duration(length + delivery), // a trade held back at the beginning comes with the end
			Reconnects: reconnects,
			Settle:     soak.Duration(settle),
		},
	}
}
