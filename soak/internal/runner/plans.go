package runner

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"steadfeed/fakebinance"
	"steadfeed/soak"
	"steadfeed/soak/internal/fault"
	"steadfeed/soak/internal/judge"
)

// ErrUnknownPlan says that there is no plan of the name asked for.
var ErrUnknownPlan = errors.New("unknown plan")

// Choices are what the person who starts a run decides; all else is the plan's.
type Choices struct {
	Seed    uint64
	Subject []string // program and arguments
	Name    string   // of the subject
	Capture string   // path of a capture to replay; empty: synthetic trades
	Speed   float64  // of the replay
	Rate    float64  // synthetic trades per second and symbol; negative: the plan's own
	Scale   int      // by which the timetable of a long plan is compressed; 0 or 1: not

	Length time.Duration // another one of a plan in virtual time; 0: its own

	KafkaImage, RegistryImage string // of a plan with containers; empty: those of the compose file
	Brokers                   int    // of Kafka, of a plan with containers: 1 or 3; 0: 1
	Project                   string // of compose, of a plan with containers; empty: the usual one
	PrometheusImage           string // of a plan with containers; empty: none watches for alerts
	Criteria                  string // by which the run is judged; empty: the plan's limits
}

// template makes a plan; each has a name and one sentence about it.
type template struct {
	name, about string
	fill        func(*soak.Plan)
	// place puts the injections where the plan wants them; nil: they are drawn.
	place func(soak.Plan) ([]soak.Injection, error)
}

var templates = []template{smoke, soak1h, soak5h, soak12h, soak24h, day, storm, churn, week, month, monthBusy, sweep}

// Plans lists the names of the plans and what each is about.
func Plans() []soak.Plan {
	plans := make([]soak.Plan, len(templates))
	for i, t := range templates {
		plans[i] = soak.Plan{Name: t.name, About: t.about}
		t.fill(&plans[i])
	}
	return plans
}

// InContainers tells whether the subject of the plan of a name is an image.
func InContainers(name string) bool {
	return slices.ContainsFunc(Plans(), func(p soak.Plan) bool { return p.Name == name && p.Containers != nil })
}

// NewPlan makes the plan of a name, complete with its injections: two plans
// made with the same name and choices are equal.
func NewPlan(name string, choices Choices) (soak.Plan, error) {
	i := slices.IndexFunc(templates, func(t template) bool { return t.name == name })
	if i < 0 {
		names := make([]string, len(templates))
		for i, t := range templates {
			names[i] = t.name
		}
		return soak.Plan{}, fmt.Errorf("%w %q: there is %s", ErrUnknownPlan, name, strings.Join(names, ", "))
	}
	plan := soak.Plan{Name: name, About: templates[i].about, Seed: choices.Seed}
	templates[i].fill(&plan)
	plan.Subject.Command, plan.Subject.Name = choices.Subject, choices.Name
	plan.Criteria = choices.Criteria
	if choices.Rate >= 0 {
		plan.Traffic.Rate = choices.Rate
	}
	if choices.Capture != "" {
		plan.Traffic = soak.Traffic{Capture: choices.Capture, Speed: choices.Speed}
		var err error
		if plan.Symbols, err = capturedSymbols(choices.Capture); err != nil {
			return soak.Plan{}, err
		}
	}
	if choices.Scale < 0 || choices.Scale > maxScale {
		return soak.Plan{}, fmt.Errorf("plan %s: scale %d: 1 to %d are possible", name, choices.Scale, maxScale)
	}
	switch {
	case plan.Containers == nil && choices.Brokers > 1:
		return soak.Plan{}, fmt.Errorf("plan %s has its Kafka in memory, of one broker: the plans of an hour and more have containers", name)
	case choices.Brokers != 0 && choices.Brokers != 1 && choices.Brokers != 3:
		return soak.Plan{}, fmt.Errorf("plan %s: %d brokers: 1 or 3 are possible", name, choices.Brokers)
	}
	if plan.Containers != nil {
		plan.Containers.KafkaImage, plan.Containers.RegistryImage = choices.KafkaImage, choices.RegistryImage
		plan.Containers.Brokers, plan.Containers.Project = choices.Brokers, choices.Project
		plan.Containers.PrometheusImage = choices.PrometheusImage
		if choices.PrometheusImage == "" {
			WithoutPrometheus(&plan, "no Prometheus was wanted")
		}
	}
	if err := errors.Join(compress(&plan, choices.Scale), stretch(&plan, choices.Length)); err != nil {
		return soak.Plan{}, err
	}
	place := templates[i].place
	if place == nil {
		place = func(plan soak.Plan) ([]soak.Injection, error) { return fault.Schedule(plan.Seed, plan) }
	}
	var err error
	if plan.Injections, err = place(plan); err != nil {
		return soak.Plan{}, fmt.Errorf("plan %s: %w", name, err)
	}
	omissions(&plan)
	return plan, Validate(plan)
}

func capturedSymbols(path string) ([]string, error) {
	capture, err := fakebinance.OpenCapture(path)
	if err != nil {
		return nil, err
	}
	replay, err := fakebinance.NewReplay(capture, time.Now(), 1)
	if err != nil {
		return nil, err
	}
	return replay.Symbols(), nil
}

// Limits of a plan.
const (
	maxSymbols = 1024 // what one session carries; more would make a ledger of many pages
	maxSpeed   = 1000 // of a replay
	maxRate    = 1e6  // per second and symbol; more than any exchange or test rig makes
)

// Validate says all that keeps a plan from being run. A plan with a limit that
// cannot be judged does not start.
func Validate(plan soak.Plan) error {
	if plan.Topic != nil { // an audit: it has limits and nothing else to be run
		return judge.Validate(plan)
	}
	var problems []error
	complain := func(format string, a ...any) { problems = append(problems, fmt.Errorf(format, a...)) }
	if len(plan.Symbols) == 0 || len(plan.Symbols) > maxSymbols {
		complain("it has %d symbols: 1 to %d are possible", len(plan.Symbols), maxSymbols)
	}
	if len(plan.Phases) == 0 {
		complain("it has no phases")
	}
	if plan.Traffic.Rate < 0 || plan.Traffic.Rate > maxRate {
		complain("rate %g: 0 to %g trades a second are possible", plan.Traffic.Rate, maxRate)
	}
	if plan.Traffic.Speed < 0 || plan.Traffic.Speed > maxSpeed {
		complain("speed %g: above 0 to %d is possible", plan.Traffic.Speed, maxSpeed)
	}
	if plan.SampleEvery <= 0 {
		complain("samples every %s: the time must be positive", plan.SampleEvery)
	}
	if plan.DrainWithin <= 0 {
		complain("drain within %s: the time must be positive", plan.DrainWithin)
	}
	for _, phase := range plan.Phases {
		if phase.For <= 0 {
			complain("phase %s lasts %s: the time must be positive", phase.Name, phase.For)
		}
	}
	names := map[string]bool{}
	for _, in := range plan.Injections {
		if err := fault.Validate(in); err != nil {
			problems = append(problems, err)
		}
		if names[in.Name] {
			complain("two injections are called %s", in.Name)
		}
		names[in.Name] = true
		if !inChaos(plan, in) {
			complain("injection %s at %s is in no phase of chaos or events", in.Name, in.At)
		}
	}
	if len(problems) > 0 {
		return fmt.Errorf("plan %s: %w", plan.Name, errors.Join(problems...))
	}
	return judge.Validate(plan)
}

func inChaos(plan soak.Plan, in soak.Injection) bool {
	var begins time.Duration
	for _, phase := range plan.Phases {
		if at := in.At.D(); (phase.Chaos || phase.Events > 0) && at >= begins && at < begins+phase.For.D() {
			return true
		}
		begins += phase.For.D()
	}
	return false
}
