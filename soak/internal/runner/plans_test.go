package runner

import (
	"errors"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"steadfeed/soak"
)

func TestNewPlan(t *testing.T) {
	choices := Choices{Seed: 3, Subject: []string{"x"}, Name: "x", Rate: -1}
	first, err := NewPlan("smoke", choices)
	if err != nil {
		t.Fatal(err)
	}
	second, err := NewPlan("smoke", choices)
	if err != nil || !reflect.DeepEqual(first, second) {
		t.Errorf("the same choices gave two plans: %v\n%+v\n%+v", err, first, second)
	}
	if length := first.Length(); length > 4*time.Minute {
		t.Errorf("smoke lasts %s", length)
	}
	if _, err := NewPlan("smoke-and-mirrors", choices); !errors.Is(err, ErrUnknownPlan) {
		t.Errorf("%v, want %v", err, ErrUnknownPlan)
	}
	choices.Rate = 0
	if quiet, err := NewPlan("smoke", choices); err != nil || quiet.Traffic.Rate != 0 {
		t.Errorf("rate 0 was not taken: %+v, %v", quiet.Traffic, err)
	}
}

func TestBrokersOfAPlan(t *testing.T) {
	f := func(name string, brokers int, want string) {
		t.Helper()
		plan, err := NewPlan(name, Choices{Subject: []string{"x"}, Name: "x", Rate: -1, Brokers: brokers})
		switch {
		case want != "" && (err == nil || !strings.Contains(err.Error(), want)):
			t.Errorf("%s with %d brokers: %v, want %q", name, brokers, err, want)
		case want == "" && (err != nil || plan.Containers.Brokers != brokers):
			t.Errorf("%s with %d brokers has %+v (%v)", name, brokers, plan.Containers, err)
		}
	}
	f("soak-24h", 3, "")
	f("soak-24h", 0, "")
	f("soak-24h", 2, "1 or 3 are possible")
	f("smoke", 3, "in memory")
}

func TestEveryPlanIsSound(t *testing.T) {
	for _, plan := range Plans() {
		for seed := range uint64(20) {
			made, err := NewPlan(plan.Name, Choices{Seed: seed, Subject: []string{"x"}, Name: "x", Rate: -1})
			if err != nil {
				t.Errorf("%s with seed %d: %v", plan.Name, seed, err)
			}
			kinds := map[string]bool{}
			for _, in := range made.Injections {
				kinds[in.Kind] = true
			}
			want := 3
			switch {
			case plan.Name == "churn":
				want = 1 // reconnects, and nothing else
			case plan.Name == "sweep":
				want = 3 // where the scenario wants them
			case plan.Containers != nil:
				want = 7 // rotations are brought about; machine, broker and registry are in the harness's hands
				if plan.Length() > 2*time.Hour {
					want++ // and the subject's death, where the next process has the time to grow old
				}
			case plan.Virtual:
				want = 7 // and every other fault of the exchange; broker, registry and the subject's death are in the harness's hands
			}
			if len(kinds) != want {
				t.Errorf("%s with seed %d has kinds %v, want %d", plan.Name, seed, kinds, want)
			}
		}
	}
}

// A compressed plan has every kind too, the subject's death among them, takes
// ten minutes, and says what had no room. An hour's own length has no death, and
// where there is one it is the first of the chaos and the only one.
func TestCompressedPlansHaveEveryKind(t *testing.T) {
	f := func(name string, scale int, kinds, deaths int) {
		t.Helper()
		for seed := range uint64(40) {
			plan, err := NewPlan(name, Choices{Seed: seed, Subject: []string{"x"}, Name: "x", Rate: -1, Scale: scale})
			if err != nil {
				t.Fatalf("%s, scale %d, seed %d: %v", name, scale, seed, err)
			}
			have, died, chaos := map[string]bool{}, 0, 0
			for _, in := range plan.Injections {
				have[in.Kind] = true
				if in.Kind != "shutdown" {
					chaos++
				}
				if in.Kind == "death" {
					died++
					if scale == 1 && chaos != 1 {
						t.Errorf("%s with seed %d: %s is number %d of the chaos, want the first", name, seed, in.Name, chaos)
					}
				}
			}
			if len(have) != kinds || died != deaths {
				t.Errorf("%s, scale %d, seed %d: %d kinds and %d deaths, want %d and %d: %v", name, scale, seed, len(have), died, kinds, deaths, have)
			}
			if scale > 1 && (plan.Length() > 10*time.Minute || len(plan.Omitted) == 0) {
				t.Errorf("%s, scale %d, seed %d: it lasts %s and left out %q", name, scale, seed, plan.Length(), plan.Omitted)
			}
		}
	}
	f("soak-1h", 1, 7, 0)
	f("soak-24h", 1, 8, 1)
	f("soak-1h", 6, 8, 1)
	f("soak-12h", 72, 8, 1)
	f("soak-24h", 144, 8, 1)
}

// A day reads memory each minute, and each second where every reading counts.
func TestSamplesOfADay(t *testing.T) {
	plan, err := NewPlan("soak-24h", Choices{Seed: 1, Subject: []string{"x"}, Name: "x", Rate: -1})
	if err != nil {
		t.Fatal(err)
	}
	if events, chaos := plan.Pace(soak.PhaseEvents), plan.Pace(soak.PhaseChaos); events != time.Second || chaos != time.Minute {
		t.Errorf("a sample each %s in the phase of events and each %s in chaos", events, chaos)
	}
	if n, want := plan.Samples(), int64(24*60-15+15*60); n != want {
		t.Errorf("%d samples, want %d", n, want)
	}
}

// What a dozen rotations cannot tell apart, a compressed plan does not gate on.
func TestLimitPerEventOfCompressedPlans(t *testing.T) {
	f := func(name string, scale int, want float64) {
		t.Helper()
		plan, err := NewPlan(name, Choices{Seed: 1, Subject: []string{"x"}, Name: "x", Rate: -1, Scale: scale})
		if err != nil {
			t.Fatal(err)
		}
		i := slices.IndexFunc(plan.Limits, func(l soak.Limit) bool { return l.ID == "memory.growth_per_event" })
		if l := plan.Limits[i]; l.Role != soak.Gate || *l.Max != want {
			t.Errorf("%s, scale %d: %s of %g KiB, want a gate of %g", name, scale, l.Role, *l.Max, want)
		}
	}
	f("soak-24h", 1, 64)
	f("soak-24h", 144, 128)
	f("soak-1h", 6, 128)
}

func TestValidateSaysAllThatIsWrong(t *testing.T) {
	good, err := NewPlan("smoke", Choices{Subject: []string{"x"}, Name: "x", Rate: -1})
	if err != nil {
		t.Fatal(err)
	}
	f := func(want string, spoil func(*soak.Plan)) {
		t.Helper()
		plan := good
		plan.Injections = append([]soak.Injection(nil), good.Injections...)
		plan.Limits = append([]soak.Limit(nil), good.Limits...)
		plan.Phases = append([]soak.Phase(nil), good.Phases...)
		spoil(&plan)
		if err := Validate(plan); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v, want %q", err, want)
		}
	}
	f("symbols", func(p *soak.Plan) { p.Symbols = nil })
	f("no phases", func(p *soak.Plan) { p.Phases = nil })
	f("must be positive", func(p *soak.Plan) { p.Phases[0].For = 0 })
	f("rate", func(p *soak.Plan) { p.Traffic.Rate = -1 })
	f("speed", func(p *soak.Plan) { p.Traffic.Speed = -1 })
	f("samples every", func(p *soak.Plan) { p.SampleEvery = 0 })
	f("unknown fault", func(p *soak.Plan) { p.Injections[0].Fault = "rain" })
	f("two injections", func(p *soak.Plan) { p.Injections[1].Name = p.Injections[0].Name })
	f("no phase of chaos", func(p *soak.Plan) { p.Injections[0].At = 0 })
	f("no such check", func(p *soak.Plan) { p.Limits[0].ID = "delivery.fast" })
	f("is missing", func(p *soak.Plan) { p.Limits = p.Limits[1:] })
	f("drain within", func(p *soak.Plan) { p.DrainWithin = 0; p.SampleEvery = 0 }) // and the other as well
}
