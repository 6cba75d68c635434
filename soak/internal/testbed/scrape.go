package testbed

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"time"

	dto "github.com/prometheus/client_model/go"
	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"
)

// Limits of what the harness takes from a subject, so that no subject can
// make it grow or wait.
const (
	metricsTimeout = 2 * time.Second  // a subject that needs longer is in trouble, and the next sample is due
	metricsBytes   = 4 << 20          // a streamer of 3,000 symbols serves about 2 MiB
	profileTimeout = 10 * time.Second // a heap profile stops the world only briefly, but may wait for a collection
	profileBytes   = 32 << 20         // of a process at its abort limit
)

// counters are the metrics kept in every sample, each summed over its labels.
// The list is fixed so that samples of a run of any length have one size.
var counters = []string{
	"binance_messages_received_total",
	"binance_message_errors_total",
	"binance_reconnects_total",
	"binance_connection_errors_total",
	"binance_connection_rotations_total",
	"binance_pong_timeouts_total",
	"binance_trade_gaps_total",
	"binance_trades_backfilled_total",
	"binance_trades_lost_total",
	"binance_trades_duplicate_total",
	"kafka_messages_produced_total",
	"kafka_produce_errors_total",
	"kafka_produce_retries_total",
	"streamer_fenced_total",
	"serializer_cache_size",
	"serializer_cache_evictions_total",
	"memory_leak_detection_score",
}

// Metrics is what a subject says about itself on /metrics.
type Metrics struct {
	HeapLiveBytes int64 // marked live by the last garbage collection
	Goroutines    int
	Counters      map[string]float64 // those of the fixed list that it serves
}

// Endpoints reads a subject's HTTP endpoints.
type Endpoints struct {
	base   string
	client *http.Client
}

// NewEndpoints returns a reader of the endpoints at an address such as
// "127.0.0.1:9091".
func NewEndpoints(address string) *Endpoints { return newEndpoints(address, nil) }

// newEndpoints reaches them by dial, or as the system does.
func newEndpoints(address string, dial func(context.Context, string, string) (net.Conn, error)) *Endpoints {
	return &Endpoints{base: "http://" + address, client: &http.Client{Transport: &http.Transport{
		DialContext:     dial,
		MaxConnsPerHost: 2, // a sample and a profile at the same time
		IdleConnTimeout: time.Minute,
	}}}
}

// Close drops idle connections.
func (e *Endpoints) Close() { e.client.CloseIdleConnections() }

// Metrics reads and parses /metrics.
func (e *Endpoints) Metrics(ctx context.Context) (Metrics, error) {
	ctx, cancel := context.WithTimeout(ctx, metricsTimeout)
	defer cancel()
	body, err := e.get(ctx, "/metrics")
	if err != nil {
		return Metrics{}, err
	}
	defer body.Close()
	parser := expfmt.NewTextParser(model.UTF8Validation)
	families, err := parser.TextToMetricFamilies(io.LimitReader(body, metricsBytes))
	if err != nil {
		return Metrics{}, fmt.Errorf("parse %s/metrics: %w", e.base, err)
	}
	metrics := Metrics{
		HeapLiveBytes: int64(sum(families["go_gc_heap_live_bytes"])),
		Goroutines:    int(sum(families["go_goroutines"])),
		Counters:      make(map[string]float64, len(counters)),
	}
	for _, name := range counters {
		if family, served := families[name]; served {
			metrics.Counters[name] = sum(family)
		}
	}
	return metrics, nil
}

// Ready asks /readyz once and returns what is wrong, if anything.
func (e *Endpoints) Ready(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, metricsTimeout)
	defer cancel()
	body, err := e.get(ctx, "/readyz")
	if err != nil {
		return err
	}
	return body.Close()
}

// SaveProfile writes /debug/pprof/name to a file. A subject need not serve
// profiles; then there is an error and no file.
func (e *Endpoints) SaveProfile(ctx context.Context, name, path string) error {
	ctx, cancel := context.WithTimeout(ctx, profileTimeout)
	defer cancel()
	body, err := e.get(ctx, "/debug/pprof/"+name)
	if err != nil {
		return err
	}
	defer body.Close()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return fmt.Errorf("save profile: %w", err)
	}
	f, err := os.Create(path)
	if err != nil {
		return fmt.Errorf("save profile: %w", err)
	}
	if _, err := io.Copy(f, io.LimitReader(body, profileBytes)); err != nil {
		f.Close()
		os.Remove(path)
		return fmt.Errorf("save profile %s: %w", name, err)
	}
	return f.Close()
}

func (e *Endpoints) get(ctx context.Context, path string) (io.ReadCloser, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, e.base+path, nil)
	if err != nil {
		return nil, fmt.Errorf("get %s: %w", path, err)
	}
	response, err := e.client.Do(request)
	if err != nil {
		return nil, err // names method and URL already
	}
	if response.StatusCode != http.StatusOK {
		reason, _ := io.ReadAll(io.LimitReader(response.Body, 200)) // what there is of a reason, on one line
		response.Body.Close()
		return nil, fmt.Errorf("get %s%s: %s %q", e.base, path, response.Status, reason)
	}
	return response.Body, nil
}

func sum(family *dto.MetricFamily) float64 {
	if family == nil {
		return 0
	}
	var total float64
	for _, metric := range family.Metric {
		switch {
		case metric.Counter != nil:
			total += metric.Counter.GetValue()
		case metric.Gauge != nil:
			total += metric.Gauge.GetValue()
		case metric.Untyped != nil:
			total += metric.Untyped.GetValue()
		}
	}
	return total
}
