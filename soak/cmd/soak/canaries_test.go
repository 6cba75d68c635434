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
	lost := canary{flaw: "lost", check: "delivery.complete"}
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

// A flaw that shows again and again is convicted of all of it and nothing else.
func TestCompareOfManyDeeds(t *testing.T) {
	dir := t.TempDir()
	if err := os.Mkdir(filepath.Join(dir, soak.LogsDir), 0o755); err != nil {
		t.Fatal(err)
	}
	confessed := `{"msg":"flaw: the canary does not repair","symbol":"BTCUSDT","trade_id":42,"last_trade_id":50}
{"msg":"flaw: the canary does not repair","symbol":"ETHUSDT","trade_id":7,"last_trade_id":7}
`
	if err := os.WriteFile(filepath.Join(dir, soak.LogsDir, "canary.log"), []byte(confessed), 0o644); err != nil {
		t.Fatal(err)
	}
	f := func(what string, convicted bool, lost int64, findings ...soak.Finding) {
		t.Helper()
		v := soak.Verdict{Outcome: soak.Fail, Findings: findings, Delivery: soak.Delivery{Lost: lost}}
		for _, id := range deliveryChecks {
			v.Checks = append(v.Checks, soak.Check{ID: id, Outcome: soak.Pass})
		}
		v.Checks[0].Outcome = soak.Fail
		if evidence, err := compare(canary{flaw: "unrepaired", check: "delivery.complete", many: true}, dir, v); (err == nil) != convicted {
			t.Errorf("%s: %q, %v", what, evidence, err)
		}
	}
	hole := func(symbol string, first, last int64) soak.Finding {
		return soak.Finding{Guarantee: soak.Complete, Symbol: symbol, FirstID: first, LastID: last}
	}
	f("all of it", true, 10, hole("BTCUSDT", 42, 50), hole("ETHUSDT", 7, 7))
	f("all of it, not all kept", true, 10, hole("BTCUSDT", 42, 50))
	f("none of it", false, 10)
	f("less", false, 9, hole("BTCUSDT", 42, 50))
	f("more", false, 11, hole("BTCUSDT", 42, 50), hole("ETHUSDT", 7, 7), hole("ETHUSDT", 9, 9))
	f("a part", false, 10, hole("BTCUSDT", 42, 49), hole("ETHUSDT", 7, 7))
}
