package rounds

import (
	"fmt"
	"slices"

	"steadfeed/soak"
	"steadfeed/soak/internal/judge"
)

// topicPartitions is what subjects make of a topic that does not exist.
const topicPartitions = 6

// MaxSymbols bounds the symbols of a test: what one session carries.
const MaxSymbols = 1024

// names are symbols of the exchange, the busiest first.
var names = []string{
	"BTCUSDT", "ETHUSDT", "SOLUSDT", "XRPUSDT", "BNBUSDT", "DOGEUSDT", "ADAUSDT", "TRXUSDT", "LINKUSDT", "AVAXUSDT",
	"SUIUSDT", "LTCUSDT", "DOTUSDT", "UNIUSDT", "NEARUSDT", "APTUSDT", "AAVEUSDT", "FILUSDT", "ATOMUSDT", "ARBUSDT",
}

// symbols are n of them; beyond the known ones they are made up.
func symbols(n int) []string {
	out := make([]string, n)
	for i := range out {
		if i < len(names) {
			out[i] = names[i]
		} else {
			out[i] = fmt.Sprintf("S%03dUSDT", i)
		}
	}
	return out
}

// draft is the plan before anything happened. Its injections are the rounds as
// they were played, so they come at the end.
func draft(options Options) soak.Plan {
	subject := options.Subject
	subject.Settings = map[string]string{
		"STREAMER_DELIVERY":           "exactly-once",
		"STREAMER_COMMIT_INTERVAL":    "50ms",
		"STREAMER_SESSION_TIMEOUT":    sessionTimeout.String(),
		"STREAMER_HEARTBEAT_INTERVAL": "100ms",
		"STREAMER_DRAIN_TIMEOUT":      "30s",
		"STREAMER_LOG_FORMAT":         "json",
	}
	subject.TimeUnit = "microsecond"
	plan := soak.Plan{
		Name:    soak.RoundsPlan,
		About:   "The same trouble again and again: exactly once through the end of processes and brokers.",
		Seed:    options.Seed,
		Symbols: symbols(options.Symbols),
		Traffic: soak.Traffic{Rate: options.Rate / float64(options.Symbols)},
		Subject: subject, Injections: []soak.Injection{}, Limits: limits(slices.Contains(options.Kinds, quiet.name)),
	}
	if options.Deploying != nil {
		plan.Name, plan.About = soak.DeployPlan, "Deployments under traffic, kept and taken back: exactly once, and no pause that anybody notices."
	}
	return plan
}

// limits: what rounds can tell decides; what needs a steady subject is left to
// the plans of a soak run. How fresh trades are is judged where there is a time
// without trouble.
func limits(quiet bool) []soak.Limit {
	most := func(id string, max float64, unit string) soak.Limit {
		return soak.Limit{ID: id, Role: soak.Gate, Max: &max, Unit: unit}
	}
	gate := func(id string) soak.Limit { return soak.Limit{ID: id, Role: soak.Gate} }
	not := func(id, why string) soak.Limit { return soak.Limit{ID: id, Role: soak.NotClaimed, Why: why} }
	const (
		comes  = "subjects come and go; a soak run has one that stays"
		alerts = "no Prometheus runs beside these rounds"
		length = "rounds end when all is well again, not after a time"
	)
	fresh := not("freshness", "there is no time without trouble")
	if quiet {
		fresh = most("freshness", 1, "s")
	}
	return []soak.Limit{
		most("delivery.complete", 0, "trades"),
		most("delivery.unique", 0, "trades"),
		most("delivery.ordered", 0, "trades"),
		most("delivery.faithful", 0, "trades"),
		not("memory.rss_limit", comes),
		not("memory.growth", comes),
		not("memory.score", comes),
		not("memory.trend", comes),
		not("memory.growth_per_event", comes),
		{ID: "throughput", Role: soak.Report, Why: "the rate is the exchange's"},
		fresh,
		not("freshness.drift", comes),
		{ID: "catchup", Role: soak.Report, Why: "a round is over when everything is visible"},
		gate("pause"),
		not("rotations", comes),
		not("pings", comes),
		not("reconnects", "sessions end with their subjects"),
		not("alerts.expected", alerts),
		not("alerts.unexpected", alerts),
		not("uptime", "most of the time is disturbed"),
		not("validity.duration", length),
		not("validity.samples", comes),
		gate("validity.injections"),
		gate("validity.subject"),
		gate("validity.host"),
	}
}

// Validate says all that keeps the plan of a test of rounds from being judged.
func Validate(plan soak.Plan) error { return judge.Validate(plan) }
