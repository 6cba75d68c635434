package streamer

import (
	"regexp"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"

	"steadfeed/streamer/internal/binance"
	"steadfeed/streamer/internal/kafka"
	"steadfeed/streamer/internal/record"
)

// metrics are the figures of the pipeline; those of the sessions are in
// package binance. Counters that would cost an atomic operation a trade are
// brought up to date once a batch.
type metrics struct {
	registry *prometheus.Registry
	binance  *binance.Metrics

	received   *prometheus.CounterVec
	gaps       *prometheus.CounterVec
	backfilled *prometheus.CounterVec
	lost       *prometheus.CounterVec
	duplicate  *prometheus.CounterVec

	lastTrade prometheus.Gauge
	lag       prometheus.Histogram
	tlsVerify prometheus.Gauge
	hung      prometheus.Gauge
	halted    *prometheus.GaugeVec
	fenced    prometheus.Counter

	frameKinds    *prometheus.CounterVec
	tradeOutcomes *prometheus.CounterVec

	produced  prometheus.Counter
	failed    prometheus.Counter
	retried   prometheus.Counter
	duration  prometheus.Histogram
	evictions prometheus.Counter
}

// laneMetrics are one symbol's figures, looked up once.
type laneMetrics struct {
	received, gaps, backfilled, lost, duplicate prometheus.Counter
	halted                                      prometheus.Gauge
}

func newMetrics() *metrics {
	r := prometheus.NewRegistry()
	counter := func(name, help string) prometheus.Counter {
		c := prometheus.NewCounter(prometheus.CounterOpts{Name: name, Help: help})
		r.MustRegister(c)
		return c
	}
	counters := func(name, help string, labels ...string) *prometheus.CounterVec {
		c := prometheus.NewCounterVec(prometheus.CounterOpts{Name: name, Help: help}, labels)
		r.MustRegister(c)
		return c
	}
	gauge := func(name, help string) prometheus.Gauge {
		g := prometheus.NewGauge(prometheus.GaugeOpts{Name: name, Help: help})
		r.MustRegister(g)
		return g
	}
	histogram := func(name, help string, buckets []float64) prometheus.Histogram {
		h := prometheus.NewHistogram(prometheus.HistogramOpts{Name: name, Help: help, Buckets: buckets})
		r.MustRegister(h)
		return h
	}
	halted := prometheus.NewGaugeVec(prometheus.GaugeOpts{Name: "binance_symbol_halted", Help: "1 while a symbol's stream is silent against its rhythm and the exchange says that nothing is traded."}, []string{"symbol"})
	r.MustRegister(halted)
	m := &metrics{
		registry:      r,
		binance:       binance.NewMetrics(r),
		received:      counters("binance_messages_received_total", "Trades received on the stream, duplicates included.", "symbol"),
		gaps:          counters("binance_trade_gaps_total", "Jumps in the trade ids of the stream.", "symbol"),
		backfilled:    counters("binance_trades_backfilled_total", "Trades fetched from the exchange's history.", "symbol"),
		lost:          counters("binance_trades_lost_total", "Trades that the exchange published and its history does not have.", "symbol"),
		duplicate:     counters("binance_trades_duplicate_total", "Trades received more than once and passed on once.", "symbol"),
		lastTrade:     gauge("binance_last_message_timestamp_seconds", "When the newest trade came."),
		lag:           histogram("binance_trade_lag_seconds", "From the exchange's event time to visible in Kafka.", []float64{.01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10, 30, 60, 300, 3600}),
		hung:          gauge("binance_partition_hung", "Partitions whose end the brokers left open for a minute, so that nothing can be written to them."),
		halted:        halted,
		fenced:        counter("streamer_fenced_total", "Times that another process took a partition from this one. More than a few a minute: a second copy runs."),
		tlsVerify:     gauge("binance_tls_verify", "1 while the exchange's certificate is verified, 0 when that is switched off."),
		frameKinds:    counters("streamer_frames_total", "Frames read, by what they were: trade, control or rejected.", "kind"),
		tradeOutcomes: counters("streamer_trades_total", "Trades decoded or fetched, by what became of them: admitted, duplicate, or deferred (not kept, to be fetched).", "outcome"),
		produced:      counter("kafka_messages_produced_total", "Records visible in Kafka."),
		failed:        counter("kafka_produce_errors_total", "Trades that were admitted and given up, with their transaction or while they were held; the next owner of the partition fetches them again. Also those in quarantine."),
		retried:       counter("kafka_produce_retries_total", "Produce requests that got no answer and were sent again."),
		duration:      histogram("kafka_produce_duration_seconds", "From produced to visible.", []float64{.001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 5, 30}),
		evictions:     counter("serializer_cache_evictions_total", "Serializers that had to leave the cache."),
	}
	limits := prometheus.NewGaugeVec(prometheus.GaugeOpts{Name: "streamer_limit", Help: "The named limits of the pipeline."}, []string{"name"})
	r.MustRegister(limits)
	limits.WithLabelValues("recent_trades").Set(maxRecent)
	limits.WithLabelValues("held_trades").Set(maxHeld)
	limits.WithLabelValues("records_in_flight_of_a_partition").Set(kafka.MaxInFlight)
	limits.WithLabelValues("records_in_a_transaction").Set(kafka.MaxTransaction)
	limits.WithLabelValues("quarantine_waiting").Set(kafka.MaxRejected)
	limits.WithLabelValues("streams_per_session").Set(binance.MaxStreams)
	r.MustRegister(
		collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}),
		collectors.NewGoCollector(collectors.WithGoCollectorRuntimeMetrics(
			collectors.GoRuntimeMetricsRule{Matcher: regexp.MustCompile(`^/gc/heap/live:bytes$`)})),
	)
	return m
}

// watch adds the figures that are read when somebody looks.
func (m *metrics) watch(partitions []*partition, all *shared, e *record.Encoder) {
	figure := func(name, help string, value func() float64) {
		m.registry.MustRegister(prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: name, Help: help}, value))
	}
	sum := func(each func(*partition) float64) func() float64 {
		return func() (sum float64) {
			for _, p := range partitions {
				sum += each(p)
			}
			return sum
		}
	}
	figure("streamer_partitions_owned", "Partitions that this process writes.", sum(func(p *partition) float64 {
		if p.owned() {
			return 1
		}
		return 0
	}))
	figure("streamer_records_in_flight", "Records that are produced and not yet visible.", sum(func(p *partition) float64 {
		if owner := p.owner.Load(); owner != nil {
			return float64(owner.InFlight())
		}
		return 0
	}))
	figure("binance_backfill_remaining_trades", "Trades known to be missing and being fetched.", sum(func(p *partition) float64 { return float64(p.missing.Load()) }))
	figure("streamer_held_trades", "Trades that wait for earlier ones to be fetched.", func() float64 { return float64(all.held.Load()) })
	figure("streamer_recent_trades", "Newest trades kept for whoever takes a partition over.", func() float64 { return float64(all.recent.kept()) })
	figure("serializer_cache_size", "Serializers in the cache.", func() float64 { return float64(e.Cached()) })
}

// lane looks up the figures of symbol, which also makes them appear as zero.
func (m *metrics) lane(symbol string) laneMetrics {
	return laneMetrics{m.received.WithLabelValues(symbol), m.gaps.WithLabelValues(symbol), m.backfilled.WithLabelValues(symbol),
		m.lost.WithLabelValues(symbol), m.duplicate.WithLabelValues(symbol), m.halted.WithLabelValues(symbol)}
}

// frames adds the frames of one batch.
func (m *metrics) frames(trades, control, rejected int) {
	m.frameKinds.WithLabelValues("trade").Add(float64(trades))
	if control > 0 {
		m.frameKinds.WithLabelValues("control").Add(float64(control))
	}
	if rejected > 0 {
		m.frameKinds.WithLabelValues("rejected").Add(float64(rejected))
	}
}

// trades takes a partition's totals, of which the metrics know told already.
func (m *metrics) trades(total counts, told *counts) {
	for _, each := range [...]struct {
		outcome   string
		now, told int64
	}{
		{"admitted", total.admitted, told.admitted},
		{"duplicate", total.duplicates, told.duplicates},
		{"deferred", total.deferred, told.deferred},
	} {
		if each.now > each.told {
			m.tradeOutcomes.WithLabelValues(each.outcome).Add(float64(each.now - each.told))
		}
	}
	m.produced.Add(float64(total.visible - told.visible))
	m.failed.Add(float64(total.failed - told.failed))
	*told = total
}

// visible takes one record that is in Kafka for good; at is in Unix
// microseconds.
func (m *metrics) visible(s *kafka.Settled, at int64) {
	m.lag.Observe(float64(at-s.EventAt) / 1e6)
	m.duration.Observe(float64(at-s.ProducedAt) / 1e6)
}
