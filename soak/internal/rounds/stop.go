package rounds

import (
	"context"
	"fmt"
	"math/rand/v2"
	"time"
)

// zombie is how much longer than its session a subject is stopped at least, so
// that the other has certainly taken its place.
const zombie = time.Second

// stop is a machine that hangs and comes back: SIGSTOP to the one of two that
// owns most for longer than its session, and SIGCONT when the other has taken
// over. It wakes up in the middle of what it was doing, with a transaction
// open and a buffer full, and must write nothing of it; then it stands by.
var stop = kind{
	name: "stop", about: "SIGSTOP of one of two for longer than its session, then SIGCONT",
	cast: 2, pause: takeoverPause,
	trouble: func(ctx context.Context, d *driver, _ int, lots *rand.Rand) (string, bool, error) {
		if err := moment(ctx, lots, anyMoment); err != nil {
			return "", false, err
		}
		victim := d.cast.busiest()
		stopped := time.Now()
		if err := victim.process.Pause(); err != nil {
			return "", false, err
		}
		err := pause(ctx, sessionTimeout+zombie)
		if err == nil {
			err = d.visible(ctx, time.Now())
		}
		if err == nil {
			err = moment(ctx, lots, anyMoment)
		}
		slept := time.Since(stopped).Round(time.Millisecond)
		if woken := victim.process.Resume(); woken != nil { // whatever else went wrong
			return "", false, woken
		}
		return fmt.Sprintf("%s was stopped for %s", victim.name, slept), true, err
	},
}
