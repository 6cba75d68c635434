package judge

import (
	"strings"
	"testing"

	"steadfeed/soak"
)

// An audit of a topic passes on what it read and asked; whatever was left out
// of either keeps it from passing, and a broken promise fails it all the same.
func TestAuditIsJudgedByWhatItRead(t *testing.T) {
	none := 0.0
	f := func(name string, change func(*Evidence), outcome soak.Outcome, why string) {
		t.Helper()
		e := Evidence{Plan: soak.Plan{Name: "audit", Topic: &soak.Topic{Name: "trades", REST: "https://example.test"}, Limits: []soak.Limit{
			{ID: "delivery.complete", Role: soak.Gate, Max: &none}, {ID: "delivery.unique", Role: soak.Gate, Max: &none},
			{ID: "delivery.ordered", Role: soak.Gate, Max: &none}, {ID: "delivery.faithful", Role: soak.Gate, Max: &none},
			{ID: "validity.topic", Role: soak.Gate}, {ID: "validity.exchange", Role: soak.Gate},
		}}}
		e.Ledger.Accounts = []soak.Account{{Symbol: "BTCUSDT", FirstID: 1, LastID: 5000, Published: 5000, Delivered: 5000}}
		e.Ledger.Reading = &soak.Reading{Records: 5000, Sampled: 100, Compared: 100, Fields: []string{"price"},
			Partitions: []soak.PartitionReading{{From: 0, Next: 5000, End: 5000}}}
		change(&e)
		if err := Validate(e.Plan); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		v := Judge(e)
		said := v.Why
		for _, c := range v.Checks {
			said += "; " + c.Why
		}
		if v.Outcome != outcome || !strings.Contains(said, why) {
			t.Errorf("%s: %s: %s, want %s with %q", name, v.Outcome, said, outcome, why)
		}
	}
	f("good", func(*Evidence) {}, soak.Pass, "the ids of all 5,000 trades of 1 symbol are consecutive, unique and in order; 100 of them are as the exchange has them (price)")
	f("lost", func(e *Evidence) { e.Ledger.Accounts[0].Lost = 1 }, soak.Fail, "1 trade lost")
	f("altered", func(e *Evidence) { e.Ledger.Accounts[0].Altered = 1 }, soak.Fail, "1 trade altered")
	f("lost, nobody asked", func(e *Evidence) { e.Ledger.Accounts[0].Lost, e.Ledger.Reading.HolesUnasked = 1, 1 }, soak.Fail, "1 trade lost")
	f("not read to the end", func(e *Evidence) { e.Ledger.Reading.Unfinished = "partition 0 was read to offset 7 of 9" }, soak.Inconclusive, "7 of 9")
	f("nothing read", func(e *Evidence) { e.Ledger = soak.Ledger{} }, soak.Inconclusive, "no topic was read")
	f("an empty topic", func(e *Evidence) { e.Ledger.Accounts = nil }, soak.Inconclusive, "nothing could be audited")
	f("no trades in it", func(e *Evidence) { e.Ledger.Reading.Unreadable = 3 }, soak.Inconclusive, "3 of 5,000 records are no trades")
	f("mixed, as known", func(e *Evidence) { e.Ledger.Reading.Unreadable, e.Plan.Topic.AllowUnreadable = 3, true }, soak.Pass, "which was allowed")
	f("too many symbols", func(e *Evidence) { e.Ledger.Reading.Unwatched = 3 }, soak.Inconclusive, "more symbols")
	f("forgotten holes", func(e *Evidence) { e.Ledger.Reading.HolesForgotten = 3 }, soak.Inconclusive, "3 holes")
	f("sample not compared", func(e *Evidence) { e.Ledger.Reading.Compared, e.Ledger.Reading.Trouble = 7, "banned" }, soak.Inconclusive, "banned")
	f("nothing compared", func(e *Evidence) { e.Ledger.Reading.Compared = 0 }, soak.Inconclusive, "no trade could be compared")
	f("trouble", func(e *Evidence) { e.Trouble, e.Ledger.Accounts[0].Lost = "Kafka is gone", 1 }, soak.Inconclusive, "Kafka is gone")
}
