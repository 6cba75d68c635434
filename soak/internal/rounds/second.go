package rounds

import (
	"context"
	"fmt"
	"math/rand/v2"
	"strings"
	"time"
)

const (
	// Both run for so long side by side: several takeovers, if they fight.
	togetherLeast = 2 * time.Second
	togetherMore  = 2 * time.Second
	// answerWithin is for the copy to be there at all.
	answerWithin = 30 * time.Second
)

// second is a mistake of whoever starts things: a copy with the same group and
// the same name. Both run for some seconds, whatever they do to one another,
// and one of the two, drawn by lot, is killed. One may also have ended by
// itself, being told that there is another.
var second = kind{
	name: "second", about: "a copy with the same name by mistake, both for some seconds, then kill -9 of either",
	cast: 1, pause: takeoverPause,
	trouble: func(ctx context.Context, d *driver, _ int, lots *rand.Rand) (string, bool, error) {
		original := d.cast.members[0]
		clone, err := d.cast.start(cloneName(original.name), original.instance)
		if err != nil {
			return "", false, err
		}
		if err := answers(ctx, clone); err != nil {
			return "", false, err
		}
		if err := pause(ctx, togetherLeast+time.Duration(lots.Int64N(int64(togetherMore)))); err != nil {
			return "", false, err
		}
		var evidence []string
		for _, m := range []*member{original, clone} {
			select {
			case <-m.process.Exited():
				evidence = append(evidence, fmt.Sprintf("%s ended by itself: %s", m.name, m.process.Exit().Text))
				d.cast.forget(m)
			default:
			}
		}
		switch len(d.cast.members) {
		case 0:
			_, err = d.cast.start(original.name, original.instance)
		case 2:
			victim := d.cast.members[lots.IntN(2)]
			d.cast.kill(victim)
			evidence = append(evidence, fmt.Sprintf("both ran; %s ended: %s", victim.name, victim.process.Exit().Text))
		}
		return strings.Join(evidence, ", "), true, err
	},
}

// cloneName is the name of another process of the same instance.
func cloneName(name string) string {
	if original, isClone := strings.CutSuffix(name, "-copy"); isClone {
		return original
	}
	return name + "-copy"
}

// answers waits until a subject answers at all, or has ended.
func answers(ctx context.Context, m *member) error {
	ctx, cancel := context.WithTimeout(ctx, answerWithin)
	defer cancel()
	for {
		_, err := m.endpoints.Standing(ctx)
		if err == nil {
			return nil
		}
		select {
		case <-time.After(settlePoll):
		case <-m.process.Exited():
			return nil
		case <-ctx.Done():
			return fmt.Errorf("%w: %s does not answer: %w", errUnsettled, m.name, err)
		}
	}
}
