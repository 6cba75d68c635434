package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"steadfeed/soak"
	"steadfeed/soak/internal/runner"
)

// sixHours is a plan with one fault of each kind at least; under the race
// detector it takes half a minute.
func sixHours(t *testing.T, seed uint64) soak.Plan {
	t.Helper()
	plan, err := runner.NewPlan("storm", runner.Choices{Seed: seed, Length: 6 * time.Hour, Rate: -1, Name: "streamer", Subject: []string{os.Args[0]}})
	if err != nil {
		t.Fatal(err)
	}
	plan.Subject.Settings["STREAMER_ROTATION_INTERVAL"] = "1h" // or one would be due, or none
	return plan
}

// bubble runs a plan in a bubble.
func bubble(t *testing.T, plan soak.Plan, subject core) (result runner.Result) {
	t.Helper()
	dir := t.TempDir()
	var err error
	synctest.Test(t, func(*testing.T) { result, err = simulate(plan, dir, &clockWatch{}, inMemory(subject)) })
	if err != nil {
		t.Fatal(err)
	}
	return result
}

// The streamer's core goes through six hours of every kind of trouble.
func TestSixHours(t *testing.T) {
	const seed = 11
	t.Logf("seed %d", seed)
	plan := sixHours(t, seed)
	result := bubble(t, plan, subject)
	if result.Verdict.Outcome != soak.Pass {
		for _, c := range result.Verdict.Checks {
			if c.Role == soak.Gate && c.Outcome != soak.Pass {
				t.Errorf("%s: %s", c.ID, c.Why)
			}
		}
		t.Errorf("%s; trouble %q", result.Verdict.Why, result.Course.Trouble)
	}
	kinds := map[string]int{}
	for _, in := range result.Verdict.Injections {
		kinds[in.Kind]++
	}
	if len(kinds) < 5 {
		t.Errorf("kinds of trouble: %v", kinds)
	}
}

// A streamer that cannot ask for what it missed is convicted of just that: what
// passes above has been judged.
func TestWhoRepairsNothingIsConvicted(t *testing.T) {
	flawed, err := spoilt("no-backfill")
	if err != nil {
		t.Fatal(err)
	}
	result := bubble(t, sixHours(t, 11), flawed)
	if d := result.Verdict.Delivery; result.Verdict.Outcome != soak.Fail || d.Lost == 0 || d.Duplicate > 0 || d.Altered > 0 || !strings.Contains(result.Verdict.Why, "delivery.complete") {
		t.Errorf("%s: %+v; trouble %q", result.Verdict.Why, d, result.Course.Trouble)
	}
}

// The schedule of a run can be run again from its plan.json.
func TestScheduleFromAFile(t *testing.T) {
	plan := sixHours(t, 3)
	plan.Injections[0].Began, plan.Injections[0].Evidence = time.Now(), "as it was"
	text, err := json.Marshal(plan)
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "plan.json")
	if err := os.WriteFile(path, text, 0o600); err != nil {
		t.Fatal(err)
	}
	again, err := soak.ReadPlan(path)
	if err != nil || len(again.Injections) != len(plan.Injections) || !again.Injections[0].Began.IsZero() || again.Injections[0].Evidence != "" {
		t.Errorf("%v, %+v", err, again.Injections[0])
	}
	if _, err := soak.ReadPlan(filepath.Join(t.TempDir(), "none.json")); err == nil {
		t.Error("a file that is not there was read")
	}
}

// The schedules in testdata are those that once did not pass, as small as they
// could be made, and one of each kind of trouble that no seed need draw.
func TestSchedulesOfTheBook(t *testing.T) {
	paths, err := filepath.Glob("testdata/*.json")
	if err != nil || len(paths) == 0 {
		t.Fatal("no schedule", err)
	}
	for _, path := range paths {
		plan, err := soak.ReadPlan(path)
		if err != nil {
			t.Fatal(err)
		}
		plan.Subject.Command = []string{os.Args[0]}
		if err := runner.Validate(plan); err != nil {
			t.Fatal(err)
		}
		if v := bubble(t, plan, subject).Verdict; v.Outcome != soak.Pass {
			t.Errorf("%s (%s): %s", path, plan.About, v.Why)
		}
	}
}

func TestSettingsThatAreUnknown(t *testing.T) {
	_, err := configure(map[string]string{"STREAMER_COMMIT_INTERVAL": "soon", "STREAMER_COLOUR": "red", "STREAMER_PARTITIONS": "many"})
	for _, want := range []string{"soon", "STREAMER_COLOUR", "many"} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v does not say %q", err, want)
		}
	}
}
