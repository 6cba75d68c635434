package binance

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"steadfeed/fakebinance"
	"steadfeed/fakebinance/memnet"
	"steadfeed/streamer/internal/testlog"
)

var benchSymbols = []string{"BTCUSDT", "ETHUSDT", "BNBUSDT"}

// bench is a feed in virtual time, with fake exchanges behind its URLs and a
// reader that forgets nothing.
type bench struct {
	t        *testing.T
	network  *memnet.Network
	source   fakebinance.Source
	roots    *x509.CertPool
	options  Options
	feed     *Feed
	history  *History
	metrics  *prometheus.Registry
	log      *testlog.Log
	stop     func()
	closings []func()

	mu    sync.Mutex
	ways  map[string]way // how an address is reached
	dials []time.Time
	last  []int64 // highest id by slot
	first []int64
	ids   []map[int64]bool
}

// way is what a dial to an address comes to.
type way func(ctx context.Context) (net.Conn, error)

// newBench makes a bench for the URLs wss://a.test:9443, wss://b.test:9443 and
// so on, as many as n; exchanges are put behind them with serve.
func newBench(t *testing.T, n int, change func(*Options)) *bench {
	t.Helper()
	time.Sleep(time.Until(time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC))) // certificates have roots by then
	b := &bench{t: t, network: memnet.New(), roots: x509.NewCertPool(), ways: map[string]way{}, log: &testlog.Log{}, metrics: prometheus.NewRegistry(),
		last: make([]int64, len(benchSymbols)), first: make([]int64, len(benchSymbols)), ids: make([]map[int64]bool, len(benchSymbols))}
	b.network.SetLatency(737 * time.Microsecond)
	for i := range b.ids {
		b.ids[i] = map[int64]bool{}
	}
	b.trade(5)
	log := slog.New(slog.NewTextHandler(b.log, nil))
	transport := &http.Transport{DialContext: b.dial, TLSClientConfig: &tls.Config{RootCAs: b.roots, ServerName: "localhost"}}
	b.closings = append(b.closings, transport.CloseIdleConnections)
	b.history = NewHistory(HistoryOptions{URL: "https://rest.test:9443", Symbols: benchSymbols, Budget: 0.5, Client: &http.Client{Transport: transport}, Log: log})
	b.options = Options{
		Symbols: benchSymbols, Dial: b.dial, TLS: &tls.Config{RootCAs: b.roots, ServerName: "localhost"},
		PingInterval: 3 * time.Minute, PongTimeout: 10 * time.Second, StaleTimeout: 30 * time.Second,
		Seed: 7, Metrics: NewMetrics(b.metrics), Log: log,
		Rejected: func(why string, frame []byte) { t.Errorf("rejected for %s: %s", why, frame) },
		LastID: func(slot int) int64 {
			b.mu.Lock()
			defer b.mu.Unlock()
			return b.last[slot]
		},
		Newest: b.history.Newest,
	}
	for i := range n {
		b.options.URLs = append(b.options.URLs, fmt.Sprintf("wss://%c.test:9443", 'a'+i))
	}
	if change != nil {
		change(&b.options)
	}
	t.Cleanup(b.close)
	return b
}

// trade has the exchanges made from now on publish so many trades a second of
// each symbol.
func (b *bench) trade(rate float64) {
	b.t.Helper()
	market, err := fakebinance.NewMarket(fakebinance.MarketOptions{Seed: 7, Symbols: benchSymbols, Rate: rate, Start: time.Now()})
	if err != nil {
		b.t.Fatal(err)
	}
	b.source = market
}

// exchange makes a fake exchange that publishes; trusted tells whether the feed
// knows its authority.
func (b *bench) exchange(trusted bool) (*fakebinance.Server, way) {
	b.t.Helper()
	listener, err := b.network.Listen("127.0.0.1:0")
	if err != nil {
		b.t.Fatal(err)
	}
	s, err := fakebinance.New(fakebinance.Options{Source: b.source, Seed: 7, Listener: listener, TLS: true})
	if err != nil {
		b.t.Fatal(err)
	}
	b.closings = append(b.closings, func() { s.Close() })
	if trusted {
		b.roots.AppendCertsFromPEM(s.CertPEM())
	}
	s.Start()
	return s, b.to(listener)
}

func (b *bench) to(listener net.Listener) way {
	return func(ctx context.Context) (net.Conn, error) {
		return b.network.Dial(ctx, "tcp", listener.Addr().String())
	}
}

// serve has the address reached in the given way from now on.
func (b *bench) serve(host string, w way) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.ways[host+".test:9443"] = w
}

func (b *bench) dial(ctx context.Context, _, addr string) (net.Conn, error) {
	b.mu.Lock()
	w := b.ways[addr]
	b.dials = append(b.dials, time.Now())
	b.mu.Unlock()
	if w == nil {
		return nil, &net.DNSError{Err: "no such host", Name: addr, IsNotFound: true}
	}
	return w(ctx)
}

// run starts the feed and its reader.
func (b *bench) run() {
	b.feed = NewFeed(b.options)
	ctx, cancel := context.WithCancel(context.Background())
	var running sync.WaitGroup
	running.Go(func() { _ = b.feed.Run(ctx) })
	running.Go(func() {
		for {
			select {
			case batch := <-b.feed.Batches():
				b.take(batch)
				batch.Release()
			case <-ctx.Done():
				return
			}
		}
	})
	b.stop = func() {
		cancel()
		running.Wait()
	}
}

func (b *bench) take(batch *Batch) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, t := range batch.Trades {
		b.ids[t.Slot][t.ID] = true
		b.last[t.Slot] = max(b.last[t.Slot], t.ID)
		if b.first[t.Slot] == 0 {
			b.first[t.Slot] = t.ID
		}
	}
}

// missing is the number of trades that no session brought between the first
// and the last that one did.
func (b *bench) missing() (sum int64) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for slot := range b.ids {
		sum += b.last[slot] - b.first[slot] + 1 - int64(len(b.ids[slot]))
	}
	return sum
}

func (b *bench) close() {
	if b.stop != nil {
		b.stop()
	}
	for _, f := range b.closings {
		f()
	}
	b.closings, b.stop = nil, nil
	synctest.Wait()
}

// waitFor lets virtual time pass until the condition holds.
func (b *bench) waitFor(what string, limit time.Duration, holds func() bool) {
	b.t.Helper()
	for began := time.Now(); !holds(); time.Sleep(100 * time.Millisecond) {
		if time.Since(began) > limit {
			b.t.Fatalf("not %s after %v of virtual time; the log:\n%s", what, limit, b.log)
		}
	}
}

// counted sums a counter over the labels that have the value given; all of
// them when it is empty.
func (b *bench) counted(name, label string) (sum float64) {
	families, err := b.metrics.Gather()
	if err != nil {
		b.t.Fatal(err)
	}
	for _, family := range families {
		if family.GetName() != name {
			continue
		}
		for _, metric := range family.GetMetric() {
			if label == "" || metric.GetLabel()[0].GetValue() == label {
				sum += metric.GetCounter().GetValue()
			}
		}
	}
	return sum
}

func (b *bench) rotations(reason RotationReason) float64 {
	return b.counted("binance_connection_rotations_total", string(reason))
}

func (b *bench) reconnects() float64 { return b.counted("binance_reconnects_total", "") }

// open counts the open sessions of an exchange.
func open(s *fakebinance.Server) (n int) {
	for _, r := range s.Ledger().Sessions() {
		if r.Closed.IsZero() {
			n++
		}
	}
	return n
}

// ends lists how the sessions of an exchange ended.
func ends(s *fakebinance.Server) (all []string) {
	for _, r := range s.Ledger().Sessions() {
		if !r.Closed.IsZero() {
			all = append(all, r.EndedBy+": "+r.Reason)
		}
	}
	return all
}

// accept is a way to a listener that does something with each connection.
func (b *bench) accept(do func(net.Conn)) way {
	listener, err := b.network.Listen("127.0.0.1:0")
	if err != nil {
		b.t.Fatal(err)
	}
	var accepting sync.WaitGroup
	accepting.Go(func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			b.closings = append(b.closings, func() { conn.Close() })
			do(conn)
		}
	})
	b.closings = append(b.closings, func() { listener.Close(); accepting.Wait() })
	return b.to(listener)
}
