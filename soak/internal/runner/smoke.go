package runner

import (
	"time"

	"steadfeed/soak"
)

// smoke is the plan of `make soak` and of every change: under four minutes,
// all three kinds of fault, and every trade accounted for. What four minutes
// cannot say it does not claim.
var smoke = template{
	name:  "smoke",
	about: "Under four minutes: every trade accounted for through drops, slow frames and ping timeouts.",
	fill: func(plan *soak.Plan) {
		plan.Symbols = []string{"BTCUSDT", "ETHUSDT", "BNBUSDT"}
		plan.Traffic = soak.Traffic{Rate: 50} // three times a usual day on the exchange
		plan.Subject.Settings = map[string]string{
			// As fast as the streamer allows, so that a ping timeout fits into
			// minutes. Real times are in its defaults.
			"STREAMER_PING_INTERVAL":   "30s",
			"STREAMER_PONG_TIMEOUT":    "5s",
			"STREAMER_STALE_TIMEOUT":   "30s",
			"STREAMER_COMMIT_INTERVAL": "50ms",
			"STREAMER_DRAIN_TIMEOUT":   "30s",
			"STREAMER_LOG_FORMAT":      "json",
		}
		plan.Subject.TimeUnit = "microsecond"
		plan.Phases = []soak.Phase{
			{Name: soak.PhaseWarmUp, For: soak.Duration(25 * time.Second)},
			{Name: soak.PhaseChaos, For: soak.Duration(150 * time.Second), Chaos: true},
			{Name: soak.PhaseCalm, For: soak.Duration(45 * time.Second)},
		}
		plan.SampleEvery = soak.Duration(time.Second)
		plan.DrainWithin = soak.Duration(30 * time.Second)
		plan.Limits = smokeLimits()
	},
}

func smokeLimits() []soak.Limit {
	const long = "the plans of 12 and 24 hours judge it"
	return append(deliveryLimits(),
		atMost("memory.rss_limit", 400, "MB"),
		reported("memory.growth", "MB", "four minutes from a cold start cannot tell growth from warming up"),
		reported("memory.score", "", "the score needs hours to mean anything; it is printed for dashboards"),
		notClaimed("memory.trend", "four minutes show no trend at any rate of leak; "+long),
		reported("memory.growth_per_event", "KiB", "a handful of reconnects in four minutes is too few to hold it to 256 KiB; the plan of 1 hour gates it"),
		atLeast("throughput", 10, "trades/s"),
		atMost("freshness", 1, "s"),
		atMost("freshness.drift", 0.25, "s"),
		atMost("catchup", 30, "s"),
		gate("pause"),
		notClaimed("rotations", "none is due within four minutes; the plan of 12 hours has some"),
		gate("pings"),
		atMost("reconnects", 0, "sessions"),
		notClaimed("alerts.expected", "no Prometheus runs in this plan; the plans with containers have one"),
		notClaimed("alerts.unexpected", "no Prometheus runs in this plan; the plans with containers have one"),
		atLeast("uptime", 100, "%"),
		atLeast("validity.duration", 98, "%"),
		atLeast("validity.samples", 95, "%"),
		gate("validity.injections"),
		gate("validity.subject"),
		gate("validity.host"),
	)
}

// deliveryLimits are the same in every plan: nothing may be missing, repeated,
// out of order or changed.
func deliveryLimits() []soak.Limit {
	return []soak.Limit{
		atMost("delivery.complete", 0, "trades"),
		atMost("delivery.unique", 0, "trades"),
		atMost("delivery.ordered", 0, "trades"),
		atMost("delivery.faithful", 0, "trades"),
	}
}

func atMost(id string, most float64, unit string) soak.Limit {
	return soak.Limit{ID: id, Role: soak.Gate, Max: &most, Unit: unit}
}

func atLeast(id string, least float64, unit string) soak.Limit {
	return soak.Limit{ID: id, Role: soak.Gate, Min: &least, Unit: unit}
}

// gate is a limit whose figures are elsewhere in the plan, such as the pause
// that each injection declares.
func gate(id string) soak.Limit { return soak.Limit{ID: id, Role: soak.Gate} }

func reported(id, unit, why string) soak.Limit {
	return soak.Limit{ID: id, Role: soak.Report, Unit: unit, Why: why}
}

func notClaimed(id, why string) soak.Limit {
	return soak.Limit{ID: id, Role: soak.NotClaimed, Why: why}
}
