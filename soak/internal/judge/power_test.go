package judge

import (
	"strings"
	"testing"

	"steadfeed/soak"
)

// What a run leaves out is said of a run that leaves it out, and of no other.
func TestPowerNamesWhatWasExercised(t *testing.T) {
	const leftOut = "not part of this plan"
	f := func(fault, said, unsaid string) {
		t.Helper()
		text := strings.Join(power(&Evidence{Plan: soak.Plan{Injections: []soak.Injection{{Fault: fault, Proven: true}}}}), "\n")
		if !strings.Contains(text, said) || strings.Contains(text, unsaid) {
			t.Errorf("after %s: %s", fault, text)
		}
	}
	f("reset", leftOut, "processes and brokers")
	f("kill", "exercised on processes and brokers: kill (1)", leftOut)
}

// What an event can leave behind unseen is said where it was measured.
func TestPowerOfEventsIsTheirInterval(t *testing.T) {
	high := 119.7
	text := eventPower([]soak.Check{{ID: "memory.growth"}, {ID: "memory.growth_per_event", High: &high}})
	if len(text) != 1 || !strings.Contains(text[0], "up to 120 KiB") {
		t.Errorf("%q", text)
	}
	if text := eventPower([]soak.Check{{ID: "memory.growth_per_event"}}); text != nil {
		t.Errorf("%q of no interval", text)
	}
}
