package fault

import (
	"math/rand/v2"

	"steadfeed/soak"
)

// closeCodes are close frames that users of the real exchange have seen.
var closeCodes = []struct{ code, reason string }{
	{"1001", ""},             // the server leaves
	{"1008", "Pong timeout"}, // a policy, with its reason
	{"1011", ""},             // trouble inside
}

// closeFrame ends the session in an orderly way, with a code.
var closeFrame = Fault{Name: "close", Kind: KindDrop, draw: func(rng *rand.Rand, _ timing) soak.Injection {
	chosen := closeCodes[rng.IntN(len(closeCodes))]
	settings := map[string]string{"code": chosen.code}
	if chosen.reason != "" {
		settings["reason"] = chosen.reason
	}
	return cut(settings)
}}
