package main

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"steadfeed/soak"
)

// verdict writes one and returns the argument that names it.
func verdict(t *testing.T, plan string, outcome soak.Outcome) string {
	t.Helper()
	began := time.Date(2026, 7, 1, 1, 0, 0, 0, time.UTC)
	text, err := json.Marshal(soak.Verdict{Outcome: outcome, Why: "because <b>", Began: began, Ended: began.Add(5 * time.Hour), Delivery: soak.Delivery{Published: 2_700_000, Lost: 1}})
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "verdict.json")
	if err := os.WriteFile(path, text, 0o644); err != nil {
		t.Fatal(err)
	}
	return plan + "=" + path
}

// Somebody has to look after a failure, after a run without a verdict, and
// after the third inconclusive night of a plan in a row; not otherwise.
func TestAlarm(t *testing.T) {
	const p, x, i = soak.Pass, soak.Fail, soak.Inconclusive
	f := func(want bool, outcomes ...soak.Outcome) {
		t.Helper()
		dir := t.TempDir()
		var raised bool
		for n, outcome := range outcomes {
			issue := filepath.Join(dir, fmt.Sprint("issue-", n))
			argument := "soak-5h=" + filepath.Join(dir, "none")
			if outcome != "" {
				argument = verdict(t, "soak-5h", outcome)
			}
			if err := run(dir, issue, Night{Date: fmt.Sprintf("2026-07-%02d", n+1), Commit: "0123456789abcdef", URL: "https://ci/1"}, []string{argument, verdict(t, "month", p)}); err != nil {
				t.Fatal(err)
			}
			text, err := os.ReadFile(issue)
			raised = err == nil
			if raised && (!strings.HasPrefix(string(text), "Nightly soak of 2026-07-") || !strings.Contains(string(text), "soak-5h: ") || !strings.Contains(string(text), "https://ci/1")) {
				t.Errorf("the issue is %q", text)
			}
		}
		if raised != want {
			t.Errorf("after %v somebody has to look: %v, want %v", outcomes, raised, want)
		}
	}
	f(false, p)
	f(true, x)
	f(true, p, "")
	f(false, i)
	f(false, i, i)
	f(true, i, i, i)
	f(true, i, i, i, i)
	f(false, i, i, p, i)
	f(false, x, p)
	f(true, x, i, i, i)
}

// The page has the last 60 nights, newest first, and nothing of what a verdict
// says is taken for markup.
func TestPage(t *testing.T) {
	dir := t.TempDir()
	argument := verdict(t, "soak-5h", soak.Fail)
	began := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	for n := range keep + 3 {
		if err := run(dir, "", Night{Date: began.AddDate(0, 0, n).Format(time.DateOnly), Commit: "0123456789abcdef", URL: "https://ci/1"}, []string{argument}); err != nil {
			t.Fatal(err)
		}
	}
	text, err := os.ReadFile(filepath.Join(dir, pageFile))
	if err != nil {
		t.Fatal(err)
	}
	html := string(text)
	if strings.Count(html, `class="fail"`) != keep || strings.Contains(html, "2026-01-03") || !strings.Contains(html, "2026-01-04") {
		t.Error("not the last 60 nights")
	}
	if strings.Index(html, "2026-03-04") > strings.Index(html, "2026-03-03") {
		t.Error("the newest is not the first")
	}
	if strings.Contains(html, "<b>") || !strings.Contains(html, "&lt;b&gt;") {
		t.Error("a verdict's text is taken for markup")
	}
}

func TestWrongArguments(t *testing.T) {
	for _, arguments := range [][]string{nil, {"verdict.json"}} {
		if err := run(t.TempDir(), "", Night{}, arguments); err == nil {
			t.Errorf("%q was taken", arguments)
		}
	}
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, nightsFile), []byte("{torn"), 0o644); err != nil {
		t.Fatal(err)
	}
	if err := run(dir, "", Night{}, []string{verdict(t, "x", soak.Pass)}); err == nil || !strings.Contains(err.Error(), nightsFile) {
		t.Errorf("a damaged account: %v", err)
	}
}
