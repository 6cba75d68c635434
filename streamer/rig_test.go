package streamer

import (
	"bytes"
	"context"
	"crypto/tls"
	"encoding/json"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/sr/srfake"
	"go.uber.org/goleak"

	"steadfeed/fakebinance"
	"steadfeed/fakebinance/memnet"
	"steadfeed/streamer/internal/testlog"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// rig is a whole world in memory and in virtual time: a fake exchange over TLS,
// a broker, a registry, and the streamer between them.
type rig struct {
	t        *testing.T
	net      *memnet.Network
	exchange *fakebinance.Server
	source   fakebinance.Source
	cluster  *kfake.Cluster
	registry *http.Server
	log      *testlog.Log
	*node            // the first streamer
	nodes    []*node // all of them

	mu     sync.Mutex
	away   map[string]bool // addresses that refuse
	conns  map[net.Conn]route
	closed []func()

	repeats  bool        // the topic may hold trades again, around a restart
	restarts []time.Time // see restarted
	repeated int         // records that the audit found to be repeats
}

// restarted notes that from about now a repeat is no surprise.
func (r *rig) restarted() { r.restarts = append(r.restarts, time.Now()) }

// repeatWithin is how far from a restart a repeat may have been written: the
// session timeout, after which another goes on, and the time to notice.
const repeatWithin = 15 * time.Second

// mayRepeat tells whether a record of that time may be a repeat.
func (r *rig) mayRepeat(at time.Time) bool {
	return r.repeats && slices.ContainsFunc(r.restarts, func(restart time.Time) bool { return at.Sub(restart).Abs() < repeatWithin })
}

// route is where a connection goes, and whose it is.
type route struct {
	addr string
	from *node
}

// node is one streamer, as a process of its own would be.
type node struct {
	rig    *rig
	config Config
	addr   string // of its status
	dead   bool   // none of its connections goes anywhere
	stop   chan struct{}
	end    context.CancelFunc
	done   chan error
}

const (
	exchangeAddr = "127.0.0.1:9443"
	restAddr     = "localhost:9443" // the same server by another name, so that it can be away alone
	brokerAddr   = "127.0.0.1:9092"
	registryAddr = "127.0.0.1:8081"
	statusAddr   = "127.0.0.1:9091"
)

// options change a rig before it starts.
type options struct {
	rate     float64
	symbols  []string
	config   func(*Config)
	exchange func(*fakebinance.Options)
	kafka    []kfake.Opt
	registry func(*http.Server) // with a TLSConfig it serves TLS
}

// long leaves out what takes a minute and more under the race detector, which
// runs with -short; shorter tests take the same ways through the code.
func long(t *testing.T) {
	t.Helper()
	if testing.Short() {
		t.Skip("-short: hours of virtual time, or many trades")
	}
}

// world builds a rig inside the current bubble; the streamer is started by start.
func world(t *testing.T, o options) *rig {
	t.Helper()
	if o.rate == 0 {
		o.rate = 20
	}
	if o.symbols == nil {
		o.symbols = []string{"BTCUSDT", "ETHUSDT", "BNBUSDT"}
	}
	// The bubble's clock starts in the year 2000, before any certificate root.
	time.Sleep(time.Until(time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)))
	r := &rig{t: t, net: memnet.New(), away: map[string]bool{}, conns: map[net.Conn]route{}, log: &testlog.Log{}}
	t.Cleanup(r.close)
	market, err := fakebinance.NewMarket(fakebinance.MarketOptions{Seed: 7, Symbols: o.symbols, Rate: o.rate, Start: time.Now()})
	r.must(err)
	r.source = market
	listener, err := r.net.Listen(exchangeAddr)
	r.must(err)
	exchange := fakebinance.Options{Source: market, Seed: 7, Listener: listener, TLS: true}
	if o.exchange != nil {
		o.exchange(&exchange)
	}
	r.exchange, err = fakebinance.New(exchange)
	r.must(err)
	r.cluster, err = kfake.NewCluster(append(o.kafka, kfake.NumBrokers(1), kfake.Ports(9092),
		kfake.ListenFn(func(_, addr string) (net.Listener, error) { return r.net.Listen(addr) }))...)
	r.must(err)
	fake := srfake.NewRegistry()
	listener, err = r.net.Listen(registryAddr)
	r.must(err)
	r.registry = &http.Server{Handler: fake.Handler()}
	if o.registry != nil {
		o.registry(r.registry)
	}
	if r.registry.TLSConfig != nil {
		listener = tls.NewListener(listener, r.registry.TLSConfig)
	}
	var served sync.WaitGroup
	served.Go(func() { _ = r.registry.Serve(listener) })
	r.closed = append(r.closed, func() { r.registry.Close(); served.Wait() }, fake.Close, r.cluster.Close, func() { r.exchange.Close() })

	ca := filepath.Join(t.TempDir(), "ca.pem")
	r.must(os.WriteFile(ca, r.exchange.CertPEM(), 0o600))
	c := DefaultConfig()
	c.Symbols, c.WebSocketURL, c.RESTURL, c.TLSCAFile = o.symbols, []string{"wss://" + exchangeAddr}, "https://"+restAddr, ca
	c.KafkaBrokers, c.SchemaRegistryURL = []string{brokerAddr}, []string{"http://" + registryAddr}
	if o.config != nil {
		o.config(&c)
	}
	r.node = r.another(statusAddr, c)
	return r
}

// another adds a streamer that is not started yet.
func (r *rig) another(addr string, c Config) *node {
	n := &node{rig: r, addr: addr, config: c}
	n.config.Dial, n.config.Seed = n.dial, 7+uint64(len(r.nodes))
	n.config.Log = slog.New(slog.NewTextHandler(r.log, nil)).With("node", len(r.nodes)+1)
	r.nodes = append(r.nodes, n)
	return n
}

func (r *rig) must(err error) {
	r.t.Helper()
	if err != nil {
		r.t.Fatal(err)
	}
}

// dial is the streamer's way out: it can be made to refuse an address.
func (n *node) dial(ctx context.Context, network, addr string) (net.Conn, error) {
	r := n.rig
	if r.refuses(n, addr) {
		return nil, fmt.Errorf("dial %s: connection refused", addr)
	}
	to := addr
	if addr == restAddr {
		to = exchangeAddr
	}
	conn, err := r.net.Dial(ctx, network, to)
	if err != nil {
		return nil, err
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.conns[conn] = route{addr, n}
	return conn, nil
}

func (r *rig) refuses(n *node, addr string) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.away[addr] || n.dead
}

// takeAway makes addresses refuse connections and cuts those that are open.
func (r *rig) takeAway(addrs ...string) {
	r.cut(func() {
		for _, addr := range addrs {
			r.away[addr] = true
		}
	}, func(to route) bool { return r.away[to.addr] })
}

// kill ends the streamer as SIGKILL would: nothing that it does any more is
// seen by anybody.
func (n *node) kill() {
	n.rig.cut(func() { n.dead = true }, func(to route) bool { return to.from == n })
	if n.end != nil {
		n.end()
		for range n.done { // until it is gone
		}
	}
}

// cut closes the connections of a kind, after a change.
func (r *rig) cut(change func(), which func(route) bool) {
	r.mu.Lock()
	change()
	var cut []net.Conn
	for conn, to := range r.conns {
		if which(to) {
			cut = append(cut, conn)
			delete(r.conns, conn)
		}
	}
	r.mu.Unlock()
	for _, conn := range cut {
		conn.Close()
	}
}

func (r *rig) bringBack(addrs ...string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, addr := range addrs {
		delete(r.away, addr)
	}
}

// start runs the streamer and begins to publish once it is ready.
func (r *rig) start() {
	r.t.Helper()
	r.startStreamer()
	r.waitFor("ready", time.Minute, r.ready)
	r.exchange.Start()
}

// ready tells whether the streamer delivers.
func (n *node) ready() bool {
	code, _ := n.get("/readyz")
	return code == http.StatusOK
}

// startStreamer runs the streamer, or runs it again.
func (n *node) startStreamer() {
	n.rig.t.Helper()
	listener, err := n.rig.net.Listen(n.addr)
	n.rig.must(err)
	var ctx context.Context
	ctx, n.end = context.WithCancel(context.Background())
	n.config.Listener, n.dead = listener, false
	stop, done, c := make(chan struct{}), make(chan error, 1), n.config
	n.stop, n.done = stop, done
	go func() {
		defer close(done)
		done <- Run(ctx, stop, c)
	}()
}

// drain stops the streamer and waits until it is gone.
func (n *node) drain() {
	n.rig.t.Helper()
	close(n.stop)
	if err := <-n.done; err != nil {
		n.rig.t.Errorf("Run = %v; the log:\n%s", err, n.rig.log)
	}
}

// get asks the status address.
func (n *node) get(path string) (int, string) {
	transport := &http.Transport{DialContext: n.rig.net.Dial, DisableKeepAlives: true}
	answer, err := (&http.Client{Transport: transport, Timeout: 10 * time.Second}).Get("http://" + n.addr + path)
	if err != nil {
		return 0, err.Error()
	}
	defer answer.Body.Close()
	var body bytes.Buffer
	_, _ = body.ReadFrom(answer.Body)
	return answer.StatusCode, body.String()
}

// metric sums the samples of a metric over its labels.
func (n *node) metric(name string) float64 {
	_, body := n.get("/metrics")
	sum := 0.0
	for line := range strings.Lines(body) {
		rest, ok := strings.CutPrefix(line, name)
		if !ok || rest[0] != '{' && rest[0] != ' ' {
			continue
		}
		var value float64
		if _, err := fmt.Sscan(rest[strings.LastIndexByte(rest, ' '):], &value); err == nil {
			sum += value
		}
	}
	return sum
}

// waitFor lets virtual time pass until the condition holds.
func (r *rig) waitFor(what string, limit time.Duration, holds func() bool) {
	r.t.Helper()
	for began := time.Now(); !holds(); time.Sleep(50 * time.Millisecond) {
		if time.Since(began) > limit {
			r.t.Fatalf("not %s after %v of virtual time; the log:\n%s", what, limit, r.log)
		}
	}
}

// finish ends traffic, waits until everything published is acknowledged,
// drains the streamer, and audits the topic.
func (r *rig) finish(within time.Duration) {
	r.t.Helper()
	r.exchange.StopPublishing()
	r.waitFor("caught up", within, r.caughtUp)
	r.drain()
	r.audit()
	r.close()
}

// caughtUp tells whether each symbol's newest trade is visible, because of
// any of the streamers; in order, so all before it are too.
func (r *rig) caughtUp() bool {
	visible := map[string]int64{}
	for _, n := range r.nodes {
		_, body := n.get("/status")
		var status report
		if json.Unmarshal([]byte(body), &status) != nil {
			continue // it is gone
		}
		for _, l := range status.Symbols {
			visible[l.Symbol] = max(visible[l.Symbol], l.AckedID)
		}
	}
	for _, symbol := range r.config.Symbols {
		if _, last, ok := r.exchange.Ledger().Published(symbol); ok && visible[symbol] < last {
			return false
		}
	}
	return true
}

// owed is the number of trades that the topic must hold.
func (r *rig) owed() (sum int64) {
	for _, symbol := range r.config.Symbols {
		if first, last, ok := r.exchange.Ledger().Published(symbol); ok {
			sum += last - first + 1
		}
	}
	return sum
}

// close ends whatever still runs. It may be called twice.
func (r *rig) close() {
	for _, n := range r.nodes {
		n.kill()
	}
	for _, f := range r.closed {
		f()
	}
	r.closed = nil
	synctest.Wait()
}
