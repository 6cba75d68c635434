package binance

import "github.com/prometheus/client_golang/prometheus"

// Metrics are the figures of the sessions.
type Metrics struct {
	Status           prometheus.Gauge
	Errors           *prometheus.CounterVec // by error_type
	Reconnects       *prometheus.CounterVec // by reason
	Rotations        *prometheus.CounterVec // by reason
	ConnectionErrors prometheus.Counter
	ReconnectDelay   prometheus.Gauge
	Lifetime         prometheus.Histogram
	LastPong         prometheus.Gauge
	PongTimeouts     prometheus.Counter
}

// NewMetrics registers the figures with r.
func NewMetrics(r prometheus.Registerer) *Metrics {
	m := &Metrics{
		Status: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "binance_connection_status", Help: "1 while every symbol is on an open session, else 0."}),
		Errors: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "binance_message_errors_total", Help: "Frames that were not taken, by why."}, []string{"error_type"}),
		Reconnects: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "binance_reconnects_total", Help: "Sessions that ended unplanned, by why."}, []string{"reason"}),
		Rotations: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "binance_connection_rotations_total", Help: "Sessions that were replaced while they worked, by why."}, []string{"reason"}),
		ConnectionErrors: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "binance_connection_errors_total", Help: "Attempts to open a session that did not succeed."}),
		ReconnectDelay: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "binance_reconnect_delay_seconds", Help: "The newest delay before a reconnect."}),
		Lifetime: prometheus.NewHistogram(prometheus.HistogramOpts{
			Name: "binance_connection_lifetime_seconds", Help: "How long ended sessions lived.",
			Buckets: []float64{1, 10, 60, 600, 3600, 4 * 3600, 12 * 3600, 24 * 3600}}),
		LastPong: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "binance_last_pong_timestamp_seconds", Help: "When the newest answer to a ping of ours came."}),
		PongTimeouts: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "binance_pong_timeouts_total", Help: "Pings of ours that were not answered in time."}),
	}
	r.MustRegister(m.Status, m.Errors, m.Reconnects, m.Rotations, m.ConnectionErrors, m.ReconnectDelay, m.Lifetime, m.LastPong, m.PongTimeouts)
	return m
}
