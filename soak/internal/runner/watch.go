package runner

import (
	"context"
	"errors"
	"fmt"
	"time"

	"golang.org/x/sync/errgroup"

	"steadfeed/soak"
	"steadfeed/soak/internal/audit"
)

// watchEvery is how often the auditor is asked for its figures, and how often
// progress is shown.
const watchEvery = time.Second

// every is watchEvery, or in virtual time, where a look costs as much as all
// else of a second, less often.
func (r *run) every() time.Duration {
	if r.plan.Virtual {
		return min(10*watchEvery, r.plan.SampleEvery.D())
	}
	return watchEvery
}

// watch starts what goes on beside the story: the audit of the topic, the
// samples, the figures for the person who looks on, and an eye on the subject.
// The context that it returns ends when ctx does, when the subject dies, or
// when the harness itself cannot go on; stop ends the watching, waits for it
// and returns what went wrong with it. It can be called twice.
func (r *run) watch(ctx context.Context) (_ context.Context, stop func() error) {
	ctx, fail := context.WithCancelCause(ctx)
	watching, cancel := context.WithCancel(context.Background())
	var group errgroup.Group
	start := func(what string, f func(context.Context) error) {
		group.Go(func() (err error) {
			defer func() {
				if err != nil {
					err = fmt.Errorf("%s: %w", what, err)
					r.blind.Store(true)
					fail(err)
				}
			}()
			defer recoverAs(&err)
			return f(watching)
		})
	}
	r.failing(fail)
	start("audit", r.audit)
	start("sample", r.sample)
	start("figures", r.figures)
	start("alerts", r.watchAlerts)
	start("subject", func(ctx context.Context) error { r.guard(ctx, fail); return nil })
	return ctx, once(func() error {
		cancel()
		err := group.Wait()
		fail(nil)
		return err
	})
}

func once(f func() error) func() error {
	var err error
	done := false
	return func() error { // called by the story's goroutine alone
		if !done {
			done, err = true, f()
		}
		return err
	}
}

// audit reads the topic until ctx ends.
func (r *run) audit(ctx context.Context) error {
	if err := r.topic().Read(ctx, r.auditor); err != nil && ctx.Err() == nil {
		return err
	}
	return nil
}

// topic is what the subject writes to.
func (r *run) topic() audit.Topic {
	return audit.Topic{Brokers: r.bed.Store.Brokers(), Registry: r.bed.Store.RegistryURL(), Topic: r.bed.Topic, Dial: r.bed.Dial()}
}

// guard ends the story when the subject ends before it is asked to.
func (r *run) guard(ctx context.Context, fail context.CancelCauseFunc) {
	if !r.bed.Ended(ctx) || r.exitExpected() {
		return
	}
	exit := r.bed.Subject().Exit()
	r.event(soak.EventSubject, r.plan.Subject.Name, "ended by itself: "+exit.Text, nil)
	fail(fmt.Errorf("%w: %s", errSubjectDied, exit.Text))
}

// figures asks the auditor once a second.
func (r *run) figures(ctx context.Context) error {
	ticker := time.NewTicker(r.every())
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case now := <-ticker.C:
			progress := r.look(now, r.auditor.Now(now))
			if r.options.OnProgress != nil {
				r.options.OnProgress(progress)
			}
		}
	}
}

// sample takes a sample at every tick until ctx ends; how often, the phase says.
func (r *run) sample(ctx context.Context) error {
	every := r.pace()
	ticker := time.NewTicker(every)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-r.entered:
			if now := r.pace(); now != every {
				every = now
				ticker.Reset(every)
			}
			continue
		case <-ticker.C:
		}
		if r.exitExpected() {
			continue // a process that is gone has no figures; those of the drain would only mislead
		}
		// A subject that does not answer costs a sample its metrics, not its place.
		reading, cancel := context.WithTimeout(ctx, every*4/5)
		sample := r.bed.Sample(reading)
		cancel()
		if err := r.dir.AppendSample(r.complete(sample)); err != nil {
			return err
		}
	}
}

// readOut waits until the auditor has seen all that the topic was ever given.
func (r *run) readOut() error {
	ctx, cancel := context.WithTimeout(r.hard, readOutWithin)
	defer cancel()
	end, open, err := r.topic().Settled(ctx)
	if err != nil {
		return err
	}
	if open > 0 {
		r.event(soak.EventHarness, "topic", fmt.Sprintf("a transaction that nobody ends is still open: %d records cannot be read", open), nil)
	}
	if err := r.auditor.ReadTo(ctx, end); err != nil {
		return errors.Join(fmt.Errorf("read the topic to its end at %d", end), err)
	}
	return nil
}
