package judge

import (
	"fmt"
	"slices"
	"time"

	"steadfeed/soak"
)

// reconnects counts the ends of sessions that no injection accounts for.
func reconnects(e *Evidence, _ soak.Limit) measurement {
	m := measurement{evidence: soak.LedgerFile}
	if len(e.Ledger.Sessions) == 0 {
		m.unfit, m.why = true, "the subject never opened a session"
		return m
	}
	var excess, expected int
	within := map[string]int{}
	for _, s := range e.Ledger.Sessions {
		switch {
		case !e.Ledger.Reconnected(s):
		case s.During == "":
			excess++
			if m.why == "" {
				m.why = fmt.Sprintf("session %d ended at %s outside any injection (by %s: %s)", s.N, clock(s.Closed), s.EndedBy, s.Reason)
			}
		default:
			within[s.During]++
		}
	}
	for _, in := range e.Plan.Injections {
		n := within[in.Name]
		delete(within, in.Name)
		expected += min(n, in.Disturbance.Reconnects)
		if beyond := n - in.Disturbance.Reconnects; beyond > 0 {
			excess += beyond
			if m.why == "" {
				m.why = fmt.Sprintf("%d sessions ended during %s, which declares %d", n, in.Name, in.Disturbance.Reconnects)
			}
		}
	}
	for _, n := range within { // an injection that the plan does not know excuses nothing
		excess += n
	}
	if excess == 0 {
		m.why = fmt.Sprintf("%d sessions ended, all within what the injections declare", expected)
		if n := e.Ledger.SessionsOmitted; n > 0 {
			m.unfit = true
			m.why += fmt.Sprintf("; %s older ones are not in the ledger", group(n))
		}
	}
	m.value = number(excess)
	return m
}

// exchangePing is how often the exchange pings a session.
const exchangePing = 20 * time.Second

// holdBack are the faults that keep pings or pongs from arriving in time.
var holdBack = []string{
	"slow-bytes", "slow-frames", "byte-by-byte", "stall", "half-open", "silent", "no-pong", "wrong-pong",
	"freeze", "cut-off", "cpu-squeeze", "memory-squeeze",
}

// pingAlot are the faults that send more pings than anybody need answer.
var pingAlot = []string{"ping-storm", "ping-flood"}

// lateAnswers is how many pings of a session may stay unanswered because an
// injection that it lived through held them back: of pings that arrive
// together only the newest need be answered (RFC 6455, 5.5.3).
func lateAnswers(e *Evidence, s soak.Session) (n int64) {
	for _, in := range e.Plan.Injections {
		from, to := in.Began, in.Ended.Add(in.Disturbance.Settle.D())
		if from.Before(s.Opened) {
			from = s.Opened
		}
		if to.After(s.Closed) {
			to = s.Closed
		}
		switch {
		case !from.Before(to):
		case slices.Contains(pingAlot, in.Fault):
			return s.PingsSent
		case slices.Contains(holdBack, in.Fault):
			n += int64(to.Sub(from)/exchangePing) + 1
		}
	}
	return n
}

// pings counts what was left unanswered in sessions that no injection ended.
// The last ping of a session may still be on its way when it ends.
func pings(e *Evidence, _ soak.Limit) measurement {
	m := measurement{evidence: soak.LedgerFile}
	var unanswered, server, client int64
	for _, s := range e.Ledger.Sessions {
		if s.Closed.IsZero() {
			continue // its counts are those of when it opened
		}
		server += s.PongsGot
		client += s.PongsSent
		if s.During != "" {
			continue
		}
		late := lateAnswers(e, s)
		n := max(s.PingsSent-s.PongsGot-1-late, 0) + max(s.ClientPings-s.PongsSent-1-late, 0) + s.PongTimeouts
		if n > 0 && m.why == "" {
			m.why = fmt.Sprintf("session %d: %d of %d server pings answered, %d of %d client pings, %d pong timeouts",
				s.N, s.PongsGot, s.PingsSent, s.PongsSent, s.ClientPings, s.PongTimeouts)
		}
		unanswered += n
	}
	m.value, m.missed = number(unanswered), unanswered > 0
	switch {
	case unanswered > 0:
	case server == 0:
		m.unfit, m.why = true, "no session lived long enough to be pinged"
	default:
		m.why = fmt.Sprintf("%s server pings and %s client pings answered", group(server), group(client))
	}
	return m
}
