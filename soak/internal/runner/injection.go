package runner

import (
	"context"
	"fmt"
	"time"

	"steadfeed/soak"
	"steadfeed/soak/internal/audit"
	"steadfeed/soak/internal/fault"
)

// healthyWithin is how long an injection waits for the effects of the one
// before to pass. A subject that needs longer than the catch-up limit of every
// plan is not going to be well in time.
const healthyWithin = 30 * time.Second

// inject does the injections of one chaos phase, each when its time has come
// and the subject is well. planned is when the phase begins by the plan, began
// when it did.
func (r *run) inject(ctx context.Context, began time.Time, planned time.Duration, phase soak.Phase) error {
	for i := range r.plan.Injections {
		in := &r.plan.Injections[i]
		after := in.At.D() - planned
		if after < 0 || after >= phase.For.D() {
			continue // of another chaos phase
		}
		if err := sleepUntil(ctx, began.Add(after)); err != nil {
			return err
		}
		if err := r.injectOne(ctx, in); err != nil {
			return err
		}
	}
	return nil
}

// injectOne is one injection: healthy before, its window recorded, healed,
// healthy after. An injection that cannot be done is recorded as such and the
// run goes on; the judge decides what that means. The error is only of ctx.
func (r *run) injectOne(ctx context.Context, in *soak.Injection) error {
	if err := r.await(ctx, time.Now(), healthyWithin, caughtUp); err != nil {
		if ctx.Err() != nil {
			return err
		}
		in.Err = fmt.Sprintf("not begun: the subject was not well before it (%v)", err)
		r.event(soak.EventInjection, in.Name, in.Err, nil)
		return nil
	}

	in.Began = time.Now().UTC()
	r.auditor.Disturb(in.Name, in.Began)
	r.setActive(in.Name)
	r.event(soak.EventInjection, in.Name, fmt.Sprintf("begins: %s on %s sessions for %s", in.Fault, in.Target, in.For), in.Settings)
	begun, err := fault.Begin(r.bed, *in)
	if err != nil {
		in.Err = err.Error()
		r.heal(in)
		return nil
	}

	select {
	case <-begun.Done():
	case <-ctx.Done():
		in.Err = "ended early: " + reason(context.Cause(ctx))
	}
	evidence := begun.End() // heals; it must not depend on ctx
	in.Proven, in.Evidence = evidence.Proven, evidence.Text
	r.heal(in)
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	if err := r.await(ctx, time.Now(), in.Disturbance.Settle.D(), caughtUp); err != nil && ctx.Err() == nil {
		r.event(soak.EventInjection, in.Name, fmt.Sprintf("not well %s after its end: %v", in.Disturbance.Settle, err), nil)
	}
	return ctx.Err()
}

// heal records the end of an injection.
func (r *run) heal(in *soak.Injection) {
	in.Ended = time.Now().UTC()
	r.auditor.Heal(in.Name, in.Ended, in.Disturbance.Settle.D())
	r.setActive("")
	r.countInjection()
	text := "ended: " + in.Evidence
	if in.Err != "" {
		text = in.Err
	}
	r.event(soak.EventInjection, in.Name, text, map[string]string{"proven": fmt.Sprint(in.Proven)})
}

// caughtUp is the condition of a subject that is well.
func caughtUp(totals audit.Totals) bool { return totals.CaughtUp }

// await waits until the auditor's figures of a moment after since meet a
// condition. The error says how far they were from it.
func (r *run) await(ctx context.Context, since time.Time, within time.Duration, condition func(audit.Totals) bool) error {
	const poll = 100 * time.Millisecond // the figures change once a second
	late := time.NewTimer(within)
	defer late.Stop()
	ticker := time.NewTicker(poll)
	defer ticker.Stop()
	for {
		totals, at := r.totals()
		if at.After(since) && condition(totals) {
			return nil
		}
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-late.C:
			return fmt.Errorf("%d trades due and not visible after %s", totals.Behind, within)
		case <-ticker.C:
		}
	}
}

// sleepUntil waits for an instant or for ctx, whose cause is the error.
func sleepUntil(ctx context.Context, instant time.Time) error {
	timer := time.NewTimer(time.Until(instant))
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}
