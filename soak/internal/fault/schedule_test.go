package fault

import (
	"reflect"
	"strings"
	"testing"
	"time"

	"steadfeed/fakebinance"
	"steadfeed/soak"
)

func smokeLike() soak.Plan {
	return soak.Plan{
		Phases: []soak.Phase{
			{Name: soak.PhaseWarmUp, For: soak.Duration(25 * time.Second)},
			{Name: soak.PhaseChaos, For: soak.Duration(150 * time.Second), Chaos: true},
			{Name: soak.PhaseCalm, For: soak.Duration(45 * time.Second)},
		},
		Subject: soak.Subject{Settings: map[string]string{
			"STREAMER_PING_INTERVAL": "30s", "STREAMER_PONG_TIMEOUT": "5s", "STREAMER_STALE_TIMEOUT": "30s",
		}},
	}
}

func schedule(t *testing.T, seed uint64, plan soak.Plan) []soak.Injection {
	t.Helper()
	injections, err := Schedule(seed, plan)
	if err != nil {
		t.Fatalf("seed %d: %v", seed, err)
	}
	return injections
}

func TestScheduleIsAFunctionOfTheSeed(t *testing.T) {
	same := 0
	for seed := range uint64(50) {
		first, second := schedule(t, seed, smokeLike()), schedule(t, seed, smokeLike())
		if !reflect.DeepEqual(first, second) {
			t.Fatalf("seed %d gave two schedules:\n%v\n%v", seed, first, second)
		}
		if reflect.DeepEqual(first, schedule(t, seed+1000, smokeLike())) {
			same++
		}
	}
	if same > 0 {
		t.Errorf("%d of 50 pairs of different seeds gave the same schedule", same)
	}
}

// TestEveryScheduleHolds checks over many seeds what every schedule must be:
// valid, inside the chaos phase, without overlap, with each kind in it.
func TestEveryScheduleHolds(t *testing.T) {
	plan := smokeLike()
	begins, ends := 25*time.Second, 175*time.Second
	faults := map[string]int{}
	firsts := map[string]int{}
	for seed := range uint64(500) {
		injections := schedule(t, seed, plan)
		kinds, names := map[string]int{}, map[string]int{}
		free := begins
		for _, in := range injections {
			if err := Validate(in); err != nil {
				t.Errorf("seed %d: %v", seed, err)
			}
			if in.At.D() < free {
				t.Errorf("seed %d: %s begins at %s, the one before has until %s", seed, in.Name, in.At, free)
			}
			free = in.At.D() + span(in)
			kinds[in.Kind]++
			names[in.Name]++
			faults[in.Fault]++
			if names[in.Name] > 1 {
				t.Errorf("seed %d: two injections are called %s", seed, in.Name)
			}
		}
		if free > ends {
			t.Errorf("seed %d: the last injection has until %s, the phase ends at %s", seed, free, ends)
		}
		if len(kinds) != 3 {
			t.Errorf("seed %d: kinds %v, want all three", seed, kinds)
		}
		firsts[injections[0].Fault]++
	}
	for _, f := range All {
		if faults[f.Name] == 0 {
			t.Errorf("fault %s was never drawn in 500 seeds", f.Name)
		}
		if firsts[f.Name] == 0 {
			t.Errorf("fault %s was never the first in 500 seeds: the order is not shuffled", f.Name)
		}
	}
	t.Logf("drawn in 500 seeds: %v; first: %v", faults, firsts)
}

// A plan in virtual time has every kind of trouble in its chaos, and over many
// seeds every fault of the exchange that can leave nothing missing.
func TestVirtualSchedulesDrawEverything(t *testing.T) {
	plan := smokeLike()
	plan.Virtual = true
	plan.Symbols = []string{"A", "B", "C"}
	plan.Traffic = soak.Traffic{Rate: 1. / 3}
	plan.Phases[1].For, plan.Phases[1].Injections = soak.Duration(22*time.Hour), 48
	drawn := map[string]bool{}
	for seed := range uint64(60) {
		kinds := map[string]bool{}
		for _, in := range schedule(t, seed, plan) {
			if err := Validate(in); err != nil {
				t.Errorf("seed %d: %v", seed, err)
			}
			kinds[in.Kind], drawn[in.Fault] = true, true
		}
		if len(kinds) != 7 {
			t.Errorf("seed %d: kinds %v, want all seven", seed, kinds)
		}
	}
	for _, k := range fakebinance.Faults() {
		if able := k.Name != fakebinance.KindLost && k.Name != fakebinance.KindBurst; drawn[k.Name] != able {
			t.Errorf("%s drawn: %v, want %v", k.Name, drawn[k.Name], able)
		}
	}
}

func TestPingTimeoutsLastUntilAPingCanBeMissed(t *testing.T) {
	plan := smokeLike()
	plan.Subject.Settings["STREAMER_PING_INTERVAL"] = "33s"
	for seed := range uint64(50) {
		for _, in := range schedule(t, seed, plan) {
			if in.Fault == "no-pong" && in.For.D() < 38*time.Second {
				t.Fatalf("seed %d: %s lasts %s, a ping may not be due and given up within", seed, in.Name, in.For)
			}
		}
	}
}

// Where sessions are replaced before a ping of theirs can be missed, as in a
// compressed plan, that fault is left out and named; its kind has its turn all
// the same.
func TestNoPongNeedsSessionsThatLast(t *testing.T) {
	plan := smokeLike()
	if said := LeftOut(plan); said != nil {
		t.Errorf("left out %v", said)
	}
	plan.Subject.Settings["STREAMER_ROTATION_INTERVAL"] = "100s"
	for seed := range uint64(50) {
		kinds := map[string]bool{}
		for _, in := range schedule(t, seed, plan) {
			kinds[in.Kind] = true
			if in.Fault == "no-pong" {
				t.Fatalf("seed %d has %s, which cannot take effect", seed, in.Name)
			}
		}
		if !kinds[KindPingTimeout] {
			t.Fatalf("seed %d has no ping timeout", seed)
		}
	}
	if said := LeftOut(plan); len(said) != 1 || !strings.Contains(said[0], "no-pong: sessions are replaced each 1m40s") {
		t.Errorf("left out %v", said)
	}
}

func TestScheduleRefusesAPhaseTooShort(t *testing.T) {
	plan := smokeLike()
	plan.Phases[1].For = soak.Duration(30 * time.Second)
	if injections, err := Schedule(1, plan); err == nil {
		t.Errorf("30 s of chaos took %d injections, want a refusal", len(injections))
	}
}

func TestValidate(t *testing.T) {
	good := schedule(t, 7, smokeLike())[0]
	f := func(change func(*soak.Injection)) {
		t.Helper()
		in := good
		change(&in)
		if Validate(in) == nil {
			t.Errorf("accepted %+v", in)
		}
	}
	f(func(in *soak.Injection) { in.Fault = "earthquake" })
	f(func(in *soak.Injection) { in.Kind = "other" })
	f(func(in *soak.Injection) { in.Target = "some" })
	f(func(in *soak.Injection) { in.For = 0 })
}

// TestTheExchangeKnowsEveryFault holds the names and settings here against
// those of the exchange, which is where they take effect.
func TestTheExchangeKnowsEveryFault(t *testing.T) {
	known := map[string]map[string]bool{}
	for _, kind := range fakebinance.Faults() {
		known[kind.Name] = map[string]bool{}
		for _, setting := range kind.Settings {
			known[kind.Name][setting.Name] = true
		}
	}
	// The exchange knows more than a schedule makes use of.
	for _, fault := range All {
		if known[fault.Name] == nil {
			t.Errorf("the exchange does not know %s", fault.Name)
		}
	}
	for seed := range uint64(100) {
		for _, in := range schedule(t, seed, smokeLike()) {
			for name := range in.Settings {
				if !known[in.Fault][name] {
					t.Fatalf("seed %d: the exchange has no setting %s of %s", seed, name, in.Fault)
				}
			}
		}
	}
}
