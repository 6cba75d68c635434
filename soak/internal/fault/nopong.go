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
	return soak.Injection{
		Target: fakebinance.TargetOpen, // the session that replaces it is answered
		For:    soak.Duration(t.unanswered()),
		Disturbance: soak.Disturbance{
			Pause:      soak.Duration(reconnectPause),
			Reconnects: 1,
			Settle:     soak.Duration(settle),
			Alerts:     []string{alertStale},
		},
		Alerts: []string{alertPongTimeout},
	}
}}

// noPongAtAll is for plans in which sessions rotate: one that begins shortly
// before a rotation would find no ping to leave unanswered, so it goes on until
// the successor has missed one too.
var noPongAtAll = Fault{Name: noPong.Name, Kind: noPong.Kind, draw: func(rng *rand.Rand, t timing) soak.Injection {
	in := noPong.draw(rng, t)
	in.Target = fakebinance.TargetAll
	in.For += soak.Duration(t.unanswered())
	in.Disturbance.Reconnects = 3 // a ping may be due as it begins, and then twice more
	return in
}}

// unanswered is how long pings are: one is due and given up within.
func (t timing) unanswered() time.Duration {
	const margin = 5 * time.Second
	return t.pingInterval + t.pongTimeout + margin
}

// sessionsLast tells whether a session is rarely replaced while its pings are
// unanswered: in a compressed plan it always is, and nothing would be shown.
func (t timing) sessionsLast() bool { return t.rotation >= 4*t.unanswered() }
