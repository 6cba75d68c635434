package judge

import (
	"fmt"

	"steadfeed/soak"
)

// ended tells whether a session ended while there was traffic. The last ones
// end because the subject is asked to.
func ended(e *Evidence, s soak.Session) bool {
	return !s.Closed.IsZero() && (e.Ledger.Ended.IsZero() || s.Closed.Before(e.Ledger.Ended))
}

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
		case !ended(e, s):
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
		n := max(s.PingsSent-s.PongsGot-1, 0) + max(s.ClientPings-s.PongsSent-1, 0) + s.PongTimeouts
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
