package streamer

import (
	"context"
	"log/slog"
	"reflect"
	"testing"
	"testing/synctest"
	"time"

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
	q, err := newQuarantine(&c, kafka.Connection{Brokers: c.KafkaBrokers, Dial: c.Dial, Log: c.Log}, m)
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

// What the exchange sends and is no trade is in the quarantine topic as it
// came, with its reason, also when the streamer ends right after.
func TestRejectedFramesAreKept(t *testing.T) {
	const zeroPrice = `{"stream":"btcusdt@trade","data":{"e":"trade","E":1790649901913123,"s":"BTCUSDT","t":7,"p":"0.00000000","q":"1.00000000","T":1790649901912456,"m":true,"M":true}}`
	frames := []string{"what", zeroPrice}
	synctest.Test(t, func(t *testing.T) {
		r := world(t, options{})
		r.odd(frames...)
		r.startStreamer()
		r.waitFor("rejecting", time.Minute, func() bool { return r.metric("streamer_frames_total{kind=\"rejected\"}") >= 2 })
		close(r.stop)
		if err := <-r.done; err != nil {
			t.Errorf("Run = %v; the log:\n%s", err, r.log)
		}
		var kept []string
		_, err := kafka.Connection{Brokers: []string{brokerAddr}, Dial: r.net.Dial, Log: r.config.Log}.Read(context.Background(), "market.crypto.trades.binance.quarantine", time.Time{},
			func(_, value []byte) error {
				kept = append(kept, string(value))
				return nil
			})
		if err != nil || len(kept) < 2 || !reflect.DeepEqual(kept[:2], frames) {
			t.Errorf("kept %q, %v; want %q", kept, err, frames)
		}
		r.close()
	})
}
