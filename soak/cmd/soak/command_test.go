package main

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"steadfeed/soak"
)

// TestWrongInput is one clear sentence and its status for each way of asking
// for the impossible, and nothing is left behind.
func TestWrongInput(t *testing.T) {
	t.Chdir(t.TempDir())
	if err := os.Mkdir("empty", 0o755); err != nil {
		t.Fatal(err)
	}
	here := os.Args[0] // an executable, never started
	f := func(status int, sentence string, args ...string) {
		t.Helper()
		var stdout, stderr bytes.Buffer
		got := run(t.Context(), append([]string{"soak"}, args...), &stdout, &stderr)
		said := strings.TrimSpace(stderr.String())
		if got != status || !strings.Contains(said, sentence) || strings.Contains(said, "\n") {
			t.Errorf("soak %s: status %d and %q, want %d and one sentence with %q", strings.Join(args, " "), got, said, status, sentence)
		}
	}
	f(64, `unknown command "fly"`, "fly")
	f(64, "needs the name of a plan", "run")
	f(64, `unknown plan "smok": there is smoke`, "run", "smok", "-subject", here)
	f(64, "takes the name of a plan and nothing else", "run", "smoke", "fast")
	f(64, "wings", "run", "smoke", "-wings", "2")
	f(64, "seed", "run", "smoke", "-seed", "often")
	f(64, "must not be negative", "run", "smoke", "-subject", here, "-rate", "-2")
	f(64, "must be positive", "run", "smoke", "-subject", here, "-speed", "0")
	f(64, "there is seed, strict", "run", "smoke", "-subject", here, "-criteria", "mild")
	f(64, "no-such-file", "run", "smoke", "-subject", here, "-capture", "no-such-file")
	f(4, "bin/none cannot be run: no such file or directory", "run", "smoke", "-subject", "bin/none")
	f(4, "bin/none cannot be run", "bench", "-subject", "bin/none")
	f(4, "bin/none cannot be run", "canaries", "-canary", "bin/none")
	f(64, "at least 1", "canaries", "-parallel", "0")
	f(64, "needs -brokers", "audit", "-topic", "trades")
	f(64, "needs -topic", "audit", "-brokers", "127.0.0.1:1")
	f(64, "takes no argument", "audit", "-brokers", "127.0.0.1:1", "-topic", "trades", "again")
	f(64, "auto, avro and json", "audit", "-brokers", "127.0.0.1:1", "-topic", "trades", "-format", "xml")
	f(64, "1 to 100 per cent", "audit", "-brokers", "127.0.0.1:1", "-topic", "trades", "-rest-weight-budget", "200")
	f(64, "or none", "audit", "-brokers", "127.0.0.1:1", "-topic", "trades", "-rest-url", "nobody")
	f(64, "are possible", "audit", "-brokers", "127.0.0.1:1", "-topic", "trades", "-sample", "-1")
	f(64, "must not be negative", "audit", "-brokers", "127.0.0.1:1", "-topic", "trades", "-since", "-1h")
	f(64, "needs -kafka-user", "audit", "-brokers", "127.0.0.1:1", "-topic", "trades", "-kafka-sasl", "plain")
	f(64, "no such file", "audit", "-brokers", "127.0.0.1:1", "-topic", "trades", "-kafka-tls-ca", "no-such-file")
	f(64, `-kinds "flood": there is quiet, restart`, "rounds", "-kinds", "kill,flood", "-subject", here)
	f(64, "-rounds 0", "rounds", "-rounds", "0", "-subject", here)
	f(64, "-symbols 2000", "rounds", "-symbols", "2000", "-subject", here)
	f(64, "must be positive", "rounds", "-rate", "0", "-subject", here)
	f(64, "neither kfake", "rounds", "-kafka", "real", "-subject", here)
	f(64, "goes with the addresses", "rounds", "-broker-containers", "one", "-subject", here)
	f(64, "takes no argument", "rounds", "kill", "-subject", here)
	f(4, "bin/none cannot be run", "rounds", "-subject", "bin/none")
	f(64, "no such file", "judge", "no-such-run")
	f(64, "not a run directory", "judge", "empty")
	f(64, "not a run directory", "report", "empty")
	f(64, "not a run directory", "validate", "empty")
	f(64, "unknown plan", "validate", "no-such-run-or-plan")
	f(64, "needs the name of a plan", "plans", "-json")
	if left, _ := filepath.Glob("runs*"); len(left) > 0 {
		t.Errorf("a run that never started left %v", left)
	}
}

func TestPlansPrintsAPlanThatReadsBack(t *testing.T) {
	read := func(args ...string) soak.Plan {
		t.Helper()
		var stdout, stderr bytes.Buffer
		if status := run(t.Context(), append([]string{"soak", "plans", "-json", "smoke"}, args...), &stdout, &stderr); status != 0 {
			t.Fatalf("status %d: %s", status, &stderr)
		}
		var plan soak.Plan
		if err := json.Unmarshal(stdout.Bytes(), &plan); err != nil {
			t.Fatal(err)
		}
		return plan
	}
	plan := read("-seed", "7", "-rate", "20", "-subject", "mine -x")
	if plan.Seed != 7 || plan.Traffic.Rate != 20 || len(plan.Subject.Command) != 2 || plan.Subject.Name != "mine" || len(plan.Injections) < 3 {
		t.Errorf("plan %+v", plan)
	}
	if other := read("-seed", "8"); other.Traffic.Rate != 50 || len(other.Symbols) != 3 {
		t.Errorf("the plan's own rate and symbols: %+v", other)
	}
}
