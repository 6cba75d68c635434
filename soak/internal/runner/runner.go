package runner

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"runtime/debug"
	"time"

	"steadfeed/soak"
	"steadfeed/soak/internal/audit"
	"steadfeed/soak/internal/testbed"
)

// Limits in time of the steps that are not phases.
const (
	// readyWithin: a subject has to open Kafka, the registry and a session, all
	// on the loopback interface; on a busy machine that has taken 5 s.
	readyWithin = 30 * time.Second
	// trappedWithin: what it asks for may be answered late, and more than once.
	trappedWithin = 5 * time.Minute
	// exitWithin is more than the streamer's own drain timeout of 30 s, so that
	// a subject that overstays its own limit is seen to do so.
	exitWithin = 35 * time.Second
	// readOutWithin is for the auditor to reach the end of the topic, and before
	// that for Kafka to end a transaction that a dead subject left open.
	readOutWithin = time.Minute
	// lastTradeMargin beyond what is fresh, a trade that is still not visible
	// counts as behind.
	lastTradeMargin = 100 * time.Millisecond
	// profileWithin keeps a subject that does not answer from holding up a run.
	profileWithin = 10 * time.Second
)

// Why a run ends before its plan does.
var (
	errSubjectDied      = errors.New("the subject ended by itself")
	errNothingPublished = errors.New("the exchange published nothing during warm-up")
)

// Options are what a run needs beside its plan.
type Options struct {
	Out string // the directory in which run directories are made
	// Hard ends everything at once when it is cancelled, also the drain and
	// the audit; what is known by then is judged. Nil: never.
	Hard       context.Context
	Virtual    *testbed.Virtual // for a plan in virtual time
	OnEvent    func(soak.Event) // called with each event as it is recorded
	OnProgress func(Progress)   // called each second
}

// Result is a finished run.
type Result struct {
	Run     *soak.Run
	Course  soak.Course // interrupted, or in trouble?
	Verdict soak.Verdict
}

// Run does what the plan says and judges it. Cancelling ctx ends the run early:
// faults are healed, the subject drains, and what there is is audited and
// judged. Whatever happens after the run directory exists, there is a verdict;
// the error is for a directory that cannot be made or written.
func Run(ctx context.Context, plan soak.Plan, options Options) (Result, error) {
	dir, err := soak.Create(options.Out, plan, time.Now())
	if err != nil {
		return Result{}, err
	}
	defer dir.Close()
	r := newRun(plan, dir, options)
	r.classify(r.tell(ctx))
	return r.conclude()
}

// tell is a run from the testbed to the end of the audit. The error says why
// it ended early.
func (r *run) tell(ctx context.Context) (err error) {
	defer recoverAs(&err)
	defer r.lower()
	if err := r.raise(ctx); err != nil {
		return err
	}
	ctx, stop := r.watch(ctx)
	defer stop()
	early := r.phases(ctx)
	return errors.Join(early, r.drain(), stop())
}

// raise starts the testbed and the subject, and proves the subject's health.
func (r *run) raise(ctx context.Context) error {
	bed, err := testbed.Up(ctx, r.plan, r.dir.Dir(), r.options.Virtual)
	if err != nil {
		return err
	}
	r.bed = bed
	if r.plan.Containers != nil {
		if r.course.Subject, err = bed.DescribeImage(ctx); err != nil {
			return err
		}
	}
	r.bed.Exchange.Ledger().OnSession(r.session)
	r.auditor = audit.New(audit.Options{
		Ledger:    bed.Exchange.Ledger(),
		Source:    bed.Source,
		Symbols:   r.plan.Symbols,
		TimeUnit:  timeUnit(r.plan.Subject),
		Fresh:     r.plan.Fresh.D(),
		OnFinding: r.finding,
	})
	r.auditor.Begin(time.Now())
	r.enter(soak.PhaseWarmUp)
	// A container takes some seconds to be there, and a trap may spring before.
	// Trades that nobody could have seen would spoil every figure of the warm-up.
	within := readyWithin
	if r.plan.Trap != nil {
		within = trappedWithin
	}
	later := r.plan.Containers != nil || r.plan.Virtual
	if !later {
		bed.Exchange.Start()
	}
	if err := bed.StartSubject(ctx); err != nil {
		return err
	}
	if err := r.recordCourse(); err != nil {
		return err
	}
	r.event(soak.EventSubject, r.plan.Subject.Name, "started", nil)
	if err := bed.WaitReady(ctx, within); err != nil {
		return err
	}
	r.event(soak.EventSubject, r.plan.Subject.Name, "ready", nil)
	if later {
		bed.Exchange.Start()
	}
	return nil
}

// phases goes through the plan's phases until the last one or ctx ends.
func (r *run) phases(ctx context.Context) error {
	r.setOff()
	var planned time.Duration // when this phase begins by the plan
	for _, phase := range r.plan.Phases {
		r.enter(phase.Name)
		began := time.Now()
		if phase.Chaos || phase.Events > 0 {
			if err := r.inject(ctx, began, planned, phase); err != nil {
				return err
			}
		}
		if err := sleepUntil(ctx, began.Add(phase.For.D())); err != nil {
			return err
		}
		planned += phase.For.D()
		switch phase.Name {
		case soak.PhaseWarmUp:
			if r.bed.Exchange.Ledger().Total() == 0 {
				return errNothingPublished
			}
			r.saveProfiles(ctx, phase.Name)
		case soak.PhaseCalm:
			r.saveProfiles(ctx, phase.Name)
		}
	}
	return nil
}

// drain ends traffic, waits until every trade is visible, has the subject
// end, and lets the auditor read what is left. It does not depend on the
// context of the run, which may have been cancelled.
func (r *run) drain() error {
	r.enter(soak.PhaseDrain)
	r.bed.Exchange.StopPublishing()
	ended := time.Now()
	r.auditor.End(ended)
	r.awaitLast(ended)
	r.endSubject()
	return r.readOut()
}

// awaitLast waits until every trade is visible. A subject that is dead makes
// none visible any more, and a harness that is blind would not see them; what
// has been written is read all the same, by readOut.
func (r *run) awaitLast(ended time.Time) {
	if r.blind.Load() {
		return
	}
	select {
	case <-r.bed.Subject().Exited():
		return
	default:
	}
	// Caught up allows a trade to be somewhat late, so it means that all are
	// visible only when the last one is older.
	if err := r.await(r.hard, ended.Add(cmp.Or(r.plan.Fresh.D(), audit.FreshAge)+lastTradeMargin), r.plan.DrainWithin.D(), caughtUp); err != nil {
		r.event(soak.EventHarness, soak.PhaseDrain, "not every trade became visible: "+reason(err), nil)
	}
}

// endSubject asks the subject to drain and records how it ended.
func (r *run) endSubject() {
	r.expectExit()
	hard := context.AfterFunc(r.hard, func() { r.bed.Subject().Kill() })
	defer hard()
	exit := r.bed.Subject().Terminate(exitWithin)
	r.course.Subject.Exit = exit.Text
	text := "ended: " + exit.Text
	if exit.Forced {
		text = fmt.Sprintf("had not ended %s after SIGTERM and was killed", exitWithin)
		r.course.Subject.Exit += " (killed, did not end on SIGTERM)"
	}
	r.event(soak.EventSubject, r.plan.Subject.Name, text, nil)
}

// recoverAs turns a panic of the harness into trouble, so that the run is
// still judged.
func recoverAs(err *error) {
	if panicked := recover(); panicked != nil {
		*err = errors.Join(*err, fmt.Errorf("the harness panicked: %v\n%s", panicked, debug.Stack()))
	}
}
