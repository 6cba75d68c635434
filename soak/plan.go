package soak

import (
	"encoding/json"
	"fmt"
	"time"
)

// Duration is a time.Duration that reads and writes as text ("1m30s") in the
// files of a run directory, so that people can read them.
type Duration time.Duration

// D returns d as a time.Duration.
func (d Duration) D() time.Duration { return time.Duration(d) }

// String formats d as time.Duration does.
func (d Duration) String() string { return time.Duration(d).String() }

// MarshalJSON writes d as text, such as "1m30s".
func (d Duration) MarshalJSON() ([]byte, error) { return json.Marshal(d.String()) }

// UnmarshalJSON reads the text form.
func (d *Duration) UnmarshalJSON(text []byte) error {
	var s string
	if err := json.Unmarshal(text, &s); err != nil {
		return fmt.Errorf("read duration %s: %w", text, err)
	}
	parsed, err := time.ParseDuration(s)
	if err != nil {
		return fmt.Errorf("read duration %q: %w", s, err)
	}
	*d = Duration(parsed)
	return nil
}

// Plan is all that a run is to do, fixed before it starts: the same plan with
// the same seed makes the same traffic and the same injections.
type Plan struct {
	Name        string      `json:"name"`
	About       string      `json:"about"` // one sentence, shown by `soak plans`
	Seed        uint64      `json:"seed"`
	Symbols     []string    `json:"symbols"` // upper case
	Traffic     Traffic     `json:"traffic"`
	Subject     Subject     `json:"subject"`
	Phases      []Phase     `json:"phases"`
	Injections  []Injection `json:"injections"` // in order of At
	SampleEvery Duration    `json:"sample_every"`
	Fresh       Duration    `json:"fresh,omitempty"` // how long a trade is on its way when all is well; 0: a second
	DrainWithin Duration    `json:"drain_within"`    // from the end of traffic until every trade must be visible
	Limits      []Limit     `json:"limits"`
	Criteria    string      `json:"criteria,omitempty"` // by which the run is judged; empty: CriteriaSeed
	// Least is how much must have happened, by the subject's counters: a run in
	// which less did shows less than it seems to.
	Least      map[string]float64 `json:"least,omitempty"`
	Settle     Duration           `json:"settle,omitempty"`     // age of the subject before which its memory is not judged; 0: the warm-up phase
	Containers *Containers        `json:"containers,omitempty"` // nil: the subject is a process of this machine, Kafka and registry are in memory
	Virtual    bool               `json:"virtual,omitempty"`    // it runs in virtual time, in one process
	Trap       *Trap              `json:"trap,omitempty"`       // of a plan in virtual time
	Scale      int                `json:"scale,omitempty"`      // by how much the timetable is compressed; 0: not at all
	Omitted    []string           `json:"omitted,omitempty"`    // what did not fit into a compressed timetable
	Topic      *Topic             `json:"topic,omitempty"`      // of an audit of a topic that exists; it has no traffic, subject, phases or injections
}

// Sets of criteria. A run is judged by one and told what the other says.
const (
	CriteriaSeed   = "seed"   // the plan's limits
	CriteriaStrict = "strict" // and of memory what a Go process should hold
)

// Names of the plans that have a command of their own, called as they are.
const (
	RoundsPlan = "rounds" // processes and brokers come to their end
	DeployPlan = "deploy" // the deployment script is tried
)

// Criteria are the sets that there are.
var Criteria = []string{CriteriaSeed, CriteriaStrict}

// Topic is what an audit reads, and whom it asks about what it finds. Secrets
// are no part of it.
type Topic struct {
	Name     string            `json:"name"`
	Brokers  []string          `json:"brokers"`
	Registry string            `json:"registry,omitempty"`
	Format   string            `json:"format"`           // auto, avro or json
	Fields   map[string]string `json:"fields,omitempty"` // those whose names were given, such as "id": "t"
	Since    Duration          `json:"since,omitempty"`  // how far back it begins; 0: at the earliest record
	Follow   Duration          `json:"follow,omitempty"` // how long it goes on after the end that it saw at its start
	REST     string            `json:"rest,omitempty"`   // base of the exchange's API; empty: nobody is asked
	Sample   int               `json:"sample"`           // trades compared with the exchange's
	// AllowUnreadable: records that are no trades do not matter, as in a topic
	// of mixed content.
	AllowUnreadable bool `json:"allow_unreadable,omitempty"`
}

// Traffic says what the exchange publishes: synthetic trades, or a capture.
type Traffic struct {
	Rate    float64 `json:"rate"`              // mean trades per second and symbol; 0 publishes nothing
	Capture string  `json:"capture,omitempty"` // path of a capture to replay in place of synthetic trades
	Speed   float64 `json:"speed,omitempty"`   // of a replay: 1 is as recorded

	Bunch Duration `json:"bunch,omitempty"` // synthetic trades are due at multiples of it; 0: each at its own time
}

// Containers are the limits of a subject that is an image: its Command begins
// with the image's name.
type Containers struct {
	CPUs     float64 `json:"cpus"`
	MemoryMB int     `json:"memory_mb"`

	Brokers int    `json:"brokers,omitempty"` // of Kafka, 1 or 3; 0: 1
	Project string `json:"project,omitempty"` // of compose; runs of different projects stand side by side; empty: steadfeed-soak
	Compose string `json:"compose,omitempty"` // the compose file; empty: docker-compose.soak.yml

	KafkaImage    string `json:"kafka_image,omitempty"` // empty: that of the compose file
	RegistryImage string `json:"registry_image,omitempty"`
	// PrometheusImage: of the Prometheus that watches for alerts; empty: none does.
	PrometheusImage string `json:"prometheus_image,omitempty"`
}

// Subject is the process under test.
type Subject struct {
	Name     string            `json:"name"`
	Command  []string          `json:"command"`             // program and arguments, or image and arguments
	Settings map[string]string `json:"settings,omitempty"`  // environment beside the addresses that the testbed sets
	TimeUnit string            `json:"time_unit,omitempty"` // "microsecond" (default) or "millisecond": the precision of the times that the subject keeps
}

// Trap is what becomes of one of the subject's writes to anybody, in a plan in
// virtual time: random kills miss the moments that last a millisecond.
type Trap struct {
	Kind string `json:"kind"`
	At   int64  `json:"at"` // which write, from 1; 0: none, they are only counted
}

// Kinds of traps.
const (
	TrapDieBefore = "die-before" // the subject is killed, and nothing of it is written
	TrapDieAfter  = "die-after"  // it is written, the subject is killed, and the answer is lost
	TrapDelay     = "delay"      // the answer comes later than anybody waits
	TrapCut       = "cut"        // half of it is written, then the connection is cut
)

// Traps are the kinds that there are.
var Traps = []string{TrapDieBefore, TrapDieAfter, TrapDelay, TrapCut}

// Phase is a stretch of a run. Injections happen only in a chaos phase, and
// in one of events.
type Phase struct {
	Name       string   `json:"name"` // warm-up, events, chaos, calm
	For        Duration `json:"for"`
	Chaos      bool     `json:"chaos,omitempty"`
	Injections int      `json:"injections,omitempty"` // how many a chaos phase has; 0: as many as fit
	Events     Duration `json:"events,omitempty"`     // a rotation is brought about each so often, to measure what one costs in memory

	SampleEvery Duration `json:"sample_every,omitempty"` // 0: that of the plan
}

// Names of the phases, in the order in which they follow each other. The
// drain follows the last phase of a plan.
const (
	PhaseWarmUp = "warm-up"
	PhaseEvents = "events"
	PhaseSettle = "settle"
	PhaseChaos  = "chaos"
	PhaseCalm   = "calm"
	PhaseDrain  = "drain"
)

// Faults are the names of the faults that a schedule draws, for
// Injection.Fault.
var Faults = []string{"reset", "silent-close", "close", "slow-bytes", "slow-frames", "no-pong", "stall"}

// Injection is a fault at a time. Began, Ended, Proven and Evidence are filled
// in by the run.
type Injection struct {
	Name        string            `json:"name"`   // unique in the plan, such as "2-stall"
	Fault       string            `json:"fault"`  // one of Faults, or of those for containers or virtual time
	Kind        string            `json:"kind"`   // what the criteria count: drop, slow frames, ping timeout
	Target      string            `json:"target"` // which sessions: "open" (those open when it begins) or "all" (new ones too)
	At          Duration          `json:"at"`     // since the start of the first phase
	For         Duration          `json:"for"`
	Settings    map[string]string `json:"settings,omitempty"` // of the fault, such as a close code
	Disturbance Disturbance       `json:"disturbance"`
	Alerts      []string          `json:"alerts,omitempty"` // that it must fire, where somebody watches for alerts
	// Also is trouble without which this fault would show nothing. It begins At
	// after it and ends by itself.
	Also *Injection `json:"also,omitempty"`

	Began    time.Time `json:"began,omitzero"`
	Ended    time.Time `json:"ended,omitzero"`
	Proven   bool      `json:"proven"`
	Evidence string    `json:"evidence,omitempty"` // what showed that it took effect, or why that is not known
	Err      string    `json:"err,omitempty"`
}

// Disturbance is what an injection is entitled to cause. What exceeds it
// counts against the subject.
type Disturbance struct {
	Pause      Duration `json:"pause"`            // longest time that a due trade may stay invisible
	Reconnects int      `json:"reconnects"`       // sessions that may end
	Settle     Duration `json:"settle"`           // after its end, how long its effects are still counted as its own
	Alerts     []string `json:"alerts,omitempty"` // that may fire, beside those that must
	// Grace is the time after its end before catching up can begin: the exchange
	// has asked to be left alone, or the market is so quiet that nothing shows yet
	// that something is missing.
	Grace Duration `json:"grace,omitempty"`
}

// Role says what a check does to the outcome of a plan.
type Role string

const (
	Gate       Role = "gate"        // decides
	Report     Role = "report"      // is printed
	NotClaimed Role = "not claimed" // this plan cannot say; Why tells why, and which run would
)

// Limit is one criterion of a plan. Of Max and Min the one that applies is set.
type Limit struct {
	ID   string   `json:"id"` // one of the check ids, such as delivery.complete
	Role Role     `json:"role"`
	Max  *float64 `json:"max,omitempty"` // observed must not exceed it
	Min  *float64 `json:"min,omitempty"` // observed must not fall below it
	Unit string   `json:"unit,omitempty"`
	Why  string   `json:"why,omitempty"` // for a role other than gate: the reason
}

// Pace is how often a sample is taken in a phase.
func (p *Plan) Pace(phase string) time.Duration {
	for _, q := range p.Phases {
		if q.Name == phase && q.SampleEvery > 0 {
			return q.SampleEvery.D()
		}
	}
	return p.SampleEvery.D()
}

// InRounds tells a plan that is played in rounds: its injections are ends of
// processes and brokers, and no faults of the exchange.
func (p *Plan) InRounds() bool { return p.Name == RoundsPlan || p.Name == DeployPlan }

// Samples is how many the phases have room for; 0 where none are taken.
func (p *Plan) Samples() int64 {
	var sum float64
	for _, q := range p.Phases {
		if every := p.Pace(q.Name); every > 0 {
			sum += float64(q.For) / float64(every)
		}
	}
	return int64(sum)
}

// Length is the time from the start of the first phase to the end of the last.
func (p *Plan) Length() time.Duration {
	var sum time.Duration
	for _, phase := range p.Phases {
		sum += phase.For.D()
	}
	return sum
}
