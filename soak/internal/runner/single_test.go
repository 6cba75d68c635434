package runner

import (
	"os"
	"strings"
	"testing"

	"steadfeed/soak/internal/fault"
)

// The table of the README has a row for each fault, and each is a plan that
// can be run.
func TestSinglePlans(t *testing.T) {
	readme, err := os.ReadFile("../../README.md")
	if err != nil {
		t.Fatal(err)
	}
	_, table, _ := strings.Cut(string(readme), "\n## The streamer under each fault, one by one\n")
	table, _, _ = strings.Cut(table, "\n## ")
	rows := 0
	for line := range strings.Lines(table) {
		if strings.HasPrefix(line, "| ") && !strings.HasPrefix(line, "| fault ") {
			rows++
		}
	}
	for _, c := range fault.Cases() {
		plan, err := SinglePlan(c, 7)
		if err != nil {
			t.Error(err)
		}
		if name := strings.TrimPrefix(plan.Name, singlePrefix); !strings.Contains(table, "\n| "+name+" | ") {
			t.Errorf("no row of %s in soak/README.md", name)
		}
		if want := len(c.Hosts); strings.Count(plan.Subject.Settings["STREAMER_WS_URL"], "wss://") != want {
			t.Errorf("%s: %s, want %d", c.Name, plan.Subject.Settings["STREAMER_WS_URL"], want)
		}
		if want := 3 + c.Symbols; len(plan.Symbols) != want {
			t.Errorf("%s: %d symbols, want %d", c.Name, len(plan.Symbols), want)
		}
	}
	if want := len(fault.Cases()); rows != want {
		t.Errorf("soak/README.md has %d rows, want %d", rows, want)
	}
}
