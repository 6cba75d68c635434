package streamer

import (
	"encoding/json"
	"os"
	"regexp"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"
	"go.yaml.in/yaml/v3"
)

// Every metric and label that the alerts and the dashboard ask for is on the
// page of a streamer that runs. A misspelt one would never fire and never show.
func TestAlertsAskForWhatThereIs(t *testing.T) {
	expressions := alertExpressions(t)
	synctest.Test(t, func(t *testing.T) {
		r := world(t, options{})
		r.odd("what") // an error makes its counter appear
		r.startStreamer()
		r.waitFor("rejecting", time.Minute, func() bool { return r.metric("binance_message_errors_total") > 0 })
		_, body := r.get("/metrics")
		close(r.stop)
		<-r.done
		r.close()

		parser := expfmt.NewTextParser(model.LegacyValidation)
		families, err := parser.TextToMetricFamilies(strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		there := map[string]bool{"up": true, "ALERTS": true, "job": true, "instance": true, "alertname": true, "alertstate": true, "le": true}
		for name, family := range families {
			there[name], there[name+"_bucket"] = true, true
			for _, label := range family.Metric[0].Label {
				there[label.GetName()] = true
			}
		}
		for _, vec := range []string{"binance_reconnects_total", "binance_connection_rotations_total", "reason"} {
			there[vec] = true // appear with the first of them
		}
		for where, expression := range expressions {
			for _, name := range names(expression) {
				if !there[name] {
					t.Errorf("%s asks for %s, which is not on the page", where, name)
				}
			}
		}
	})
}

func alertExpressions(t *testing.T) map[string]string {
	t.Helper()
	all := map[string]string{}
	text, err := os.ReadFile("../scripts/prometheus/steadfeed.rules.yml")
	if err != nil {
		t.Fatal(err)
	}
	var rules struct {
		Groups []struct {
			Rules []struct{ Alert, Expr string }
		}
	}
	if err := yaml.Unmarshal(text, &rules); err != nil {
		t.Fatal(err)
	}
	for _, group := range rules.Groups {
		for _, rule := range group.Rules {
			all[rule.Alert] = rule.Expr
		}
	}
	if text, err = os.ReadFile("../scripts/prometheus/dashboard.json"); err != nil {
		t.Fatal(err)
	}
	var dashboard struct {
		Panels []struct {
			Title   string
			Targets []struct{ Expr string }
		}
	}
	if err := json.Unmarshal(text, &dashboard); err != nil {
		t.Fatal(err)
	}
	for _, panel := range dashboard.Panels {
		for _, target := range panel.Targets {
			all[panel.Title+": "+target.Expr] = target.Expr
		}
	}
	if len(all) < 20 {
		t.Fatalf("%d expressions only", len(all))
	}
	return all
}

var (
	quoted = regexp.MustCompile(`"[^"]*"`)
	word   = regexp.MustCompile(`[a-zA-Z_][a-zA-Z0-9_]*(\s*\()?`)
	// spans such as 5m and 1h, and numbers such as 400e6.
	number = regexp.MustCompile(`\b[0-9][0-9a-z.]*`)
)

// names are the metrics and labels in an expression.
func names(expression string) (found []string) {
	expression = number.ReplaceAllString(quoted.ReplaceAllString(expression, ""), "")
	for _, w := range word.FindAllString(expression, -1) {
		switch name := strings.TrimRight(w, " \n("); {
		case name == "sum" || name == "min" || name == "by" || name == "on" || name == "or" || name == "and" || name == "unless" || name == "offset":
		case w != name: // a function
		default:
			found = append(found, name)
		}
	}
	return found
}

// The test above is tried: it finds the names, and only those.
func TestNames(t *testing.T) {
	got := strings.Join(names(`sum by (job) (rate(a_total{job="streamer"}[5m])) > 4e6 unless on (b) c offset 1h or d`), " ")
	if want := "job a_total job b c d"; got != want {
		t.Errorf("names: %s, want %s", got, want)
	}
}
