package runner

import (
	"fmt"
	"time"

	"steadfeed/soak"
	"steadfeed/soak/internal/fault"
)

// The long plans run the subject's image beside a real Kafka, with the limits
// of production. Faults and memory disturb one another, so trouble comes early
// and memory is judged in the calm after it: within the half hour of warm-up in
// the plan of an hour, never in the last 60 % of five hours, in the last third of
// 12 nor in the last four of 24.
var (
	soak1h  = long("soak-1h", "One hour in containers", time.Hour, timetable{first: 5 * time.Minute, events: 10 * time.Minute, chaos: 13 * time.Minute, injections: 10, settle: 2 * time.Minute})
	soak5h  = long("soak-5h", "Five hours in containers, what a hosted CI runner can do", 5*time.Hour, timetable{first: 15 * time.Minute, events: 15 * time.Minute, chaos: 90 * time.Minute, injections: 10})
	soak12h = long("soak-12h", "Twelve hours in containers", 12*time.Hour, timetable{first: 15 * time.Minute, events: 15 * time.Minute, chaos: 7*time.Hour + 15*time.Minute, injections: 12})
	soak24h = long("soak-24h", "A day in containers", 24*time.Hour, timetable{first: 15 * time.Minute, events: 15 * time.Minute, chaos: 19*time.Hour + 15*time.Minute, injections: 24})
)

// timetable is how a long plan begins; what is left of its length is calm.
type timetable struct {
	first      time.Duration // nothing happens
	events     time.Duration // rotations are brought about, closely
	chaos      time.Duration
	injections int           // in it
	settle     time.Duration // after it, before memory is judged
}

const (
	// processAge is when the memory of a process may be judged: resident memory
	// of a clean Go process goes on climbing for half an hour.
	processAge = 30 * time.Minute
	// eventPace is how closely rotations are brought about: the exchange's
	// notice, and what the session before needs to go.
	eventPace = 17 * time.Second
	// eventSample: the live heap has to be read several times between two events.
	eventSample = time.Second
)

func long(name, about string, length time.Duration, t timetable) template {
	return template{name: name, about: about + ", real Kafka: every trade accounted for, rotations, memory.", fill: func(plan *soak.Plan) {
		plan.Symbols = []string{"BTCUSDT", "ETHUSDT", "BNBUSDT"}
		plan.Traffic = soak.Traffic{Rate: 50} // steady: a shape would be taken for a trend
		plan.Containers = &soak.Containers{CPUs: 0.5, MemoryMB: 512}
		plan.Subject.TimeUnit = "microsecond"
		plan.Subject.Settings = map[string]string{"STREAMER_ROTATION_INTERVAL": "4h"}
		if length <= time.Hour {
			// Or none would be due, and a ping timeout would take a third of chaos.
			plan.Subject.Settings["STREAMER_ROTATION_INTERVAL"] = "10m"
			plan.Subject.Settings["STREAMER_PING_INTERVAL"] = "60s"
		}
		plan.Phases = []soak.Phase{
			{Name: soak.PhaseWarmUp, For: soak.Duration(t.first)},
			{Name: soak.PhaseEvents, For: soak.Duration(t.events), Events: soak.Duration(eventPace), SampleEvery: soak.Duration(eventSample)},
			{Name: soak.PhaseChaos, For: soak.Duration(t.chaos), Chaos: true, Injections: t.injections},
		}
		if t.settle > 0 {
			plan.Phases = append(plan.Phases, soak.Phase{Name: soak.PhaseSettle, For: soak.Duration(t.settle)})
		}
		plan.Phases = append(plan.Phases, soak.Phase{Name: soak.PhaseCalm, For: soak.Duration(length - plan.Length())})
		plan.Settle = soak.Duration(processAge)
		plan.SampleEvery = soak.Duration(time.Second)
		if length >= 12*time.Hour {
			plan.SampleEvery = soak.Duration(time.Minute)
		}
		plan.DrainWithin = soak.Duration(30 * time.Second)
		plan.Limits = longLimits(length)
	}}
}

// longLimits are the criteria of the long plans.
func longLimits(length time.Duration) []soak.Limit {
	growth, perEvent, rss, uptime := 50.0, 64.0, 450.0, 99.9
	switch {
	case length <= time.Hour:
		growth, perEvent, rss, uptime = 10, 128, 400, 100
	case length <= 12*time.Hour:
		growth = 30
	}
	return append(deliveryLimits(),
		atMost("memory.rss_limit", rss, "MB"),
		atMost("memory.growth", growth, "MB"),
		atMost("memory.score", 0.5, ""),
		trend(length, growth),
		atMost("memory.growth_per_event", perEvent, "KiB"),
		atLeast("throughput", 10, "trades/s"),
		atMost("freshness", 1, "s"),
		atMost("freshness.drift", 0.25, "s"),
		atMost("catchup", 30, "s"),
		gate("pause"),
		gate("rotations"),
		gate("pings"),
		atMost("reconnects", 0, "sessions"),
		atMost("alerts.expected", 0, "alerts"),
		atMost("alerts.unexpected", 0, "alerts"),
		atLeast("uptime", uptime, "%"),
		atLeast("validity.duration", 98, "%"),
		atLeast("validity.samples", 95, "%"),
		gate("validity.injections"),
		gate("validity.subject"),
		gate("validity.host"),
	)
}

// trend is the limit of the projection: below twelve hours its interval is
// wider than what it would have to tell apart.
func trend(length time.Duration, growth float64) soak.Limit {
	if length < 12*time.Hour {
		return notClaimed("memory.trend", "hours this few cannot tell a leak from a cache that fills; soak-12h and soak-24h can")
	}
	return atMost("memory.trend", growth, "MB")
}

// WithoutPrometheus takes the Prometheus out of a plan with containers, which
// then claims nothing of alerts.
func WithoutPrometheus(plan *soak.Plan, why string) {
	plan.Containers.PrometheusImage = ""
	for i, limit := range plan.Limits {
		if limit.ID == "alerts.expected" || limit.ID == "alerts.unexpected" {
			plan.Limits[i] = notClaimed(limit.ID, why)
		}
	}
}

// Shortest lengths of the phases of a compressed plan: detection and pings are
// not compressed, so less than this shows nothing.
const (
	leastWarmUp = 25 * time.Second
	leastEvents = 200 * time.Second // 11 rotations
	leastChaos  = 270 * time.Second // one of each kind, as long as none takes more than a quarter
	leastSettle = 10 * time.Second
	leastCalm   = 90 * time.Second
	// leastRotation leaves a rotation time to prove itself.
	leastRotation = 30 * time.Second
	// leastPerEvent is what so few rotations can tell apart, in KiB: the interval
	// of a clean subject that had twelve reached to 101.
	leastPerEvent = 128
	maxScale      = 1000
)

var leastOf = map[string]time.Duration{
	soak.PhaseWarmUp: leastWarmUp, soak.PhaseEvents: leastEvents, soak.PhaseChaos: leastChaos, soak.PhaseSettle: leastSettle, soak.PhaseCalm: leastCalm,
}

// compress shortens the timetable of a plan scale times: its phases and the
// interval of its rotations, and nothing else. A plan so compressed makes no
// claim about memory over time.
func compress(plan *soak.Plan, scale int) error {
	if scale <= 1 {
		return nil
	}
	if plan.Containers == nil {
		return fmt.Errorf("plan %s has no timetable to be compressed: the plans of an hour and more have", plan.Name)
	}
	plan.Scale = scale
	length := plan.Length() / time.Duration(scale)
	for i := range plan.Phases {
		p := &plan.Phases[i]
		p.For = soak.Duration(max(p.For.D()/time.Duration(scale), leastOf[p.Name]))
	}
	// Phases that were lengthened to their least take the time of the others.
	for _, name := range []string{soak.PhaseChaos, soak.PhaseCalm, soak.PhaseWarmUp, soak.PhaseSettle, soak.PhaseEvents} {
		for i := range plan.Phases {
			if p := &plan.Phases[i]; p.Name == name && plan.Length() > length {
				p.For = soak.Duration(max(p.For.D()-(plan.Length()-length), leastOf[name]))
			}
		}
	}
	interval, err := time.ParseDuration(plan.Subject.Settings["STREAMER_ROTATION_INTERVAL"])
	if err != nil {
		return fmt.Errorf("plan %s: its rotation interval: %w", plan.Name, err)
	}
	plan.Subject.Settings["STREAMER_ROTATION_INTERVAL"] = max(interval/time.Duration(scale), leastRotation).String()
	plan.Settle = 0
	plan.SampleEvery = soak.Duration(time.Second)
	why := fmt.Sprintf("the timetable is compressed %d times: minutes cannot tell growth from warming up", scale)
	for i, limit := range plan.Limits {
		switch limit.ID {
		case "memory.growth", "memory.score":
			plan.Limits[i] = reported(limit.ID, limit.Unit, why)
		case "memory.growth_per_event":
			if *limit.Max < leastPerEvent {
				plan.Limits[i] = atMost(limit.ID, leastPerEvent, limit.Unit)
			}
		case "memory.trend":
			plan.Limits[i] = notClaimed(limit.ID, why)
		}
	}
	return nil
}

// omissions says which injections of a compressed plan did not fit.
func omissions(plan *soak.Plan) {
	if plan.Scale <= 1 {
		return
	}
	plan.Omitted = fault.LeftOut(*plan)
	var begins time.Duration
	for _, p := range plan.Phases {
		var have int
		for _, in := range plan.Injections {
			if at := in.At.D(); at >= begins && at < begins+p.For.D() {
				have++
			}
		}
		begins += p.For.D()
		if p.Chaos && have < p.Injections {
			plan.Omitted = append(plan.Omitted, fmt.Sprintf("%d of %d injections did not fit into %s of %s", p.Injections-have, p.Injections, p.For, p.Name))
		}
	}
}
