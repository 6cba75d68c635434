package rounds

import (
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"steadfeed/soak"
	"steadfeed/soak/internal/judge"
	"steadfeed/soak/internal/testbed"
)

// TestMain lets the test binary be a subject: that of the argument "sharer".
func TestMain(m *testing.M) {
	if len(os.Args) > 1 && os.Args[1] == "sharer" {
		if err := playSharer(); err != nil {
			fmt.Println(err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	goleak.VerifyTestMain(m, goleak.Cleanup(func(status int) {
		if built != "" {
			os.RemoveAll(built)
		}
		os.Exit(status)
	}))
}

var built string

// canaryPath is a streamer that is wrong on command; built once for all tests.
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

// play runs a round of some kinds on an in-memory Kafka, at a rate of trades
// that the subject can carry, and judges them.
func play(t *testing.T, rate float64, subject []string, kinds ...string) (Result, soak.Verdict) {
	t.Helper()
	kafka, err := testbed.NewMemory(io.Discard)
	if err != nil {
		t.Fatal(err)
	}
	defer kafka.Close()
	result, err := Run(t.Context(), Options{
		Kinds: kinds, Rounds: 1, Quiet: 2 * time.Second, Kafka: kafka, Subject: soak.Subject{Name: "subject", Command: subject},
		Rate: rate, Symbols: 8, Seed: 7, Out: t.TempDir(),
		OnRound: func(r Round) { t.Logf("%+v", r) },
	})
	if err != nil {
		t.Fatal(err)
	}
	evidence, err := judge.Load(result.Run)
	if err != nil {
		t.Fatal(err)
	}
	verdict := judge.Judge(evidence)
	t.Logf("%s: %s\n%+v", verdict.Outcome, verdict.Why, result.Table)
	return result, verdict
}

// failed are the gates that did not pass. Those that a busy machine can fail
// are left out: all tests of the module run beside these.
func failed(v soak.Verdict) (ids []string) {
	for _, c := range v.Checks {
		timing := c.ID == "pause" || c.ID == "freshness" || c.ID == "validity.host"
		if c.Role == soak.Gate && c.Outcome != soak.Pass && !timing {
			ids = append(ids, c.ID)
		}
	}
	return ids
}

// A subject that keeps its promises is acquitted of every kind of trouble that
// one broker allows.
func TestWhoResumesFromTheTopicIsAcquitted(t *testing.T) {
	t.Parallel()
	kinds := []string{"quiet", "restart", "drain", "handover", "kill", "stop", "second", "broker"}
	result, verdict := play(t, 300, []string{os.Args[0], "sharer"}, kinds...)
	if got := failed(verdict); len(got) > 0 {
		t.Errorf("%s: %s; not passed: %v; course %+v", verdict.Outcome, verdict.Why, got, result.Course)
	}
	if len(result.Rounds) != len(kinds) || result.Quiet == nil || result.Quiet.Trades < 200 { // the start, and all but quiet
		t.Errorf("%d rounds, quiet %+v", len(result.Rounds), result.Quiet)
	}
	for _, r := range result.Rounds {
		if least := map[string]time.Duration{"kill": sessionTimeout - time.Second, "stop": sessionTimeout - time.Second, "broker": time.Second}[r.Kind]; r.Pause.D() < least {
			t.Errorf("%s paused for %s, want at least %s: it had no effect", r.Kind, r.Pause, least)
		}
	}
}

// A streamer that resumes nothing loses what was published while none ran, and
// two that do not fence one another write everything twice; the canary with
// neither flaw is acquitted of both.
func TestWhoResumesNothingIsConvicted(t *testing.T) {
	t.Parallel()
	canary, err := canaryPath()
	if err != nil {
		t.Fatal(err)
	}
	f := func(flaw, check, kind string) {
		t.Helper()
		// Quiet first: of a symbol that the topic has nothing of yet the canary
		// cannot resume anything, with or without a flaw.
		result, verdict := play(t, 1000, []string{canary, flaw}, "quiet", kind)
		if check == "" {
			if got := failed(verdict); len(got) > 0 {
				t.Errorf("%s, %s: %v; %s", flaw, kind, got, verdict.Why)
			}
			return
		}
		// Two that write side by side may also get ahead of one another.
		got := slices.DeleteFunc(failed(verdict), func(id string) bool { return check == "delivery.unique" && id == "delivery.ordered" })
		if verdict.Outcome != soak.Fail || !slices.Equal(got, []string{check}) {
			t.Errorf("%s: %s for %v, want fail for %s; %s", kind, verdict.Outcome, got, check, verdict.Why)
		}
		round := result.Rounds[len(result.Rounds)-1]
		if check == "delivery.complete" && round.Lost == 0 || check == "delivery.unique" && round.Duplicate == 0 {
			t.Errorf("the round does not show it: %+v", round)
		}
	}
	f("none", "", "restart")
	f("forgets", "delivery.complete", "restart")
	f("forgets", "delivery.complete", "drain")
	f("both", "delivery.unique", "handover")
	f("both", "delivery.unique", "second")
}

func TestASubjectThatNeverSettlesIsTheSubjectsFault(t *testing.T) {
	t.Parallel()
	result, verdict := play(t, 300, []string{"/bin/sh", "-c", "echo no such broker; exit 3"}, "restart")
	if verdict.Outcome == soak.Pass || result.Course.Trouble != "" || result.Course.Subject.Exit == "" {
		t.Errorf("%s, course %+v", verdict.Outcome, result.Course)
	}
}

func TestChoose(t *testing.T) {
	there := &testbed.Existing{Addresses: []string{"localhost:9092"}}
	kinds, leftOut, err := choose([]string{"kill", "broker", "broker-away"}, there)
	if err != nil || len(kinds) != 1 || len(leftOut) != 2 {
		t.Errorf("without a broker of ours: %d kinds, left out %v, %v", len(kinds), leftOut, err)
	}
	there.Containers = []string{"one", "two", "three"}
	if kinds, leftOut, _ := choose([]string{"kill", "broker", "broker-away"}, there); len(kinds) != 3 || len(leftOut) != 0 {
		t.Errorf("with three: %d kinds, left out %v", len(kinds), leftOut)
	}
	if _, _, err := choose([]string{"flood"}, there); err == nil {
		t.Error("an unknown kind was chosen")
	}
}

func TestTabulate(t *testing.T) {
	var rounds []Round
	for n := range 100 {
		rounds = append(rounds, Round{Kind: "kill", N: n + 1, Pause: soak.Duration(time.Duration(n+1) * time.Millisecond)})
	}
	rounds[40].Lost = 3
	rounds = append(rounds, Round{Kind: "drain", N: 1, Pause: soak.Duration(time.Second), broken: broken{Duplicate: 1}})
	ms := func(n int) soak.Duration { return soak.Duration(time.Duration(n) * time.Millisecond) }
	got := tabulate(rounds, broken{Lost: 5, Duplicate: 1})
	want := []Row{
		{Kind: "kill", Rounds: 100, broken: broken{Lost: 3}, PauseMin: ms(1), PauseP50: ms(50), PauseP99: ms(99), PauseMax: ms(100)},
		{Kind: "drain", Rounds: 1, broken: broken{Duplicate: 1}, PauseMin: ms(1000), PauseP50: ms(1000), PauseP99: ms(1000), PauseMax: ms(1000)},
		{Kind: after, broken: broken{Lost: 2}},
	}
	if !slices.Equal(got, want) {
		t.Errorf("table %+v", got)
	}
}

// What only one of the two readers saw is found all the same.
func TestWorstOfTwoReaders(t *testing.T) {
	account := soak.Account{Symbol: "BTCUSDT", FirstID: 1, LastID: 10, Published: 10, Delivered: 10}
	same := worst(soak.Ledger{Accounts: []soak.Account{account}}, soak.Ledger{Accounts: []soak.Account{account}})
	if len(same.Findings) != 0 {
		t.Errorf("two that agree: %+v", same.Findings)
	}
	shorter := account
	shorter.Delivered, shorter.Lost = 8, 2
	differs := worst(soak.Ledger{Accounts: []soak.Account{account}}, soak.Ledger{Accounts: []soak.Account{shorter}})
	if a := differs.Accounts[0]; a.Lost != 2 || a.Delivered != 8 || len(differs.Findings) != 1 {
		t.Errorf("two that differ: %+v", differs)
	}
}

// The moments of trouble follow from the seed, the kind and the round.
func TestLots(t *testing.T) {
	draw := func(seed uint64, k kind, n int) uint64 {
		return (&driver{options: Options{Seed: seed}}).lots(k, n).Uint64()
	}
	once, again := draw(7, kill, 1), draw(7, kill, 1)
	if once != again {
		t.Error("the same seed draws differently")
	}
	for _, other := range []uint64{draw(8, kill, 1), draw(7, stop, 1), draw(7, kill, 2)} {
		if other == once {
			t.Error("another seed, kind or round draws the same")
		}
	}
}
