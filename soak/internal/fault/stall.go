package fault

import (
	"math/rand/v2"
	"time"

	"steadfeed/fakebinance"
	"steadfeed/soak"
)

// stall stops everything on a session, trades and pongs, while TCP stays up:
// the half-open connection. It is noticed when a pong is missing or no frame
// has come for the stale timeout, whichever is first; a second later at most.
var stall = Fault{Name: "stall", Kind: KindPingTimeout, draw: func(_ *rand.Rand, t timing) soak.Injection {
	const margin = 4 * time.Second
	noticed := min(t.staleTimeout, t.pingInterval+t.pongTimeout) + time.Second
	return soak.Injection{
		Target: fakebinance.TargetOpen, // the session that replaces it works
		For:    soak.Duration(noticed + margin + t.silence),
		Disturbance: soak.Disturbance{
			Pause:      soak.Duration(noticed + reconnectPause),
			Reconnects: 1,
			Settle:     soak.Duration(settle),
			Alerts:     []string{alertPongTimeout, alertStale}, // when a ping falls into it
		},
	}
}}
