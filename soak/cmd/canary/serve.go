package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/pprof"
	"regexp"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"
)

// figures are what the canary says about itself, by the streamer's names.
type figures struct {
	registry  *prometheus.Registry
	connected atomic.Bool // a session is open and caught up

	received     *prometheus.CounterVec
	reconnects   prometheus.Counter
	pongTimeouts prometheus.Counter
	gaps         prometheus.Counter
	backfilled   prometheus.Counter
	produced     prometheus.Counter
}

func newFigures() *figures {
	counter := func(name, help string) prometheus.Counter {
		return prometheus.NewCounter(prometheus.CounterOpts{Name: name, Help: help})
	}
	f := &figures{
		registry: prometheus.NewRegistry(),
		received: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "binance_messages_received_total", Help: "Trades read from the stream."}, []string{"symbol"}),
		reconnects:   counter("binance_reconnects_total", "Sessions that ended and were replaced."),
		pongTimeouts: counter("binance_pong_timeouts_total", "Pings without an answer in time."),
		gaps:         counter("binance_trade_gaps_total", "Jumps in trade ids."),
		backfilled:   counter("binance_trades_backfilled_total", "Trades fetched over REST."),
		produced:     counter("kafka_messages_produced_total", "Records acknowledged by Kafka."),
	}
	live := collectors.GoRuntimeMetricsRule{Matcher: regexp.MustCompile(`^/gc/heap/live:bytes$`)}
	f.registry.MustRegister(collectors.NewGoCollector(collectors.WithGoCollectorRuntimeMetrics(live)),
		f.received, f.reconnects, f.pongTimeouts, f.gaps, f.backfilled, f.produced)
	return f
}

// serve answers on address until ctx ends.
func serve(ctx context.Context, address string, figures *figures) error {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprintln(w, "ok") })
	mux.HandleFunc("GET /readyz", func(w http.ResponseWriter, _ *http.Request) {
		if !figures.connected.Load() {
			http.Error(w, "no session", http.StatusServiceUnavailable)
			return
		}
		fmt.Fprintln(w, "ok")
	})
	mux.Handle("GET /metrics", promhttp.HandlerFor(figures.registry, promhttp.HandlerOpts{}))
	mux.HandleFunc("GET /debug/pprof/", pprof.Index)

	server := &http.Server{Addr: address, Handler: mux, ReadHeaderTimeout: 5 * time.Second}
	stopped := make(chan struct{})
	stop := context.AfterFunc(ctx, func() {
		defer close(stopped)
		server.Close()
	})
	err := server.ListenAndServe()
	if !stop() {
		<-stopped
	}
	if errors.Is(err, http.ErrServerClosed) {
		return nil
	}
	return fmt.Errorf("serve %s: %w", address, err)
}
