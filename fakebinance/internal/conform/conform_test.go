package conform

import (
	"context"
	"flag"
	"fmt"
	"net/http"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/gorilla/websocket"

	"steadfeed/fakebinance"
)

var update = flag.Bool("update", false, "write the table of rules in fakebinance/README.md")

func endpointOf(s *fakebinance.Server) *Endpoint {
	return &Endpoint{
		WebSocket: s.WebSocketURL(), REST: s.RESTURL(), Symbol: "BTCUSDT",
		Dialer: &websocket.Dialer{}, HTTP: &http.Client{Transport: &http.Transport{DisableKeepAlives: true}},
		Silence: 100 * time.Millisecond, Patience: 10 * time.Second,
	}
}

// Each harmless rule, against the fake over real sockets. The market began
// two minutes ago: what was due before the server started is history.
func TestRules(t *testing.T) {
	market, err := fakebinance.NewMarket(fakebinance.MarketOptions{Seed: 7, Symbols: []string{"BTCUSDT", "ETHUSDT"}, Rate: 200, Start: time.Now().Add(-2 * time.Minute)})
	if err != nil {
		t.Fatal(err)
	}
	s, err := fakebinance.New(fakebinance.Options{Source: market})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	s.Start()
	e := endpointOf(s)
	defer func() { // what conform's description and the README say
		t.Logf("%d connections, %d of request weight", len(s.Ledger().Sessions()), s.MostRESTWeight())
	}()
	for _, c := range Cases() {
		if c.Probe == nil {
			continue
		}
		t.Run(c.Name, func(t *testing.T) {
			ctx, cancel := context.WithTimeout(context.Background(), e.Patience)
			defer cancel()
			got, err := c.Probe(ctx, e)
			if err != nil {
				t.Fatal(err)
			}
			if got != c.Want {
				t.Errorf("section %s: %s\ngot  %s\nwant %s", c.Section, c.Rule, got, c.Want)
			}
		})
	}
}

// Each rule is named once and says where it comes from.
func TestCases(t *testing.T) {
	cases := Cases()
	if len(cases) < 80 {
		t.Errorf("%d cases", len(cases))
	}
	seen := map[string]bool{}
	for _, c := range cases {
		if seen[c.Name] || c.Name == "" || c.Rule == "" || c.Basis == "" || !strings.Contains("12345678", c.Section) {
			t.Errorf("case %+v", c)
		}
		seen[c.Name] = true
		if c.Probe == nil && limitTests[c.Name] == nil {
			t.Errorf("%s: no test", c.Name)
		}
	}
	for name := range limitTests {
		if !seen[name] {
			t.Errorf("%s: a test of no rule", name)
		}
	}
}

const readme = "../../README.md"

// The table of rules in the README is that of the cases.
func TestReadmeTable(t *testing.T) {
	const begin, end = "<!-- rules: begin -->\n", "<!-- rules: end -->"
	text, err := os.ReadFile(readme)
	if err != nil {
		t.Fatal(err)
	}
	before, rest, found := strings.Cut(string(text), begin)
	_, after, closed := strings.Cut(rest, end)
	if !found || !closed {
		t.Fatalf("%s has no table of rules", readme)
	}
	want := before + begin + table() + end + after
	if *update {
		if err := os.WriteFile(readme, []byte(want), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	if want != string(text) {
		t.Errorf("the table of rules in %s is not that of the cases: go test ./fakebinance/internal/conform -run TestReadmeTable -update", readme)
	}
}

func table() string {
	var b strings.Builder
	b.WriteString("| § | rule | known | switch | test |\n|---|---|---|---|---|\n")
	for _, c := range Cases() {
		test := "TestRules/" + c.Name
		if c.Probe == nil {
			test = "TestLimits/" + c.Name
		}
		flip := ""
		if c.Switch != "" {
			flip = "`" + c.Switch + "`"
		}
		fmt.Fprintf(&b, "| %s | %s | %s | %s | `%s` |\n", c.Section, strings.ReplaceAll(c.Rule, "|", "\\|"), c.Basis, flip, test)
	}
	return b.String()
}
