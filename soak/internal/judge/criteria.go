package judge

import (
	"slices"

	"steadfeed/soak"
)

// bound is which figure of a limit a criterion takes.
type bound int

const (
	atMost  bound = iota // Max
	atLeast              // Min
	fixed                // neither: the figures are in the plan's injections or below
)

// criterion is one thing that a run can be judged by.
type criterion struct {
	id    string
	bound bound
	unit  string
	limit string // for a fixed bound: the limit as a reader says it
	// absence: a miss rests on what was not seen, so it proves nothing when
	// the harness was in trouble.
	absence bool
	// validity: a miss says that the run proves nothing, not that the subject
	// is bad.
	validity bool
	// topic: it is about an audit of a topic that exists; other plans have no
	// use for it.
	topic bool
	// optional: a plan that says nothing about it leaves it to others.
	optional bool
	measure  func(*Evidence, soak.Limit) measurement
}

// measurement is what a criterion found.
type measurement struct {
	value    *float64
	low      *float64 // of the interval about value, where there is one
	high     *float64
	missed   bool // a fixed bound was missed; for the others the value decides
	decided  bool // missed tells all, whatever the value: an interval was compared
	unfit    bool // nothing can be said, whatever the value
	why      string
	evidence string // file of the run directory
	trend    *soak.Trend
}

// criteria in the order in which a verdict lists them. The ids are stable.
var criteria = []criterion{
	{id: "delivery.complete", unit: "trades", absence: true, measure: complete},
	{id: "delivery.unique", unit: "trades", measure: unique},
	{id: "delivery.ordered", unit: "trades", measure: ordered},
	{id: "delivery.faithful", unit: "trades", measure: faithful},
	{id: "memory.growth", unit: "MB", measure: memoryGrowth},
	{id: "memory.trend", unit: "MB", measure: memoryTrend},
	{id: "memory.growth_per_event", unit: "KiB", measure: memoryPerEvent},
	{id: "memory.rss_limit", unit: "MB", measure: memoryLimit},
	{id: "memory.score", measure: memoryScore},
	{id: "memory.baseline", unit: "MB", optional: true, measure: memoryBaseline},
	{id: "memory.peak", unit: "baselines", optional: true, measure: memoryPeak},
	{id: "goroutines", unit: "goroutines", optional: true, measure: goroutines},
	{id: "throughput", bound: atLeast, unit: "trades/s", absence: true, measure: throughput},
	{id: "freshness", unit: "s", absence: true, measure: freshness},
	{id: "freshness.drift", unit: "s", absence: true, measure: drift},
	{id: "catchup", unit: "s", absence: true, measure: catchUp},
	{id: "pause", unit: "s", bound: fixed, limit: "what each injection declares", absence: true, measure: pause},
	{id: "rotations", bound: fixed, unit: "rotations", limit: "as many as the schedule has instants", absence: true, measure: rotations},
	{id: "pings", unit: "pings", bound: fixed, limit: "0 unanswered, no pong timeout outside injections", measure: pings},
	{id: "reconnects", unit: "sessions", measure: reconnects},
	{id: "alerts.expected", unit: "alerts", absence: true, measure: alertsExpected},
	{id: "alerts.unexpected", unit: "alerts", measure: alertsUnexpected},
	{id: "uptime", bound: atLeast, unit: "%", absence: true, measure: uptime},
	{id: "validity.duration", bound: atLeast, unit: "%", validity: true, measure: duration},
	{id: "validity.samples", bound: atLeast, unit: "%", validity: true, measure: samples},
	{id: "validity.injections", bound: fixed, unit: "injections", limit: "all, each proven and ended", validity: true, measure: injections},
	{id: "validity.subject", bound: fixed, limit: "one process, known build, exit status 0", absence: true, measure: subject},
	{id: "validity.coverage", bound: fixed, unit: "counters", limit: "each at least what the plan names", validity: true, optional: true, measure: coverage},
	{id: "validity.host", bound: fixed, unit: "s", limit: "clock steps < 1 s, exchange late by < 0.25 s (p99)", validity: true, measure: host},
	{id: "validity.topic", bound: fixed, unit: "records", limit: "every partition to its end, every record a trade, nothing forgotten", validity: true, topic: true, measure: topicRead},
	{id: "validity.exchange", bound: fixed, unit: "trades", limit: "every hole asked about, the whole sample compared", validity: true, topic: true, measure: exchangeAsked},
}

func find(id string) (criterion, bool) {
	i := slices.IndexFunc(criteria, func(c criterion) bool { return c.id == id })
	if i < 0 {
		return criterion{}, false
	}
	return criteria[i], true
}
