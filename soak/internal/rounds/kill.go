package rounds

import (
	"context"
	"fmt"
	"math/rand/v2"
	"time"
)

// sessionTimeout is what subjects are told: after so long without a sign of
// life the others take the work of a dead one. It is the least that Kafka
// allows by default.
const sessionTimeout = 6 * time.Second

// takeoverPause: the session runs out, and two seconds to take over.
const takeoverPause = sessionTimeout + 2*time.Second

// anyMoment covers several transactions, each open for 50 ms.
const anyMoment = 200 * time.Millisecond

// kill is a machine that is gone for good: kill -9 of the one of two that owns
// most, at any moment of its transactions. The other has to notice and go on.
// A fresh one takes the dead one's name when that is over.
var kill = kind{
	name: "kill", about: "kill -9 of one of two; the other takes over when its session has run out",
	cast: 2, pause: takeoverPause,
	trouble: func(ctx context.Context, d *driver, _ int, lots *rand.Rand) (string, bool, error) {
		if err := moment(ctx, lots, anyMoment); err != nil {
			return "", false, err
		}
		victim := d.cast.busiest()
		d.cast.kill(victim)
		evidence := fmt.Sprintf("%s ended: %s", victim.name, victim.process.Exit().Text)
		proven := victim.process.Exit().Code == -1
		if err := d.cast.settle(ctx); err != nil {
			return evidence, proven, fmt.Errorf("take over: %w", err)
		}
		if err := d.visible(ctx, time.Now()); err != nil {
			return evidence, proven, fmt.Errorf("take over: %w", err)
		}
		_, err := d.cast.start(victim.instance, victim.instance)
		return evidence, proven, err
	},
}
