package reports

import (
	"strings"
	"testing"
	"time"

	"steadfeed/soak"
)

// The page of an audit says nothing of subjects, injections and publishers,
// which it did not have, and how to repeat it.
func TestPageOfAnAudit(t *testing.T) {
	s := newSynthetic(20*time.Second, time.Second, 0)
	s.plan.Topic = &soak.Topic{Name: "trades.of.ours", Brokers: []string{"kafka:9092"}, Format: "auto", Fields: map[string]string{"id": "data.t"}, Sample: 7, REST: "https://api.binance.com"}
	s.ledger.Source, s.ledger.Sessions, s.ledger.Windows = "topic trades.of.ours", nil, nil
	s.ledger.Reading = &soak.Reading{Records: 12345, Partitions: make([]soak.PartitionReading, 6), HolesAsked: 1, HolesUnasked: 1, Sampled: 7, Compared: 5}
	page := string(pageOf(t, s.write(t)))
	for _, want := range []string{
		"trades.of.ours", "12,345 records in 6 partitions", "1 of 2 holes, 5 of 7 trades", "Memory of the auditor over time",
		"bin/soak audit -seed 7 -brokers kafka:9092 -topic trades.of.ours -format auto -id-field data.t -rest-url https://api.binance.com -sample 7",
		"a sample is compared with the exchange",
	} {
		if !strings.Contains(page, want) {
			t.Errorf("the page lacks %q", want)
		}
	}
	for _, not := range []string{"trades by the exchange", "published late", "Memory of the subject", "bin/soak run -seed"} {
		if strings.Contains(page, not) {
			t.Errorf("the page says %q", not)
		}
	}
}
