package fault

import (
	"testing"

	"steadfeed/fakebinance"
)

// Each kind of fault of the exchange has a run of its own.
func TestCasesAreAllKinds(t *testing.T) {
	names, kinds := map[string]bool{}, map[string]bool{}
	for _, c := range Cases() {
		if names[c.Name] {
			t.Errorf("two cases are named %q", c.Name)
		}
		names[c.Name], kinds[c.Fault] = true, true
	}
	for _, kind := range fakebinance.Faults() {
		if !kinds[kind.Name] {
			t.Errorf("no case of %s", kind.Name)
		}
	}
}
