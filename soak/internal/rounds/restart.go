package rounds

import (
	"context"
	"fmt"
	"math/rand/v2"
	"time"
)

// restartPause: a process starts, says who it is, finds the end of its topic
// and fetches what it missed. On an idle machine all of that takes 0.3 s.
const restartPause = 4 * time.Second

// restart is a crash with a supervisor: kill -9 of the only subject, and the
// same one started again at once.
var restart = kind{
	name: "restart", about: "kill -9 of the only one, started again at once under the same name",
	cast: 1, pause: restartPause,
	trouble: func(ctx context.Context, d *driver, _ int, lots *rand.Rand) (string, bool, error) {
		if err := moment(ctx, lots, anyMoment); err != nil {
			return "", false, err
		}
		victim := d.cast.members[0]
		d.cast.kill(victim)
		exit := victim.process.Exit()
		_, err := d.cast.start(victim.instance, victim.instance)
		return fmt.Sprintf("%s ended: %s", victim.name, exit.Text), exit.Code == -1, err
	},
}

// drainPause: who leaves a group as its last member leaves it empty, and Kafka
// waits 3 s (group.initial.rebalance.delay.ms) for more to come when the next
// one joins.
const drainPause = restartPause + 3*time.Second

// drain is a planned restart: SIGTERM, and the same one started again.
var drain = kind{
	name: "drain", about: "SIGTERM to the only one, started again under the same name",
	cast: 1, pause: drainPause,
	trouble: func(ctx context.Context, d *driver, _ int, lots *rand.Rand) (string, bool, error) {
		if err := moment(ctx, lots, anyMoment); err != nil {
			return "", false, err
		}
		leaving := d.cast.members[0]
		if err := d.cast.drain(leaving); err != nil {
			return "", false, err
		}
		_, err := d.cast.start(leaving.instance, leaving.instance)
		return fmt.Sprintf("%s ended: %s", leaving.name, leaving.process.Exit().Text), true, err
	},
}
