package fault

import (
	"math/rand/v2"
	"time"

	"steadfeed/fakebinance"
	"steadfeed/soak"
)

// noPong leaves the subject's pings unanswered while trades go on: only a
// subject that watches its pongs notices. It has to last until a ping has been
// sent and given up, wherever in the ping interval it begins.
var noPong = Fault{Name: "no-pong", Kind: KindPingTimeout, draw: func(_ *rand.Rand, t timing) soak.Injection {
	const margin = 5 * time.Second
	return soak.Injection{
		Target: fakebinance.TargetOpen, // the session that replaces it is answered
		For:    soak.Duration(t.pingInterval + t.pongTimeout + margin),
		Disturbance: soak.Disturbance{
			Pause:      soak.Duration(reconnectPause),
			Reconnects: 1,
			Settle:     soak.Duration(settle),
		},
		Alerts: []string{alertPongTimeout},
	}
}}
