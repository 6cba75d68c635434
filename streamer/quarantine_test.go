package streamer

import (
	"log/slog"
	"testing"

	"steadfeed/streamer/internal/kafka"
)

func TestTopicsBeside(t *testing.T) {
	f := func(topic, want string) {
		t.Helper()
		c := DefaultConfig()
		c.Topic = topic
		if got := c.besideTopic(quarantineSuffix); got != want {
			t.Errorf("beside %s: %s, want %s", topic, got, want)
		}
	}
	f("market.trades", "market.trades.quarantine")
	f("trades.{symbol}", "trades.quarantine")
	f("trades.{symbol}.v2", "trades.v2.quarantine")
	f("{symbol}-trades", "trades.quarantine")
	f("{symbol}", "quarantine")
}

// The figures of the quarantine are among the streamer's.
func TestQuarantineFigures(t *testing.T) {
	c := DefaultConfig()
	c.Log = slog.New(slog.DiscardHandler)
	m := newMetrics()
	q, err := newQuarantine(&c, kafka.Security{}, m)
	if err != nil {
		t.Fatal(err)
	}
	defer q.Close(t.Context())
	families, err := m.registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	found := 0
	for _, family := range families {
		if name := family.GetName(); name == "streamer_quarantined_total" || name == "streamer_quarantine_not_kept_total" {
			found++
		}
	}
	if found != 2 {
		t.Errorf("%d of 2 figures", found)
	}
}
