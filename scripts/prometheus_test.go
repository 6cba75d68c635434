package scripts

import (
	"encoding/json"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"
)

// alert is a rule of the rules file.
type alert struct {
	Alert       string
	Expr        string
	Labels      map[string]string
	Annotations map[string]string
}

func readYAML(t *testing.T, path string, into any) {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := yaml.Unmarshal(text, into); err != nil {
		t.Fatalf("%s: %v", path, err)
	}
}

func alerts(t *testing.T) (all []alert) {
	t.Helper()
	var file struct{ Groups []struct{ Rules []alert } }
	readYAML(t, "prometheus/steadfeed.rules.yml", &file)
	for _, group := range file.Groups {
		all = append(all, group.Rules...)
	}
	if len(all) == 0 {
		t.Fatal("no rules")
	}
	return all
}

// The alerts that other people's pagers hold on to, and their severity.
var promised = map[string]string{
	"BinanceMemoryHigh": "high", "BinanceMemoryLeakDetected": "critical", "BinancePongTimeout": "warning",
	"BinanceConnectionStale": "critical", "BinanceDisconnected": "critical", "BinanceNoMessages": "critical",
	"BinanceTradeLagHigh": "critical", "BinancePartitionHung": "critical", "BinanceHighErrorRate": "high", "BinanceTradesLost": "critical",
}

// Each alert has its severity, an entry in the runbook, a summary, and a case
// for promtool in which it fires and one in which it does not.
func TestAlerts(t *testing.T) {
	runbook, err := os.ReadFile("../docs/runbook.md")
	if err != nil {
		t.Fatal(err)
	}
	headings := regexp.MustCompile(`(?m)^## (\S+)$`).FindAllStringSubmatch(string(runbook), -1)
	var cases struct {
		Tests []struct {
			Name  string
			Cases []struct {
				Name     string           `yaml:"alertname"`
				Expected []map[string]any `yaml:"exp_alerts"`
			} `yaml:"alert_rule_test"`
		}
	}
	readYAML(t, "prometheus/steadfeed.rules.test.yml", &cases)
	seen := map[string]bool{}
	for _, a := range alerts(t) {
		seen[a.Alert] = true
		if want, known := promised[a.Alert]; !known || a.Labels["severity"] != want {
			t.Errorf("%s: severity %q, promised %q", a.Alert, a.Labels["severity"], want)
		}
		if want := "docs/runbook.md#" + strings.ToLower(a.Alert); a.Annotations["runbook"] != want || a.Annotations["summary"] == "" {
			t.Errorf("%s: runbook %q, want %q, and summary %q", a.Alert, a.Annotations["runbook"], want, a.Annotations["summary"])
		}
		if !slices.ContainsFunc(headings, func(h []string) bool { return h[1] == a.Alert }) {
			t.Errorf("%s has no entry in the runbook", a.Alert)
		}
		var fires, silent bool
		for _, test := range cases.Tests {
			fired := false
			for _, c := range test.Cases {
				fired = fired || c.Name == a.Alert && len(c.Expected) > 0
			}
			fires = fires || fired && strings.HasPrefix(test.Name, a.Alert+" fires")
			silent = silent || !fired && strings.HasPrefix(test.Name, a.Alert+" does not fire") && len(test.Cases) > 0
		}
		if !fires || !silent {
			t.Errorf("%s: a case in which it fires %v, one in which it does not %v", a.Alert, fires, silent)
		}
	}
	for name := range promised {
		if !seen[name] {
			t.Errorf("there is no alert %s", name)
		}
	}
	for _, h := range headings {
		if !seen[h[1]] {
			t.Errorf("the runbook has an entry for %s, which is no alert", h[1])
		}
	}
}

// The dashboard is JSON, no two panels have one place, and each query is about
// the streamer's job.
func TestDashboard(t *testing.T) {
	text, err := os.ReadFile("prometheus/dashboard.json")
	if err != nil {
		t.Fatal(err)
	}
	var dashboard struct {
		Panels []struct {
			Title   string
			GridPos struct{ X, Y, W, H int }
			Targets []struct{ Expr string }
		}
	}
	if err := json.Unmarshal(text, &dashboard); err != nil {
		t.Fatal(err)
	}
	taken := map[[2]int]string{}
	for _, p := range dashboard.Panels {
		for x := p.GridPos.X; x < p.GridPos.X+p.GridPos.W; x++ {
			for y := p.GridPos.Y; y < p.GridPos.Y+p.GridPos.H; y++ {
				if other := taken[[2]int{x, y}]; other != "" {
					t.Fatalf("%s and %s overlap", p.Title, other)
				}
				taken[[2]int{x, y}] = p.Title
			}
		}
		if len(p.Targets) == 0 {
			t.Errorf("%s shows nothing", p.Title)
		}
		for _, target := range p.Targets {
			if !strings.Contains(target.Expr, `job="streamer"`) && !strings.HasPrefix(target.Expr, "ALERTS") {
				t.Errorf("%s: %s", p.Title, target.Expr)
			}
		}
	}
}
