package streamer

import (
	"context"
	"encoding/json"
	"log/slog"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"steadfeed/streamer/internal/binance"
	"steadfeed/streamer/internal/kafka"
)

// Topics beside the one that trades go to, by what follows its name.
const (
	quarantineSuffix = ".quarantine"
	snapshotsSuffix  = ".snapshots" // where to resume, by partition
	repairedSuffix   = ".repaired"
)

// besideTopic is the name of a topic that belongs to the configured one: one
// for all symbols, also where each has a topic of its own. The placeholder is
// left out, and the separators around it with it, so that trades.{symbol} has
// trades.quarantine, and trades.{symbol}.v2 has trades.v2.quarantine.
func (c *Config) besideTopic(suffix string) string {
	before, after, found := strings.Cut(c.Topic, symbolPlaceholder)
	if !found {
		return c.Topic + suffix
	}
	const separators = ".-_"
	name := strings.Trim(strings.TrimRight(before, separators)+"."+strings.TrimLeft(after, separators), separators)
	return strings.TrimLeft(name+suffix, separators)
}

// templated tells whether each symbol has a topic of its own.
func (c *Config) templated() bool { return strings.Contains(c.Topic, symbolPlaceholder) }

// quarantineTimeout is how long the end of a streamer waits for what is on its
// way to quarantine.
const quarantineTimeout = 5 * time.Second

// closeQuarantine waits for what is on its way; when ctx has ended, not at all.
func closeQuarantine(ctx context.Context, q *kafka.Quarantine, log *slog.Logger) {
	ctx, cancel := context.WithTimeout(ctx, quarantineTimeout)
	defer cancel()
	if err := q.Close(ctx); err != nil {
		log.Warn(err.Error())
	}
}

// rejectFrame takes a frame that was not taken for a trade: a sample for
// /status, and all of it to quarantine.
func rejectFrame(s *status, q *kafka.Quarantine) func(why string, frame []byte) {
	return func(why string, frame []byte) {
		s.reject(why, frame)
		q.Put(kafka.Rejected{Reason: why, Source: kafka.FromStream, Raw: frame, At: time.Now()})
	}
}

// rejectRow takes a row of the history that is no trade.
func rejectRow(q *kafka.Quarantine) func(why string, row []byte) {
	return func(why string, row []byte) {
		q.Put(kafka.Rejected{Reason: why, Source: kafka.FromHistory, Raw: row, At: time.Now()})
	}
}

// rejectTrade takes a trade for which the registry takes no schema.
func rejectTrade(q *kafka.Quarantine, t *binance.Trade, why error) {
	raw, err := json.Marshal(t)
	if err != nil { // a trade is numbers and a symbol
		raw = []byte(err.Error())
	}
	q.Put(kafka.Rejected{Reason: why.Error(), Source: kafka.FromRecord, Symbol: t.Symbol, ID: t.ID, Raw: raw, At: time.Now()})
}

// newQuarantine returns the quarantine of c, with its figures in m.
func newQuarantine(c *Config, connection kafka.Connection, m *metrics) (*kafka.Quarantine, error) {
	q, err := kafka.NewQuarantine(kafka.QuarantineOptions{Connection: connection, Topic: c.besideTopic(quarantineSuffix), Replication: c.ReplicationFactor})
	if err != nil {
		return nil, err
	}
	m.registry.MustRegister(
		prometheus.NewCounterFunc(prometheus.CounterOpts{Name: "streamer_quarantined_total", Help: "Frames, rows and trades written to the quarantine topic."},
			func() float64 { return float64(q.Written()) }),
		prometheus.NewCounterFunc(prometheus.CounterOpts{Name: "streamer_quarantine_not_kept_total", Help: "Those that did not fit into the quarantine's bounds or could not be written."},
			func() float64 { return float64(q.NotKept()) }),
	)
	return q, nil
}
