package judge

import (
	"fmt"
	"math"
	"strings"
	"time"

	"steadfeed/soak"
)

const (
	// publisherLate is how late the exchange itself may be before the delays
	// that it adds make the subject's unfit to be judged.
	publisherLate = 0.25

	// restPerSecond is how fast a backlog can be fetched: half of the 6,000
	// weight a minute that Binance grants an address, at 25 weight for 1,000
	// trades, is 2,000 trades a second.
	restPerSecond = 2000
)

func freshness(e *Evidence, limit soak.Limit) measurement {
	var worst soak.PhaseLag
	var trades int64
	for _, p := range e.Ledger.Phases {
		trades += p.Trades
		if p.Trades > 0 && p.P99 >= worst.P99 {
			worst = p
		}
	}
	if trades == 0 {
		return measurement{unfit: true, why: "no trade became visible outside disturbance", evidence: soak.LedgerFile}
	}
	m := measurement{
		value: number(worst.P99),
		why: fmt.Sprintf("p99 in %s, the worst phase: median %s, p99 %s, longest %s of %s outside disturbance",
			worst.Phase, lag(worst.P50), lag(worst.P99), lag(worst.Max), count(worst.Trades)),
		evidence: soak.LedgerFile,
	}
	if late := e.Ledger.PublisherLateP99; late >= publisherLate && exceeds(worst.P99, limit) {
		m.unfit = true
		m.why += fmt.Sprintf("; but the exchange itself was late by %s (p99)", lag(late))
	}
	return m
}

// drift finds a delay that grows while each single one is still short: the
// median at the end against the median at the beginning.
func drift(e *Evidence, _ soak.Limit) measurement {
	before, okBefore := e.phase(soak.PhaseWarmUp)
	after, okAfter := e.phase(soak.PhaseCalm)
	if !okBefore || !okAfter {
		return measurement{unfit: true, why: "it needs trades outside disturbance in warm-up and in calm", evidence: soak.LedgerFile}
	}
	grew := after.P50 - before.P50
	m := measurement{
		value:    number(grew),
		why:      fmt.Sprintf("median lag %s in warm-up, %s in calm", lag(before.P50), lag(after.P50)),
		evidence: soak.LedgerFile,
	}
	if apart := apart(e.Plan, soak.PhaseWarmUp, soak.PhaseCalm).Seconds(); apart > 0 {
		m.why += fmt.Sprintf(": %+.2f ms per second over %s", grew*1000/apart, span(apart))
	}
	return m
}

// apart is the time between the middles of two phases by the plan.
func apart(plan soak.Plan, from, to string) time.Duration {
	middles := map[string]time.Duration{}
	var begins time.Duration
	for _, p := range plan.Phases {
		if _, twice := middles[p.Name]; !twice {
			middles[p.Name] = begins + p.For.D()/2
		}
		begins += p.For.D()
	}
	return middles[to] - middles[from]
}

// catchUp is the window that took longest, not counting the time that its
// backlog takes to fetch.
func catchUp(e *Evidence, limit soak.Limit) measurement {
	m := measurement{evidence: soak.LedgerFile}
	if len(e.Ledger.Windows) == 0 {
		m.unfit, m.why = true, "there was no injection to catch up after"
		return m
	}
	unknown := 0
	for _, w := range e.Ledger.Windows {
		fetching := float64(w.Backlog) / restPerSecond
		in, _ := e.injection(w.Injection)
		grace := in.Disturbance.Grace.D().Seconds()
		took := max(w.CatchUp-fetching-grace, 0)
		if !w.CaughtUp && !exceeds(took, limit) {
			unknown++ // cut short before its time was up
			continue
		}
		if m.value != nil && took <= *m.value {
			continue
		}
		state := "trades were fresh again"
		if !w.CaughtUp {
			state = "trades were still not fresh"
		}
		m.value = number(took)
		m.why = fmt.Sprintf("%s: %s %s after its end, allowing %s to fetch a backlog of %s",
			w.Injection, state, span(w.CatchUp), span(fetching), count(w.Backlog))
		if grace > 0 {
			m.why += fmt.Sprintf(", and %s before it could begin", span(grace))
		}
	}
	if unknown > 0 {
		m.unfit = m.value == nil || !exceeds(*m.value, limit)
		m.why = strings.TrimPrefix(fmt.Sprintf("%s; after %d of %d injections trades were not seen fresh again",
			m.why, unknown, len(e.Ledger.Windows)), "; ")
	}
	return m
}

func exceeds(v float64, limit soak.Limit) bool { return limit.Max != nil && v > *limit.Max }

// overrun is by how many seconds an injection may last longer than planned
// without anybody being owed more time.
const overrun = 1

// pause is the window that came closest to the pause that it declared, or went
// furthest beyond.
func pause(e *Evidence, _ soak.Limit) measurement {
	m := measurement{evidence: soak.LedgerFile}
	if len(e.Ledger.Windows) == 0 {
		m.unfit, m.why = true, "there was no injection to pause for"
		return m
	}
	worst := math.Inf(-1)
	for _, w := range e.Ledger.Windows {
		var declared float64 // an injection that the plan does not know may cause nothing
		if in, known := e.injection(w.Injection); known {
			declared = in.Disturbance.Pause.D().Seconds()
			// What lasted longer than planned, because a broker is slow to start or
			// a machine is busy, may have its effects as much longer.
			if over := in.Ended.Sub(in.Began).Seconds() - in.For.D().Seconds(); over > overrun {
				declared += over
			}
		}
		beyond := w.LongestPause - declared
		if beyond <= worst {
			continue
		}
		worst = beyond
		m.value, m.missed = number(w.LongestPause), beyond > 0
		m.why = fmt.Sprintf("%s: a due trade stayed invisible for %s, declared %s", w.Injection, span(w.LongestPause), span(declared))
	}
	return m
}

func uptime(e *Evidence, _ soak.Limit) measurement {
	u := e.Ledger.Uptime
	counted := u.Seconds - u.Disturbed
	if e.published() == 0 {
		return measurement{unfit: true, why: nothingPublished, evidence: soak.LedgerFile}
	}
	if counted <= 0 {
		return measurement{unfit: true, why: "no second was outside disturbance", evidence: soak.LedgerFile}
	}
	return measurement{
		value: number(100 * float64(counted-u.Bad) / float64(counted)),
		why: fmt.Sprintf("%s bad of %s s outside disturbance (%s s were disturbed)",
			group(u.Bad), group(counted), group(u.Disturbed)),
		evidence: soak.LedgerFile,
	}
}
