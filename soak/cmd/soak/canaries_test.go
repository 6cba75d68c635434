package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"steadfeed/soak"
)

// TestCompareIsHardToPlease gives the comparison verdicts that are almost
// right.
func TestCompareIsHardToPlease(t *testing.T) {
	dir := t.TempDir()
	logs := filepath.Join(dir, soak.LogsDir)
	if err := os.Mkdir(logs, 0o755); err != nil {
		t.Fatal(err)
	}
	confessed := `{"level":"INFO","msg":"canary sings","flaw":"lost"}
{"level":"WARN","msg":"flaw: the canary loses it","symbol":"BTCUSDT","trade_id":42}
`
	if err := os.WriteFile(filepath.Join(logs, "canary.log"), []byte(confessed), 0o644); err != nil {
		t.Fatal(err)
	}
	convicted := func() soak.Verdict {
		v := soak.Verdict{Outcome: soak.Fail, Findings: []soak.Finding{
			{Guarantee: soak.Complete, Symbol: "BTCUSDT", FirstID: 42, LastID: 42},
		}}
		for _, id := range deliveryChecks {
			v.Checks = append(v.Checks, soak.Check{ID: id, Role: soak.Gate, Outcome: soak.Pass})
		}
		v.Checks[0].Outcome = soak.Fail // delivery.complete
		return v
	}
	lost := canary{"lost", "delivery.complete"}
	if evidence, err := compare(lost, dir, convicted()); err != nil || !strings.Contains(evidence, "BTCUSDT 42") {
		t.Errorf("a right verdict: %q, %v", evidence, err)
	}
	f := func(what string, spoil func(*soak.Verdict)) {
		t.Helper()
		v := convicted()
		spoil(&v)
		if evidence, err := compare(lost, dir, v); err == nil {
			t.Errorf("%s was taken for a conviction: %s", what, evidence)
		}
	}
	f("another trade", func(v *soak.Verdict) { v.Findings[0].FirstID, v.Findings[0].LastID = 43, 43 })
	f("a range", func(v *soak.Verdict) { v.Findings[0].LastID = 43 })
	f("another symbol", func(v *soak.Verdict) { v.Findings[0].Symbol = "ETHUSDT" })
	f("another guarantee", func(v *soak.Verdict) { v.Findings[0].Guarantee = soak.Unique })
	f("two findings", func(v *soak.Verdict) { v.Findings = append(v.Findings, v.Findings[0]) })
	f("a check that passed", func(v *soak.Verdict) { v.Checks[0].Outcome = soak.Pass })
	f("a second check", func(v *soak.Verdict) { v.Checks[1].Outcome = soak.Fail })
	f("an inconclusive run", func(v *soak.Verdict) { v.Outcome = soak.Inconclusive })
	f("an acquittal", func(v *soak.Verdict) { *v = soak.Verdict{Outcome: soak.Pass, Checks: v.Checks} })

	none := canary{flaw: "none"}
	if _, err := compare(none, dir, convicted()); err == nil {
		t.Error("the good canary was convicted and nobody minded")
	}
	good := convicted()
	good.Outcome, good.Checks[0].Outcome, good.Findings = soak.Pass, soak.Pass, nil
	if _, err := compare(none, dir, good); err != nil {
		t.Errorf("a right acquittal: %v", err)
	}
}
