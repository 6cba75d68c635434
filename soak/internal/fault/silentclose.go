package fault

import (
	"math/rand/v2"

	"steadfeed/soak"
)

// silentClose ends the connection with a TCP FIN and no close frame: the most
// frequent end of a session at the real exchange.
var silentClose = Fault{Name: "silent-close", Kind: KindDrop, draw: func(*rand.Rand, timing) soak.Injection {
	return cut(nil)
}}
