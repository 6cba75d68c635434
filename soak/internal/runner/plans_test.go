package runner

import (
	"errors"
	"reflect"
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
				want = 4 // rotations are brought about
			case plan.Virtual:
				want = 5 // the broker and the subject's death are in the harness's hands
			}
			if len(kinds) != want {
				t.Errorf("%s with seed %d has kinds %v, want %d", plan.Name, seed, kinds, want)
			}
		}
	}
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
