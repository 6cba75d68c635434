package rounds

import (
	"context"
	"time"
)

// Phases of the auditor: how long trades take to become visible is told apart
// by them.
const (
	phaseRounds = "rounds" // between the rounds
	phaseQuiet  = "quiet"
)

// quiet is no trouble at all: how long trades take from published to visible
// for a reader of what is committed.
var quiet = kind{name: "quiet", about: "no trouble: how long trades take to become visible", cast: 1}

func (d *driver) quiet(ctx context.Context) error {
	if err := d.cast.muster(ctx, quiet.cast); err != nil {
		return err
	}
	// The window of the round before answers for a second more; then it is quiet.
	if err := pause(ctx, 2*afterwards); err != nil {
		return err
	}
	d.auditor.Phase(phaseQuiet, time.Now())
	defer func() { d.auditor.Phase(phaseRounds, time.Now()) }()
	if err := pause(ctx, d.options.Quiet); err != nil {
		return err
	}
	return d.visible(ctx, time.Now())
}
