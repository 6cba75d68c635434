package runner

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"steadfeed/soak"
)

// canaryPath is the reference subject, built once for all tests.
var canaryPath = sync.OnceValues(func() (string, error) {
	dir, err := os.MkdirTemp("", "canary-")
	if err != nil {
		return "", err
	}
	built = dir
	path := filepath.Join(dir, "canary")
	if out, err := exec.Command("go", "build", "-o", path, "steadfeed/soak/cmd/canary").CombinedOutput(); err != nil {
		return "", fmt.Errorf("%w: %s", err, out)
	}
	return path, nil
})

var built string

func TestMain(m *testing.M) {
	if role := os.Getenv("SUBJECT_ROLE"); role != "" {
		play(role)
		return
	}
	goleak.VerifyTestMain(m, goleak.Cleanup(func(status int) {
		if built != "" {
			os.RemoveAll(built)
		}
		os.Exit(status)
	}))
}

// play lets the test binary be a subject that is no streamer at all.
func play(role string) {
	switch role {
	case "failing":
		fmt.Println("STREAMER_SYMBOLS: no such symbol")
		os.Exit(3)
	}
}

// short is a plan of a few seconds with one reset in it.
func short(t *testing.T, flaw ...string) soak.Plan {
	t.Helper()
	canary, err := canaryPath()
	if err != nil {
		t.Fatal(err)
	}
	plan, err := NewPlan("smoke", Choices{Seed: 7, Subject: append([]string{canary}, flaw...), Name: "canary", Rate: -1})
	if err != nil {
		t.Fatal(err)
	}
	plan.Name = "short"
	plan.Phases = []soak.Phase{
		{Name: soak.PhaseWarmUp, For: soak.Duration(2 * time.Second)},
		{Name: soak.PhaseChaos, For: soak.Duration(4 * time.Second), Chaos: true},
		{Name: soak.PhaseCalm, For: soak.Duration(2 * time.Second), SampleEvery: soak.Duration(200 * time.Millisecond)},
	}
	plan.Injections = []soak.Injection{{
		Name: "1-reset", Fault: "reset", Kind: "drop", Target: "open",
		At: soak.Duration(2500 * time.Millisecond), For: soak.Duration(500 * time.Millisecond),
		Disturbance: soak.Disturbance{
			Pause: soak.Duration(10 * time.Second), Reconnects: 1, Settle: soak.Duration(2 * time.Second),
		},
	}}
	// Of the limits, those that seconds can tell.
	plan.Limits = slices.DeleteFunc(plan.Limits, func(l soak.Limit) bool {
		return !slices.Contains([]string{
			"delivery.complete", "delivery.unique", "delivery.ordered", "delivery.faithful", "memory.rss_limit",
			"throughput", "pause", "catchup", "reconnects", "validity.duration", "validity.injections", "validity.subject",
		}, l.ID)
	})
	return plan
}

func do(t *testing.T, ctx context.Context, plan soak.Plan) Result {
	t.Helper()
	result, err := Run(ctx, plan, Options{Out: t.TempDir(), OnEvent: func(e soak.Event) {
		t.Logf("%s %s: %s", e.Kind, e.Name, e.Text)
	}})
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("%s: %s", result.Verdict.Outcome, result.Verdict.Why)
	for _, name := range []string{soak.PlanFile, soak.CourseFile, soak.EventsFile, soak.LedgerFile, soak.VerdictFile, soak.JUnitFile, soak.SummaryFile} {
		if _, err := os.Stat(filepath.Join(result.Run.Dir(), name)); err != nil {
			t.Errorf("the run directory is not complete: %v", err)
		}
	}
	return result
}

func check(t *testing.T, v soak.Verdict, id string) soak.Check {
	t.Helper()
	i := slices.IndexFunc(v.Checks, func(c soak.Check) bool { return c.ID == id })
	if i < 0 {
		t.Fatalf("the verdict has no check %s", id)
	}
	return v.Checks[i]
}

func TestAGoodSubjectIsAcquitted(t *testing.T) {
	t.Parallel()
	var seen []Progress
	var mu sync.Mutex
	plan := short(t)
	result, err := Run(t.Context(), plan, Options{Out: t.TempDir(), OnProgress: func(p Progress) {
		mu.Lock()
		defer mu.Unlock()
		seen = append(seen, p)
	}})
	if err != nil {
		t.Fatal(err)
	}
	v := result.Verdict
	if v.Outcome != soak.Pass {
		t.Errorf("%s: %s\n%+v", v.Outcome, v.Why, v.Checks)
	}
	if v.Delivery.Published < 500 || v.Delivery.Delivered != v.Delivery.Published {
		t.Errorf("delivery %+v, want every one of more than 500", v.Delivery)
	}
	if len(v.Injections) != 1 || !v.Injections[0].Proven || v.Injections[0].Evidence == "" {
		t.Errorf("injections %+v, want one proven", v.Injections)
	}
	if v.Subject.Exit != "exit status 0" || v.Subject.SHA256 == "" {
		t.Errorf("subject %+v", v.Subject)
	}
	samples, closer, silent := 0, 0, 0
	for sample, err := range result.Run.Samples() {
		if err != nil || sample.RSSBytes == 0 || sample.HarnessRSSBytes == 0 || sample.Phase == "" {
			t.Errorf("sample %+v, %v", sample, err)
		}
		switch sample.Phase {
		case soak.PhaseDrain: // takes as long as it takes
			continue
		case soak.PhaseCalm:
			closer++
		default:
			samples++
		}
		if sample.MetricsErr != "" {
			silent++
			t.Logf("sample without metrics: %s", sample.MetricsErr)
		}
	}
	// A busy machine may be late with some, or cost one its answer in time.
	if samples < 4 || samples > 8 || closer < 5 || silent > 1 {
		t.Errorf("%d samples of 6 s and %d of 2 s, %d without metrics: want one a second, then one each 200 ms", samples, closer, silent)
	}
	if len(seen) < 6 || seen[len(seen)-1].Delivered < 500 {
		t.Errorf("progress was shown %d times, last %+v", len(seen), seen[max(0, len(seen)-1)])
	}
	var story []string
	for event, err := range result.Run.Events() {
		if err != nil {
			t.Fatal(err)
		}
		if event.Kind == soak.EventPhase {
			story = append(story, event.Name)
		}
	}
	if want := []string{soak.PhaseWarmUp, soak.PhaseChaos, soak.PhaseCalm, soak.PhaseDrain}; !slices.Equal(story, want) {
		t.Errorf("phases %v, want %v", story, want)
	}
	for _, name := range []string{"canary-warm-up-heap.pb.gz", "canary-calm-goroutine.pb.gz"} {
		if _, err := os.Stat(filepath.Join(result.Run.Dir(), soak.ProfilesDir, name)); err != nil {
			t.Error(err)
		}
	}
	again, err := Judge(result.Run)
	if err != nil || again.Outcome != v.Outcome || len(again.Checks) != len(v.Checks) {
		t.Errorf("judged again: %s, %v", again.Outcome, err)
	}
}

func TestALostTradeConvicts(t *testing.T) {
	t.Parallel()
	result := do(t, t.Context(), short(t, "lost", "-at", "100"))
	v := result.Verdict
	if v.Outcome != soak.Fail || check(t, v, "delivery.complete").Outcome != soak.Fail {
		t.Errorf("%s, delivery.complete %s", v.Outcome, check(t, v, "delivery.complete").Outcome)
	}
	for _, id := range []string{"delivery.unique", "delivery.ordered", "delivery.faithful"} {
		if check(t, v, id).Outcome != soak.Pass {
			t.Errorf("%s is %s for a trade that was lost", id, check(t, v, id).Outcome)
		}
	}
	log, err := os.ReadFile(filepath.Join(result.Run.Dir(), soak.LogsDir, "canary.log"))
	if err != nil {
		t.Fatal(err)
	}
	if len(v.Findings) != 1 {
		t.Fatalf("findings %+v, want the one trade", v.Findings)
	}
	found := v.Findings[0]
	deed := fmt.Sprintf(`"symbol":%q,"trade_id":%d`, found.Symbol, found.FirstID)
	if found.Guarantee != soak.Complete || found.FirstID != found.LastID || !strings.Contains(string(log), deed) {
		t.Errorf("found %+v; the canary's log has no %s", found, deed)
	}
}

func TestNothingPublishedIsInconclusive(t *testing.T) {
	t.Parallel()
	plan := short(t)
	plan.Traffic.Rate = 0
	result := do(t, t.Context(), plan)
	if v := result.Verdict; v.Outcome != soak.Inconclusive {
		t.Errorf("%s: %s", v.Outcome, v.Why)
	}
	if result.Course.Trouble != "" || result.Course.Interrupted {
		t.Errorf("course %+v, want neither trouble nor an interrupt", result.Course)
	}
}

func TestAnInterruptedRunIsJudged(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	plan := short(t)
	result, err := Run(ctx, plan, Options{Out: t.TempDir(), OnEvent: func(e soak.Event) {
		if e.Kind == soak.EventInjection { // in the middle of a fault
			cancel()
		}
	}})
	if err != nil {
		t.Fatal(err)
	}
	v := result.Verdict
	if v.Outcome != soak.Inconclusive || !result.Course.Interrupted {
		t.Errorf("%s: %s, course %+v", v.Outcome, v.Why, result.Course)
	}
	if v.Delivery.Delivered == 0 || v.Delivery.Lost != 0 || v.Subject.Exit != "exit status 0" {
		t.Errorf("delivery %+v, subject %+v: want what there was, audited, and a subject that drained", v.Delivery, v.Subject)
	}
}

func TestHardStopEndsAtOnce(t *testing.T) {
	t.Parallel()
	hard, cancel := context.WithCancel(t.Context())
	defer cancel()
	var cancelled time.Time
	result, err := Run(hard, short(t), Options{Out: t.TempDir(), Hard: hard, OnEvent: func(e soak.Event) {
		if e.Name == soak.PhaseChaos {
			cancelled = time.Now()
			cancel()
		}
	}})
	if err != nil {
		t.Fatal(err)
	}
	if took := time.Since(cancelled); took > 3*time.Second {
		t.Errorf("it took %s to end at once", took)
	}
	if result.Verdict.Outcome == soak.Pass || !result.Course.Interrupted {
		t.Errorf("%s, course %+v", result.Verdict.Outcome, result.Course)
	}
}

func TestASubjectThatFailsAtTheStartFails(t *testing.T) {
	t.Parallel()
	plan := short(t)
	plan.Subject.Command = []string{os.Args[0]}
	plan.Subject.Settings["SUBJECT_ROLE"] = "failing"
	result := do(t, t.Context(), plan)
	if v := result.Verdict; v.Outcome != soak.Fail || !strings.Contains(v.Why+result.Course.Subject.Exit, "no such symbol") {
		t.Errorf("%s: %s, subject %+v", v.Outcome, v.Why, v.Subject)
	}
}

func TestASubjectThatDiesFails(t *testing.T) {
	t.Parallel()
	plan := short(t)
	plan.Subject.Command = []string{"/bin/sh", "-c", plan.Subject.Command[0] + " & sleep 3; kill -9 $!; exit 7"}
	result := do(t, t.Context(), plan)
	v := result.Verdict
	if v.Outcome != soak.Fail || check(t, v, "validity.subject").Outcome != soak.Fail && v.Delivery.Lost == 0 {
		t.Errorf("%s: %s", v.Outcome, v.Why)
	}
	if !strings.Contains(v.Subject.Exit, "exit status 7") {
		t.Errorf("subject %+v", v.Subject)
	}
}

func TestHarnessTroubleIsNoPass(t *testing.T) {
	t.Parallel()
	plan := short(t)
	plan.Subject.Command = []string{filepath.Join(t.TempDir(), "nothing-here")}
	result := do(t, t.Context(), plan)
	if result.Verdict.Outcome != soak.Inconclusive || !strings.Contains(result.Course.Trouble, "nothing-here cannot be run") {
		t.Errorf("%s, course %+v", result.Verdict.Outcome, result.Course)
	}
}

func TestAPanicOfAWatcherIsTrouble(t *testing.T) {
	t.Parallel()
	result, err := Run(t.Context(), short(t), Options{Out: t.TempDir(), OnProgress: func(Progress) { panic("no more paint") }})
	if err != nil {
		t.Fatal(err)
	}
	v := result.Verdict
	if v.Outcome != soak.Inconclusive || !strings.Contains(result.Course.Trouble, "no more paint") || v.Subject.Exit != "exit status 0" {
		t.Errorf("%s, course %+v", v.Outcome, result.Course)
	}
}

func TestRecoverAs(t *testing.T) {
	f := func() (err error) {
		defer recoverAs(&err)
		var bed *run
		return bed.recordCourse() // panics
	}
	if err := f(); err == nil || !strings.Contains(err.Error(), "the harness panicked") {
		t.Errorf("%v, want the panic", err)
	}
}
