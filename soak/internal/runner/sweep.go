package runner

import (
	"time"

	"steadfeed/soak"
	"steadfeed/soak/internal/fault"
)

// sweep is the scenario of a crash sweep: two minutes with a rotation by the
// schedule, one at the exchange's wish, a session that is cut, a hole that is
// fetched, a restart, and a hand-over to a second process. It is run once for
// each write of the subject and each kind of trap, so every write counts: commits
// and heartbeats are as rare as they can be.
var sweep = template{
	name:  "sweep",
	about: "Two minutes in virtual time, for soak sweep: rotation, cut, backfill, restart, hand-over.",
	fill: func(plan *soak.Plan) {
		plan.Virtual = true
		plan.Symbols = []string{"BTCUSDT", "ETHUSDT", "BNBUSDT"}
		plan.Traffic = soak.Traffic{Rate: 3}
		plan.Subject.TimeUnit = "microsecond"
		plan.Subject.Settings = map[string]string{
			"STREAMER_ROTATION_INTERVAL":  "25s",
			"STREAMER_COMMIT_INTERVAL":    "500ms",
			"STREAMER_HEARTBEAT_INTERVAL": "3s",
			"STREAMER_SESSION_TIMEOUT":    "10s",
			"STREAMER_PARTITIONS":         "2",
		}
		plan.Phases = []soak.Phase{
			{Name: soak.PhaseWarmUp, For: soak.Duration(15 * time.Second)},
			{Name: soak.PhaseChaos, For: soak.Duration(80 * time.Second), Chaos: true},
			{Name: soak.PhaseCalm, For: soak.Duration(25 * time.Second)},
		}
		plan.SampleEvery = soak.Duration(15 * time.Second)
		// What a trap delays must be over: an answer that nobody waits for any
		// more, a session of the group, and then what was missed.
		plan.DrainWithin = soak.Duration(3 * time.Minute)
		plan.Limits = sweepLimits()
	},
	place: func(plan soak.Plan) (all []soak.Injection, err error) {
		for _, p := range []struct {
			fault string
			at    time.Duration
			lasts time.Duration // 0: as the fault has it
		}{
			{"server-shutdown", 20 * time.Second, 0},
			{"reset", 42 * time.Second, 0},
			{"kill", 56 * time.Second, 0},
			{"hand-over", 78 * time.Second, 8 * time.Second},
		} {
			in, err := fault.At(plan, p.fault, p.at)
			if err != nil {
				return nil, err
			}
			if p.lasts > 0 {
				in.For = soak.Duration(p.lasts)
			}
			all = append(all, in)
		}
		return all, nil
	},
}

// sweepLimits: what is judged is the topic, and that somebody went on.
func sweepLimits() []soak.Limit {
	const trapped = "a trap causes what no injection declares"
	limits := append(deliveryLimits(),
		atLeast("validity.duration", 98, "%"),
	)
	for _, id := range []string{"memory.growth", "memory.trend", "memory.growth_per_event", "memory.rss_limit", "memory.score",
		"throughput", "freshness", "freshness.drift", "catchup", "pause", "rotations", "pings", "reconnects",
		"alerts.expected", "alerts.unexpected", "uptime", "validity.samples", "validity.injections", "validity.subject", "validity.host"} {
		limits = append(limits, notClaimed(id, trapped))
	}
	return limits
}
