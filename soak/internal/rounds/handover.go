package rounds

import (
	"context"
	"fmt"
	"math/rand/v2"
	"time"
)

// handoverPause: half a second is what a hand-over should take at most; the
// rest is for a machine on which brokers, exchange and auditor run as well.
const handoverPause = 2 * time.Second

// handover is an upgrade without an outage: the new one is started beside the
// old, and when both have settled the old one gets SIGTERM. What the joining
// costs belongs to the round too.
var handover = kind{
	name: "handover", about: "a new one beside the old; when both have settled, SIGTERM to the old",
	cast: 1, pause: handoverPause,
	trouble: func(ctx context.Context, d *driver, _ int, lots *rand.Rand) (string, bool, error) {
		old, name := d.cast.members[0], d.cast.free()
		if _, err := d.cast.start(name, name); err != nil {
			return "", false, err
		}
		if err := d.cast.settle(ctx); err != nil {
			return "", false, err
		}
		if err := d.visible(ctx, time.Now()); err != nil {
			return "", false, err
		}
		if err := moment(ctx, lots, anyMoment); err != nil {
			return "", false, err
		}
		if err := d.cast.drain(old); err != nil {
			return "", false, err
		}
		return fmt.Sprintf("%s handed over to %s and ended: %s", old.name, name, old.process.Exit().Text), true, nil
	},
}
