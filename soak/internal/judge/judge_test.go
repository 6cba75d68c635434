package judge

import (
	"bytes"
	"encoding/json"
	"encoding/xml"
	"flag"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"steadfeed/soak"
)

var update = flag.Bool("update", false, "write the verdicts of the saved runs anew")

// savedRuns are run directories of a minute, good and bad, each with the
// verdict that it must be given.
const savedRuns = "../../testdata/runs"

// expected says in a line what is wrong with each saved run.
var expected = map[string]struct {
	outcome soak.Outcome
	why     []string // parts of the headline
	missed  []string // gates that did not pass, in order
}{
	"good": {soak.Pass, []string{"all 6,000 trades", "not claimed: memory over time"}, nil},
	// One trade of 6,000 never reached the topic.
	"lost-trade": {soak.Fail, []string{"delivery.complete", "ETHUSDT 1534770613", "during 1-reset"}, []string{"delivery.complete"}},
	"repeated-altered-disordered": {soak.Fail, []string{"12 trades duplicate", "BTCUSDT 2470427001 to 2470427012", "delivery.faithful"},
		[]string{"delivery.unique", "delivery.ordered", "delivery.faithful"}},
	// Each lag is short, and they grow by 7 ms a second.
	"drift": {soak.Fail, []string{"freshness.drift", "53.1 ms", "378 ms", "+7.22 ms per second"}, []string{"freshness.drift"}},
	// Resident memory climbs by 6.6 MB a second.
	"over-memory-limit": {soak.Fail, []string{"memory.rss_limit", "at 12:00:"}, []string{"memory.rss_limit"}},
	// The last injection broke the subject: it lost its session and did not end when asked.
	"never-recovered": {soak.Fail, []string{"pause", "3-no-pong", "19.8s, declared 12s"},
		[]string{"catchup", "pause", "pings", "reconnects", "uptime", "validity.subject"}},
	// Frames were to be delayed when there were none.
	"unproven-injection": {soak.Inconclusive, []string{"validity.injections", "2-slow-frames", "no frame was written"}, []string{"validity.injections"}},
	// A person pressed ctrl-C after 19 s; the subject drained.
	"interrupted": {soak.Inconclusive, []string{"interrupted"},
		[]string{"freshness.drift", "validity.duration", "validity.samples", "validity.injections"}},
	"nothing-published": {soak.Inconclusive, []string{"nothing was published"}, nil},
	// The harness was killed: no ledger, and a last sample that is torn.
	"harness-killed": {soak.Inconclusive, []string{"harness was in trouble", "before its trades were audited"}, nil},
}

func judged(t *testing.T, name string) (Evidence, soak.Verdict) {
	t.Helper()
	run, err := soak.Open(filepath.Join(savedRuns, name))
	if err != nil {
		t.Fatal(err)
	}
	evidence, err := Load(run)
	if err != nil {
		t.Fatal(err)
	}
	return evidence, Judge(evidence)
}

func TestSavedRuns(t *testing.T) {
	entries, err := os.ReadDir(savedRuns)
	if err != nil {
		t.Fatal(err)
	}
	if len(entries) != len(expected) {
		t.Errorf("%d saved runs, %d expected", len(entries), len(expected))
	}
	for name, want := range expected {
		t.Run(name, func(t *testing.T) {
			_, v := judged(t, name)
			if v.Outcome != want.outcome || !strings.HasPrefix(v.Why, string(want.outcome)) {
				t.Errorf("outcome %s: %s; want %s", v.Outcome, v.Why, want.outcome)
			}
			for _, part := range want.why {
				if !strings.Contains(v.Why, part) {
					t.Errorf("why %q does not say %q", v.Why, part)
				}
			}
			if missed := missed(v); want.missed != nil && !slices.Equal(missed, want.missed) {
				t.Errorf("missed %v, want %v", missed, want.missed)
			}
			golden(t, filepath.Join(savedRuns, name, soak.VerdictFile), indented(t, v))
		})
	}
}

// missed are the gates that did not pass.
func missed(v soak.Verdict) (ids []string) {
	for _, c := range v.Checks {
		if c.Role == soak.Gate && c.Outcome != soak.Pass {
			ids = append(ids, c.ID)
		}
	}
	return ids
}

func indented(t *testing.T, v any) []byte {
	t.Helper()
	var out bytes.Buffer
	encoder := json.NewEncoder(&out)
	encoder.SetIndent("", "  ")
	encoder.SetEscapeHTML(false)
	if err := encoder.Encode(v); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

// golden compares with a file, or writes it with -update.
func golden(t *testing.T, path string, got []byte) {
	t.Helper()
	if *update {
		if err := os.WriteFile(path, got, 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, want) {
		t.Errorf("%s differs; if the change is meant, run go test -update ./soak/internal/judge.\ngot:\n%s", path, got)
	}
}

// A worse run never gets a better verdict: each of these turns the good run
// into one that does not pass, by the check that is named.
func TestEveryGateBites(t *testing.T) {
	f := func(id string, want soak.Outcome, change func(*Evidence)) {
		t.Helper()
		e, _ := judged(t, "good")
		change(&e)
		v := Judge(e)
		if v.Outcome != want || !slices.Contains(missed(v), id) {
			t.Errorf("%s: %s, missed %v, want %s by it", id, v.Outcome, missed(v), want)
		}
	}
	f("delivery.complete", soak.Fail, func(e *Evidence) { e.Ledger.Accounts[0].Lost++ })
	f("delivery.unique", soak.Fail, func(e *Evidence) { e.Ledger.Accounts[0].Duplicate++ })
	f("delivery.ordered", soak.Fail, func(e *Evidence) { e.Ledger.Accounts[0].Disordered++ })
	f("delivery.faithful", soak.Fail, func(e *Evidence) { e.Ledger.Accounts[0].Altered++ })
	f("memory.rss_limit", soak.Fail, func(e *Evidence) { e.Samples[7].RSSBytes = 400e6 + 1 })
	f("memory.rss_limit", soak.Inconclusive, func(e *Evidence) { e.Samples = nil })
	f("throughput", soak.Fail, func(e *Evidence) { e.Ledger.Ended = e.Ledger.Began.Add(time.Hour) })
	f("throughput", soak.Fail, func(e *Evidence) { e.Ledger.Accounts[0].Delivered -= 100 })
	f("freshness", soak.Fail, func(e *Evidence) { e.Ledger.Phases[1].P99 = 1.01 })
	f("freshness", soak.Inconclusive, func(e *Evidence) { e.Ledger.Phases[1].P99 = 1.01; e.Ledger.PublisherLateP99 = 0.3 })
	f("freshness", soak.Inconclusive, func(e *Evidence) { e.Ledger.Phases = nil })
	f("freshness.drift", soak.Fail, func(e *Evidence) { e.Ledger.Phases[2].P50 = e.Ledger.Phases[0].P50 + 0.251 })
	f("freshness.drift", soak.Inconclusive, func(e *Evidence) { e.Ledger.Phases[2].Trades = 0 })
	f("catchup", soak.Fail, func(e *Evidence) { e.Ledger.Windows[1].CatchUp = 30.2 })
	f("catchup", soak.Fail, func(e *Evidence) { e.Ledger.Windows[1].CatchUp = 40; e.Ledger.Windows[1].CaughtUp = false })
	f("catchup", soak.Inconclusive, func(e *Evidence) { e.Ledger.Windows[1].CaughtUp = false })
	f("catchup", soak.Inconclusive, func(e *Evidence) { e.Ledger.Windows = nil })
	f("pause", soak.Fail, func(e *Evidence) { e.Ledger.Windows[1].LongestPause = 10.01 })
	f("pause", soak.Fail, func(e *Evidence) { e.Ledger.Windows[1].Injection = "unknown" })
	f("pings", soak.Fail, func(e *Evidence) { e.Ledger.Sessions[2].PongsGot -= 9 }) // an injection that it lived through may explain some
	f("pings", soak.Fail, func(e *Evidence) { e.Ledger.Sessions[2].PongTimeouts++ })
	f("pings", soak.Inconclusive, func(e *Evidence) {
		for i := range e.Ledger.Sessions {
			e.Ledger.Sessions[i].PingsSent, e.Ledger.Sessions[i].PongsGot = 0, 0
		}
	})
	f("reconnects", soak.Fail, func(e *Evidence) { e.Ledger.Sessions[1].During = "" })
	f("reconnects", soak.Fail, func(e *Evidence) { e.Ledger.Sessions[1].During = "2-slow-frames" }) // which declares none
	f("reconnects", soak.Fail, func(e *Evidence) { e.Ledger.Sessions[1].During = "1-reset" })       // which declares one
	f("reconnects", soak.Inconclusive, func(e *Evidence) { e.Ledger.Sessions = nil })
	f("uptime", soak.Fail, func(e *Evidence) { e.Ledger.Uptime.Bad = 1 })
	f("uptime", soak.Inconclusive, func(e *Evidence) { e.Ledger.Uptime.Disturbed = e.Ledger.Uptime.Seconds })
	f("validity.duration", soak.Inconclusive, func(e *Evidence) { e.Ledger.Ended = e.Ledger.Began.Add(58 * time.Second) })
	f("validity.samples", soak.Inconclusive, func(e *Evidence) { e.Samples = e.Samples[:28] })
	f("validity.injections", soak.Inconclusive, func(e *Evidence) { e.Plan.Injections[0].Ended = time.Time{} })
	f("validity.injections", soak.Inconclusive, func(e *Evidence) { e.Plan.Injections[0].Err = "refused" })
	f("validity.subject", soak.Fail, func(e *Evidence) { e.Subject.Exit = "exit status 2" })
	f("validity.subject", soak.Inconclusive, func(e *Evidence) { e.Subject.Exit = "" })
	f("validity.subject", soak.Inconclusive, func(e *Evidence) { e.Subject.Version = "" })
	f("validity.host", soak.Inconclusive, func(e *Evidence) { e.Ledger.ClockStep = 1 })
	f("validity.host", soak.Inconclusive, func(e *Evidence) { e.Ledger.PublisherLateP99 = 0.25 })
}

// Fetching a backlog at the pace that the exchange allows is not held against
// the subject.
func TestCatchUpAllowsForTheBacklog(t *testing.T) {
	e, _ := judged(t, "good")
	e.Ledger.Windows[1].CatchUp, e.Ledger.Windows[1].Backlog = 39, 20_000
	v := Judge(e)
	i := slices.IndexFunc(v.Checks, func(c soak.Check) bool { return c.ID == "catchup" })
	if c := v.Checks[i]; c.Outcome != soak.Pass || *c.Observed != 29 || !strings.Contains(c.Why, "10s to fetch a backlog of 20,000 trades") {
		t.Errorf("%+v", c)
	}
}

// When the harness was in trouble, or a person did not wait for the drain,
// what it did not see proves nothing; what it did see does.
func TestTrouble(t *testing.T) {
	f := func(want soak.Outcome, change func(*Evidence)) {
		t.Helper()
		e, _ := judged(t, "good")
		change(&e)
		if v := Judge(e); v.Outcome != want {
			t.Errorf("%s (%s), want %s", v.Outcome, v.Why, want)
		}
	}
	trouble := func(e *Evidence) { e.Trouble = "audit: the broker went away" }
	f(soak.Inconclusive, trouble)
	f(soak.Inconclusive, func(e *Evidence) { trouble(e); e.Ledger.Accounts[0].Lost = 500 })
	f(soak.Inconclusive, func(e *Evidence) { trouble(e); e.Subject.Exit = "signal: killed" })
	f(soak.Fail, func(e *Evidence) { trouble(e); e.Ledger.Accounts[0].Duplicate = 1 })
	f(soak.Inconclusive, func(e *Evidence) { e.Interrupted = true })
	f(soak.Fail, func(e *Evidence) { e.Interrupted = true; e.Ledger.Accounts[0].Lost = 1 })
	f(soak.Inconclusive, func(e *Evidence) {
		e.Interrupted, e.Subject.Exit = true, "signal: killed"
		e.Ledger.Accounts[0].Lost = 1
	})
}

func TestReportAndNotClaimedDecideNothing(t *testing.T) {
	e, _ := judged(t, "lost-trade")
	for i, l := range e.Plan.Limits {
		if l.ID == "delivery.complete" {
			e.Plan.Limits[i].Role = soak.Report
		}
	}
	if v := Judge(e); v.Outcome != soak.Pass || len(v.Findings) != 1 {
		t.Errorf("%s: %s", v.Outcome, v.Why)
	}
	e.Plan.Limits = nil
	if v := Judge(e); v.Outcome != soak.Inconclusive {
		t.Errorf("a plan without gates: %s", v.Outcome)
	}
}

func TestValidateRefusesLimitsThatCannotBeJudged(t *testing.T) {
	good, _ := judged(t, "good")
	if err := Validate(good.Plan); err != nil {
		t.Fatal(err)
	}
	one := 1.0
	minus := -1.0
	f := func(want string, change func(*soak.Plan, map[string]*soak.Limit)) {
		t.Helper()
		plan := good.Plan
		plan.Limits = slices.Clone(plan.Limits)
		limits := map[string]*soak.Limit{}
		for i := range plan.Limits {
			limits[plan.Limits[i].ID] = &plan.Limits[i]
		}
		change(&plan, limits)
		if err := Validate(plan); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want %q", err, want)
		}
	}
	type limits = map[string]*soak.Limit
	f(`"speed": there is no such check`, func(p *soak.Plan, _ limits) {
		p.Limits = append(p.Limits, soak.Limit{ID: "speed", Role: soak.Gate, Max: &one})
	})
	f("freshness is set twice", func(p *soak.Plan, l limits) { p.Limits = append(p.Limits, *l["freshness"]) })
	f("limit uptime is missing", func(p *soak.Plan, _ limits) {
		p.Limits = slices.DeleteFunc(p.Limits, func(l soak.Limit) bool { return l.ID == "uptime" })
	})
	f("uptime takes no maximum", func(_ *soak.Plan, l limits) { l["uptime"].Max = &one })
	f("freshness takes no minimum", func(_ *soak.Plan, l limits) { l["freshness"].Min = &one })
	f("pause takes no maximum", func(_ *soak.Plan, l limits) { l["pause"].Max = &one })
	f("freshness is a gate without a maximum", func(_ *soak.Plan, l limits) { l["freshness"].Max = nil })
	f("uptime is a gate without a minimum", func(_ *soak.Plan, l limits) { l["uptime"].Min = nil })
	f("-1 is no figure", func(_ *soak.Plan, l limits) { l["freshness"].Max = &minus })
	f(`is in "ms", but the check is in "s"`, func(_ *soak.Plan, l limits) { l["freshness"].Unit = "ms" })
	f(`unknown role "maybe"`, func(_ *soak.Plan, l limits) { l["freshness"].Role = "maybe" })
	f("rotations is not claimed and does not say why", func(_ *soak.Plan, l limits) { l["rotations"].Why = "" })
	f("memory.trend is a gate without a maximum", func(_ *soak.Plan, l limits) { l["memory.trend"].Role = soak.Gate })
	f("no limit is a gate", func(_ *soak.Plan, l limits) {
		for _, limit := range l {
			limit.Role, limit.Why = soak.NotClaimed, "a test"
		}
	})
}

func TestJUnitIsWellFormed(t *testing.T) {
	f := func(name string, failures, errors, skipped int) {
		t.Helper()
		_, v := judged(t, name)
		v.Checks[0].Why = `a < b & "c"` + "\x00" // what XML must escape, or cannot hold
		var out bytes.Buffer
		if err := JUnit(&out, v); err != nil {
			t.Fatal(err)
		}
		var got junitSuites
		if err := xml.Unmarshal(out.Bytes(), &got); err != nil {
			t.Fatalf("%v in\n%s", err, out.Bytes())
		}
		skips, cases := 0, 0
		for _, s := range got.Suites {
			skips += s.Skipped
			cases += len(s.Cases)
			if len(s.Cases) != s.Tests || s.Timestamp == "" {
				t.Errorf("suite %+v", s)
			}
		}
		if got.Failures != failures || got.Errors != errors || skips != skipped || got.Tests != cases || cases != len(v.Checks)+1 {
			t.Errorf("%s: %d failures, %d errors, %d skipped in %d cases; want %d, %d, %d in %d",
				name, got.Failures, got.Errors, skips, cases, failures, errors, skipped, len(v.Checks)+1)
		}
	}
	// The verdict is a case of its own beside the checks.
	f("good", 0, 0, 5)
	f("lost-trade", 2, 0, 5)
	f("unproven-injection", 0, 2, 5)
}

func TestSummaryIsShort(t *testing.T) {
	for name := range expected {
		_, v := judged(t, name)
		v.Findings = []soak.Finding{{Guarantee: soak.Complete, Symbol: "A|B", Why: "two\nlines"}}
		for range 50 { // more of everything than any plan has
			v.Checks = append(v.Checks, soak.Check{ID: "more", Role: soak.Gate, Outcome: soak.Pass})
			v.Findings = append(v.Findings, v.Findings[0])
		}
		var out bytes.Buffer
		if err := Summary(&out, v); err != nil {
			t.Fatal(err)
		}
		if lines := strings.Count(out.String(), "\n"); lines > summaryLines {
			t.Errorf("%s: %d lines", name, lines)
		}
		for _, want := range []string{": " + string(v.Outcome), v.Run, `A\|B`, "two lines", "and 48 more in", "Not claimed: "} {
			if !strings.Contains(out.String(), want) {
				t.Errorf("%s: the summary does not say %q:\n%s", name, want, out.String())
			}
		}
		for _, id := range missed(v) {
			if !strings.Contains(out.String(), "| "+id+" | **") {
				t.Errorf("%s: the summary does not show %s", name, id)
			}
		}
	}
}

func TestNumbersAreWrittenForReaders(t *testing.T) {
	f := func(got, want string) {
		t.Helper()
		if got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
	f(group(0), "0")
	f(group(999), "999")
	f(group(1000), "1,000")
	f(group(-1234567), "-1,234,567")
	f(count(1), "1 trade")
	f(lag(0.0123), "12.3 ms")
	f(lag(1.5), "1.50 s")
	f(span(1.234), "1.23s")
	f(span(220.4), "3m40s")
	f(significant(0.0123456), "0.01235")
	f(significant(123456.7), "123457")
	f(significant(3), "3")
}
