package runner

import (
	"fmt"
	"math"
	"time"

	"steadfeed/fakebinance"
	"steadfeed/soak"
	"steadfeed/soak/internal/fault"
)

// The plans in virtual time run the streamer's core, the exchange, Kafka, the
// registry and the auditor in one process, in which time jumps. They see what
// takes days: rotations by the hundred, pings by the ten thousand, faults all
// along.
var (
	day       = virtual("day", "A day in virtual time", 1, 1, faultsADay)
	storm     = virtual("storm", "A day in virtual time, every kind of trouble, 48 times", 1, 1, stormsADay)
	week      = virtual("week", "A week in virtual time", 7, 1, faultsADay)
	month     = virtual("month", "Thirty days in virtual time", 30, 1, faultsADay)
	monthBusy = virtual("month-busy", "Thirty days in virtual time, 20 trades a second", 30, 20, faultsADay)
)

// churn is so many cuts of a session, each of which costs a reconnect, that what
// each leaves behind can be seen in a live heap that has the harness in it.
var churn = template{name: "churn", about: "Nine hundred reconnects in virtual time: what each leaves behind.", fill: func(plan *soak.Plan) {
	day.fill(plan)
	plan.Phases = []soak.Phase{
		{Name: soak.PhaseWarmUp, For: soak.Duration(virtualWarmUp)},
		{Name: soak.PhaseEvents, For: soak.Duration(churnReconnects * churnPace), Events: soak.Duration(churnPace)},
		{Name: soak.PhaseCalm, For: soak.Duration(virtualCalm)},
	}
	plan.Least = map[string]float64{"binance_reconnects_total": churnReconnects, "binance_trades_backfilled_total": 1}
	plan.SampleEvery = soak.Duration(churnPace)
	for i, limit := range plan.Limits {
		switch limit.ID {
		case "memory.growth_per_event":
			plan.Limits[i] = atMost(limit.ID, churnKiB, "KiB")
		case "rotations":
			plan.Limits[i] = reported(limit.ID, limit.Unit, "no session lives long enough for one")
		}
	}
}, place: func(plan soak.Plan) (all []soak.Injection, err error) {
	for i := range churnReconnects {
		cut, err := fault.At(plan, fakebinance.KindReset, virtualWarmUp+time.Duration(i)*churnPace)
		if err != nil {
			return nil, err
		}
		cut.Name = fmt.Sprintf("%d-%s", i+1, cut.Fault)
		all = append(all, cut)
	}
	return all, nil
}}

const (
	churnReconnects = 900 // as many sessions as a ledger keeps
	churnPace       = 90 * time.Second
	// churnKiB is half of what a leak of 32 KiB a session would show, since a
	// heap may double before it is collected.
	churnKiB = 32
)

const (
	// faultsADay: one each six hours.
	faultsADay = 4
	// stormsADay: one each half hour.
	stormsADay = 48
	// virtualWarmUp is before the first of them, virtualCalm after the last.
	virtualWarmUp = 30 * time.Minute
	virtualCalm   = 2 * time.Hour
	// virtualSamples: a sample of a month's length each quarter of an hour.
	virtualSamples = 15 * time.Minute
	leastVirtual   = 4 * time.Hour
	mostVirtual    = 40 * 24 * time.Hour // as long as the auditor counts seconds
)

// virtual is a plan of so many days with a rate of trades a second in all, and
// so many faults a day.
func virtual(name, about string, days int, rate float64, faults int) template {
	return template{name: name, about: about + ": every trade, rotation and ping accounted for.", fill: func(plan *soak.Plan) {
		plan.Virtual = true
		plan.Symbols = []string{"BTCUSDT", "ETHUSDT", "BNBUSDT"}
		plan.Traffic = soak.Traffic{Rate: rate / float64(len(plan.Symbols))}
		if rate > 1 {
			plan.Traffic.Bunch = soak.Duration(time.Second)
		}
		plan.Fresh = soak.Duration(virtualFreshness)
		plan.Subject.TimeUnit = "microsecond"
		plan.Subject.Settings = map[string]string{
			"STREAMER_ROTATION_INTERVAL": "4h",
			"STREAMER_PING_INTERVAL":     "180s",
			// What costs is each request, not each virtual second: a heartbeat of
			// the group each 100 ms would be most of a month.
			"STREAMER_HEARTBEAT_INTERVAL": "10s",
			"STREAMER_SESSION_TIMEOUT":    "45s",
			"STREAMER_COMMIT_INTERVAL":    virtualCommit.String(),
			"STREAMER_PARTITIONS":         "1", // one transaction for all symbols
		}
		setLength(plan, time.Duration(days)*24*time.Hour, faults)
		plan.SampleEvery = soak.Duration(virtualSamples)
		plan.DrainWithin = soak.Duration(30 * time.Second)
		plan.Limits = virtualLimits()
	}}
}

// virtualCommit is longer than in production, for the same reason.
const virtualCommit = 4 * time.Second

// setLength makes the timetable of a virtual plan.
func setLength(plan *soak.Plan, length time.Duration, faultsADay int) {
	plan.Phases = []soak.Phase{
		{Name: soak.PhaseWarmUp, For: soak.Duration(virtualWarmUp)},
		{Name: soak.PhaseChaos, For: soak.Duration(length - virtualWarmUp - virtualCalm), Chaos: true, Injections: max(faultsADay*int(length/time.Hour)/24, 1)},
		{Name: soak.PhaseCalm, For: soak.Duration(virtualCalm)},
	}
	plan.Least = happens(plan, faultsADay)
}

// happens is how much must have happened in a virtual plan, less than its
// timetable has: a schedule of rotations begins again with each process, and
// what a process counted since the last sample goes with it when it is killed.
func happens(plan *soak.Plan, faultsADay int) map[string]float64 {
	days := plan.Length().Hours() / 24
	rotations := math.Floor(days)
	if faultsADay <= 4 {
		rotations = math.Floor(4 * days)
	}
	least := map[string]float64{"binance_reconnects_total": 1, "binance_trades_backfilled_total": 1}
	if rotations > 0 {
		least["binance_connection_rotations_total"] = rotations
		least["binance_trades_duplicate_total"] = rotations // two sessions bring the same
	}
	if days >= 7 {
		least["binance_pong_timeouts_total"] = 1
		least["streamer_fenced_total"] = 1
	}
	return least
}

// stretch gives a virtual plan another length, with as many faults a day.
func stretch(plan *soak.Plan, length time.Duration) error {
	switch {
	case length == 0:
		return nil
	case !plan.Virtual:
		return fmt.Errorf("plan %s is not in virtual time: its length is its own", plan.Name)
	case length < leastVirtual || length > mostVirtual:
		return fmt.Errorf("plan %s for %s: %s to %s are possible", plan.Name, length, leastVirtual, mostVirtual)
	}
	for _, phase := range plan.Phases {
		if phase.Chaos {
			setLength(plan, length, int(int64(phase.Injections)*int64(24*time.Hour)/int64(plan.Length())))
			break
		}
	}
	return nil
}

func virtualLimits() []soak.Limit {
	const inMemory = "in virtual time nothing takes time but what waits; the plans in real time judge it"
	return append(deliveryLimits(),
		atMost("memory.rss_limit", 400, "MB"), // of this process: the harness is in it
		atMost("memory.growth", 100, "MB"),
		reported("memory.score", "", "it is by the hour, and the hours here are virtual"),
		notClaimed("memory.trend", "memory is real and the hours are virtual: growth in all and per event is judged"),
		reported("memory.growth_per_event", "KiB", "the harness's own memory is in it"),
		atMost("goroutines", virtualGoroutines, "goroutines"), // of this process
		notClaimed("throughput", inMemory),
		atMost("freshness", virtualFreshness.Seconds(), "s"),
		atMost("freshness.drift", virtualFreshness.Seconds()/3, "s"), // medians wander with the commits
		atMost("catchup", 30, "s"),
		gate("pause"),
		gate("rotations"),
		gate("pings"),
		atMost("reconnects", 0, "sessions"),
		notClaimed("alerts.expected", "no Prometheus runs in virtual time"),
		notClaimed("alerts.unexpected", "no Prometheus runs in virtual time"),
		atLeast("uptime", 99.9, "%"),
		atLeast("validity.duration", 98, "%"),
		atLeast("validity.samples", 95, "%"),
		gate("validity.injections"),
		gate("validity.subject"),
		gate("validity.coverage"),
		gate("validity.host"),
	)
}

// virtualGoroutines may be more at the end than after warm-up: connections come
// and go, and each has some.
const virtualGoroutines = 20

// virtualFreshness is the commit interval of these plans and half a second.
const virtualFreshness = virtualCommit + 500*time.Millisecond
