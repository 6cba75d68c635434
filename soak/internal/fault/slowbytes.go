package fault

import (
	"math/rand/v2"
	"strconv"

	"steadfeed/soak"
)

// slowBytes lets the bytes of a session trickle, slower than trades come, so
// that frames arrive in pieces and a backlog builds up at the exchange. The
// pong to a ping of the subject waits behind that backlog, so a subject may
// rightly take the session for dead: one reconnect is allowed.
var slowBytes = Fault{Name: "slow-bytes", Kind: KindSlowFrames, draw: func(rng *rand.Rand, t timing) soak.Injection {
	rate := 4000 + 1000*rng.IntN(5) // a frame has 170 bytes, so 25 to 50 trades a second
	in := slowed(seconds(rng, 8, 12)+t.silence, map[string]string{"bytes_per_second": strconv.Itoa(rate)}, 1)
	in.Disturbance.Alerts = []string{alertPongTimeout}
	return in
}}
