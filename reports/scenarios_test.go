package reports

import (
	"time"

	"steadfeed/soak"
)

// newFailing is a run in which two trades were lost and one was altered, and
// one injection had no proof.
func newFailing() *synthetic {
	s := newSynthetic(220*time.Second, 5*time.Second, 5)
	a, b := &s.ledger.Accounts[0], &s.ledger.Accounts[1]
	a.Delivered, a.Lost = a.Delivered-2, 2
	b.Altered = 1
	s.ledger.Findings = []soak.Finding{
		{Guarantee: soak.Complete, Symbol: "BTCUSDT", FirstID: a.FirstID + 4711, LastID: a.FirstID + 4712, During: "2-stall", Why: "published at 09:27:40.123Z on session 2, never in the topic"},
		{Guarantee: soak.Faithful, Symbol: "ETHUSDT", FirstID: b.FirstID + 99, LastID: b.FirstID + 99, Why: "price is 3412.17000001, published was 3412.17000000"},
	}
	for _, f := range s.ledger.Findings {
		s.events = append(s.events, soak.Event{At: s.began.Add(100 * time.Second), Kind: soak.EventFinding, Name: string(f.Guarantee), Text: f.Why})
	}
	v := &s.verdict
	v.Outcome, v.Why = soak.Fail, "2 trades were lost and 1 was altered: BTCUSDT 4100004711 to 4100004712 during 2-stall, ETHUSDT 4101000099."
	v.Delivery.Delivered -= 2
	v.Delivery.Lost, v.Delivery.Altered = 2, 1
	v.Findings = s.ledger.Findings
	for i := range v.Checks {
		switch c := &v.Checks[i]; c.ID {
		case "delivery.complete":
			c.Outcome, c.Observed, c.Why = soak.Fail, ptr(2), "2 trades lost: BTCUSDT 4100004711 to 4100004712 (published at 09:27:40.123Z on session 2, never in the topic; during 2-stall)"
		case "delivery.faithful":
			c.Outcome, c.Observed, c.Why = soak.Fail, ptr(1), "1 trade altered: ETHUSDT 4101000099 (price is 3412.17000001, published was 3412.17000000)"
		case "validity.injections":
			c.Outcome, c.Observed, c.Why = soak.Inconclusive, ptr(4), "3-slow-frames: no proof that it took effect"
		}
	}
	unproven := &s.plan.Injections[2]
	unproven.Proven, unproven.Evidence, unproven.Err = false, "no frame was seen to be delayed", "control connection timed out"
	w := &s.ledger.Windows[1]
	w.LongestPause, w.CaughtUp = 31.2, false
	s.ledger.Sessions[3].During, s.ledger.Sessions[3].EndedBy, s.ledger.Sessions[3].Reason = "", "error", "read: connection reset by peer"
	return s
}
