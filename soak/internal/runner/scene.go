package runner

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"steadfeed/soak"
	"steadfeed/soak/internal/audit"
	"steadfeed/soak/internal/testbed"
)

// run is the state of a run in progress. Most of it belongs to the goroutine
// that tells the story; what the watchers share is in scene.
type run struct {
	plan    soak.Plan
	options Options
	hard    context.Context
	dir     *soak.Run
	bed     *testbed.Testbed
	auditor *audit.Auditor
	course  soak.Course
	alerts  *soak.Alerts // set by the watcher at its end

	leaving  atomic.Bool // the subject has been asked to end
	blind    atomic.Bool // a watcher broke, so its figures stand still
	findings atomic.Int64
	sessions atomic.Int64 // session events written

	entered chan struct{} // a phase was; holds one

	mu    sync.Mutex // never held while waiting
	scene scene
	fail  context.CancelCauseFunc // ends the story; nil before watch
}

// scene is what the watchers know of the moment.
type scene struct {
	begins     time.Time // the first phase
	phase      string
	active     string
	injections int // over
	totals     audit.Totals
	at         time.Time     // of totals
	lagMax     time.Duration // since the last sample
	sample     soak.Sample
	delivered  [rateTicks]int64 // at the last ticks, newest at ticks%rateTicks
	ticks      int
}

// rateTicks: the trades a second that progress shows are a mean over so many.
const rateTicks = 5

func newRun(plan soak.Plan, dir *soak.Run, options Options) *run {
	hard := options.Hard
	if hard == nil {
		hard = context.Background()
	}
	r := &run{plan: plan, options: options, hard: hard, dir: dir, entered: make(chan struct{}, 1)}
	r.course.Began = time.Now().UTC()
	r.course.Subject = testbed.Describe(plan.Subject)
	r.scene.begins = r.course.Began
	return r
}

// lower stops whatever of the testbed runs.
func (r *run) lower() {
	if r.bed == nil {
		return
	}
	if err := r.bed.Close(); err != nil {
		r.event(soak.EventHarness, "testbed", fmt.Sprintf("close: %v", err), nil)
	}
}

// enter begins a phase.
func (r *run) enter(phase string) {
	now := time.Now().UTC()
	r.mu.Lock()
	known := r.scene.phase == phase // the first phase is entered when trades begin, and again when its time starts
	r.scene.phase = phase
	r.mu.Unlock()
	if known {
		return
	}
	select {
	case r.entered <- struct{}{}:
	default: // the one before was not looked at yet, and this one will be with it
	}
	r.auditor.Phase(phase, now)
	r.event(soak.EventPhase, phase, "began", nil)
}

// pace is how often samples are taken now.
func (r *run) pace() time.Duration {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.plan.Pace(r.scene.phase)
}

func (r *run) expectExit()        { r.leaving.Store(true) }
func (r *run) exitExpected() bool { return r.leaving.Load() }

// setOff notes that the first phase begins now.
func (r *run) setOff() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.scene.begins = time.Now()
}

func (r *run) setActive(injection string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.scene.active = injection
}

func (r *run) countInjection() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.scene.injections++
}

// totals are the auditor's latest figures and their time.
func (r *run) totals() (audit.Totals, time.Time) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.scene.totals, r.scene.at
}

// complete adds the ledger's side to a sample.
func (r *run) complete(sample soak.Sample) soak.Sample {
	r.mu.Lock()
	defer r.mu.Unlock()
	totals := r.scene.totals
	sample.Phase = r.scene.phase
	sample.Published, sample.Delivered, sample.Behind = totals.Published, totals.Delivered, totals.Behind
	sample.LagP50, sample.LagMax = totals.LagP50.Seconds(), r.scene.lagMax.Seconds()
	sample.Findings = totals.Findings
	r.scene.lagMax = 0
	r.scene.sample = sample
	return sample
}

func timeUnit(subject soak.Subject) time.Duration {
	if subject.TimeUnit == "millisecond" {
		return time.Millisecond
	}
	return time.Microsecond
}
