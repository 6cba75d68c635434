package fakebinance

import (
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"steadfeed/fakebinance/memnet"
)

const weather = `[
  // the second comes first
  {"at": "30s", "kind": "slow-frames", "target": "share:0.5", "for": "1m", "settings": {"delay": "3s"}},
  # and this one at its time
  {"at": "10s", "kind": "reset"},
  {"at": "31s", "kind": "slow-frames"}
]`

func TestScenario(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		scenario, err := ReadScenario(strings.NewReader(weather))
		if err != nil {
			t.Fatal(err)
		}
		market, err := NewMarket(MarketOptions{Seed: 1, Symbols: []string{"BTCUSDT"}, Rate: 1, Start: time.Now()})
		if err != nil {
			t.Fatal(err)
		}
		listener, err := memnet.New().Listen("127.0.0.1:9443")
		if err != nil {
			t.Fatal(err)
		}
		server, err := New(Options{Source: market, Listener: listener})
		if err != nil {
			t.Fatal(err)
		}
		defer server.Close()
		if err := server.CheckScenario(scenario); err != nil {
			t.Error(err)
		}
		began := time.Now()
		var seen []string
		server.Play(t.Context(), scenario, func(act Act, err error) {
			if time.Since(began) != act.At {
				t.Errorf("%s began after %s, not %s", act.Kind, time.Since(began), act.At)
			}
			seen = append(seen, act.Kind)
			if (err != nil) != (act.At == 31*time.Second) { // one of a kind acts at a time
				t.Errorf("at %s: %v", act.At, err)
			}
		})
		if strings.Join(seen, " ") != "reset slow-frames slow-frames" {
			t.Errorf("played %v", seen)
		}
		bad, err := ReadScenario(strings.NewReader(`[{"kind": "flood"}, {"kind": "stall", "target": "some"}]`))
		if err != nil {
			t.Fatal(err)
		}
		if err := server.CheckScenario(bad); err == nil || !strings.Contains(err.Error(), "flood") || !strings.Contains(err.Error(), "some") {
			t.Errorf("the check says %v", err)
		}
	})
}

func TestScenarioThatCannotBeRead(t *testing.T) {
	f := func(text, want string) {
		t.Helper()
		if _, err := ReadScenario(strings.NewReader(text)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%.80s: %v, want %q", text, err, want)
		}
	}
	f(`[{"kind": "reset", "when": "10s"}]`, `unknown field "when"`)
	f(`[{"kind": "reset", "at": "soon"}, {"kind": "reset", "for": "-1s"}]`, `fault 2: for is "-1s"`)
	f(`{"kind": "reset"}`, "cannot unmarshal")
	f(``, "EOF")
	f("[\n  // a comment\n  {\"kind\": \"reset\"},\n]", "line 4: invalid character")
	f("[\n  {\"kind\": 5}]", "line 2: json: cannot unmarshal number")
	f(`[{"kind": "reset"}] [{"kind": "stall"}]`, "it goes on after the list")
	f(`[{"kind": "close", "settings": {"code": null}}]`, "setting code is null")
	f("["+strings.Repeat(`{"kind":"reset"},`, maxActs)+`{"kind":"reset"}]`, "at most 10000")
}
