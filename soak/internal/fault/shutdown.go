package fault

import (
	"math/rand/v2"
	"time"

	"steadfeed/fakebinance"
	"steadfeed/soak"
)

// shutdown is the exchange's own announcement that it will end the session,
// with the notice that it gives: the subject is to have another one by then. It
// is also how a run brings a rotation about when it wants one.
var shutdown = Fault{Name: fakebinance.KindServerShutdown, Kind: KindShutdown, draw: func(*rand.Rand, timing) soak.Injection {
	const notice = 10 * time.Second
	return soak.Injection{
		Target:   fakebinance.TargetOpen,
		For:      soak.Duration(notice + time.Second),
		Settings: map[string]string{"notice": notice.String()},
		Disturbance: soak.Disturbance{
			Pause:  soak.Duration(shutdownPause),
			Settle: soak.Duration(shutdownSettle),
		},
	}
}}

const (
	// shutdownPause: trades go on on the new session before the old one ends,
	// so a pause is one of the machine's.
	shutdownPause = 2 * time.Second
	// shutdownSettle is until the old session, which is kept for some seconds
	// after its successor is proven, has been closed.
	shutdownSettle = 3 * time.Second
)

// eventSpan is the least time between two rotations that are brought about.
func eventSpan() time.Duration { return span(shutdown.injection(nil, timing{})) }
