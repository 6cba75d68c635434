package binance

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"steadfeed/fakebinance"
	"steadfeed/fakebinance/memnet"
)

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
	log      *quietBuffer
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

var benchSymbols = []string{"BTCUSDT", "ETHUSDT", "BNBUSDT"}

// newBench makes a bench for the URLs wss://a.test:9443, wss://b.test:9443 and
// so on, as many as n; exchanges are put behind them with serve.
func newBench(t *testing.T, n int, change func(*Options)) *bench {
	t.Helper()
	time.Sleep(time.Until(time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC))) // certificates have roots by then
	b := &bench{t: t, network: memnet.New(), roots: x509.NewCertPool(), ways: map[string]way{}, log: &quietBuffer{}, metrics: prometheus.NewRegistry(),
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

// quietBuffer takes the log of many goroutines.
type quietBuffer struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (b *quietBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.Write(p)
}

func (b *quietBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.String()
}

// Each kind of trouble on the first URL: the next one serves meanwhile, and the
// first again at the next rotation after it has healed.
func TestFailover(t *testing.T) {
	f := func(name string, within time.Duration, trouble func(b *bench) way) {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b := newBench(t, 2, func(o *Options) { o.RotationInterval = 10 * time.Minute })
				best, toBest := b.exchange(true)
				next, toNext := b.exchange(true)
				b.serve("a", trouble(b))
				b.serve("b", toNext)
				b.serve("rest", toNext)
				b.run()
				b.waitFor("served by the next URL", within, func() bool { return open(next) == 1 && b.feed.Connected() })
				time.Sleep(time.Minute)
				b.serve("a", toBest)
				b.waitFor("served by the first URL again", 11*time.Minute, func() bool { return open(best) == 1 && open(next) == 0 })
				if b.reconnects() != 0 || b.rotations(RotationScheduled) != 1 || b.missing() != 0 {
					t.Errorf("%v reconnects, %v rotations, %d trades missing; the log:\n%s", b.reconnects(), b.rotations(RotationScheduled), b.missing(), b.log)
				}
			})
		})
	}
	f("no such name", 15*time.Second, func(*bench) way { return nil })
	f("refused", 15*time.Second, func(b *bench) way {
		return func(ctx context.Context) (net.Conn, error) { return b.network.Dial(ctx, "tcp", "127.0.0.1:1") }
	})
	f("reset", 15*time.Second, func(b *bench) way {
		return b.accept(func(net.Conn) { b.network.Links()[len(b.network.Links())-1].Reset() })
	})
	f("an unknown authority", 15*time.Second, func(b *bench) way {
		_, w := b.exchange(false)
		return w
	})
	f("accepted and silent", 50*time.Second, func(b *bench) way { return b.accept(func(net.Conn) {}) })
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

// A server that opens sessions and says nothing on them counts as one that
// fails.
func TestFailoverFromSilence(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, 2, nil)
		mute, toMute := b.exchange(true)
		next, toNext := b.exchange(true)
		b.serve("a", toMute)
		b.serve("b", toNext)
		b.serve("rest", toNext)
		if _, err := mute.Begin(fakebinance.Fault{Kind: fakebinance.KindStall, Target: fakebinance.TargetAll}); err != nil {
			t.Fatal(err)
		}
		b.run()
		b.waitFor("served by the next URL", 2*time.Minute, func() bool { return open(next) == 1 })
		if got := b.counted("binance_reconnects_total", "silent"); got != 3 {
			t.Errorf("%v sessions ended as silent, want 3; the log:\n%s", got, b.log)
		}
	})
}

// With every URL away, attempts go on for ever, ever more slowly, and a feed of
// many groups stays below what the exchange allows to one address.
func TestNeverGivesUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, 2, nil)
		b.run()
		time.Sleep(24 * time.Hour)
		b.mu.Lock()
		tried := len(b.dials)
		b.mu.Unlock()
		// Half a minute on average.
		if tried < 2400 || tried > 3600 {
			t.Errorf("%d attempts in a day", tried)
		}
		s, w := b.exchange(true)
		b.serve("b", w)
		b.waitFor("back", 3*time.Minute, func() bool { return open(s) == 1 })
	})
}

func TestConnectLimit(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := NewFeed(Options{Symbols: benchSymbols})
		var at []time.Time
		for len(at) < 2000 {
			if err := f.connects.Wait(t.Context()); err != nil {
				t.Fatal(err)
			}
			at = append(at, time.Now())
		}
		for i := range at {
			if j := i + connectsPerWindow; j < len(at) && at[j].Sub(at[i]) < connectWindow {
				t.Fatalf("attempts %d to %d are within %v", i, j, at[j].Sub(at[i]))
			}
		}
		if rate := float64(len(at)) / time.Since(at[0]).Minutes(); rate < 45 {
			t.Errorf("%v attempts a minute only", rate)
		}
	})
}

// What a close frame says is logged, and obeyed.
func TestPenalty(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b, s := one(t, nil)
		time.Sleep(time.Minute)
		b.begin(s, fakebinance.KindClose, map[string]string{"code": "1008", "reason": "Too many requests"}, "").End()
		began := time.Now()
		b.waitFor("cut", time.Second, func() bool { return !b.feed.Connected() })
		b.waitFor("back", 3*time.Minute, b.feed.Connected)
		if took := time.Since(began); took < penaltyPause {
			t.Errorf("back after %v", took)
		}
		for _, want := range []string{"level=WARN", "code=1008", `reason="Too many requests"`, "we sent too much"} {
			if !strings.Contains(b.log.String(), want) {
				t.Errorf("the log lacks %s:\n%s", want, b.log)
			}
		}
	})
}

// A storm of pings is answered by one pong to the newest, and nothing that we
// send comes too fast for the exchange.
func TestPingStorm(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, 1, func(o *Options) { o.PingInterval = 30 * time.Second })
		s, w := b.exchange(true)
		b.serve("a", w)
		b.run()
		b.waitFor("connected", time.Minute, func() bool { return open(s) == 1 })
		for range 20 {
			time.Sleep(59 * time.Second)
			for range 10 {
				injection, err := s.Begin(fakebinance.Fault{Kind: fakebinance.KindPingStorm})
				if err != nil {
					t.Fatal(err)
				}
				time.Sleep(100 * time.Millisecond)
				injection.End()
			}
		}
		time.Sleep(time.Minute)
		record := s.Ledger().Sessions()[0]
		if !record.Closed.IsZero() || record.PongTimeouts != 0 || record.PingsSent < 10000 || record.PongsGot < 100 || record.PongsGot > 20*8+90 {
			t.Errorf("%+v", record)
		}
	})
}
