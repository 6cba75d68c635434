package streamer

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/twmb/avro"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/sr/srfake"
	"go.uber.org/goleak"

	"steadfeed/fakebinance"
	"steadfeed/fakebinance/memnet"
	"steadfeed/streamer/schema"
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
	config   Config
	log      *syncBuffer

	mu     sync.Mutex
	away   map[string]bool // addresses that refuse
	conns  map[net.Conn]string
	stop   chan struct{}
	kill   context.CancelFunc
	done   chan error
	closed []func()
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
	r := &rig{t: t, net: memnet.New(), away: map[string]bool{}, conns: map[net.Conn]string{}, log: &syncBuffer{}}
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
	status, err := r.net.Listen(statusAddr)
	r.must(err)
	c := DefaultConfig()
	c.Symbols, c.WebSocketURL, c.RESTURL, c.TLSCAFile = o.symbols, []string{"wss://" + exchangeAddr}, "https://"+restAddr, ca
	c.KafkaBrokers, c.SchemaRegistryURL = []string{brokerAddr}, []string{"http://" + registryAddr}
	c.Dial, c.Listener, c.Seed, c.Log = r.dial, status, 7, slog.New(slog.NewTextHandler(r.log, nil))
	if o.config != nil {
		o.config(&c)
	}
	r.config = c
	return r
}

func (r *rig) must(err error) {
	r.t.Helper()
	if err != nil {
		r.t.Fatal(err)
	}
}

// dial is the streamer's way out: it can be made to refuse an address.
func (r *rig) dial(ctx context.Context, network, addr string) (net.Conn, error) {
	if r.refuses(addr) {
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
	r.conns[conn] = addr
	return conn, nil
}

func (r *rig) refuses(addr string) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.away[addr]
}

// takeAway makes addresses refuse connections and cuts those that are open.
func (r *rig) takeAway(addrs ...string) {
	for _, addr := range addrs {
		r.takeOneAway(addr)
	}
}

func (r *rig) takeOneAway(addr string) {
	r.mu.Lock()
	r.away[addr] = true
	var cut []net.Conn
	for conn, to := range r.conns {
		if to == addr {
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
	r.waitFor("ready", time.Minute, func() bool { code, _ := r.get("/readyz"); return code == http.StatusOK })
	r.exchange.Start()
}

func (r *rig) startStreamer() {
	var ctx context.Context
	ctx, r.kill = context.WithCancel(context.Background())
	r.stop, r.done = make(chan struct{}), make(chan error, 1)
	go func() {
		defer close(r.done)
		r.done <- Run(ctx, r.stop, r.config)
	}()
}

// get asks the status address.
func (r *rig) get(path string) (int, string) {
	transport := &http.Transport{DialContext: r.net.Dial, DisableKeepAlives: true}
	answer, err := (&http.Client{Transport: transport, Timeout: 10 * time.Second}).Get("http://" + statusAddr + path)
	if err != nil {
		return 0, err.Error()
	}
	defer answer.Body.Close()
	var body bytes.Buffer
	_, _ = body.ReadFrom(answer.Body)
	return answer.StatusCode, body.String()
}

// metric sums the samples of a metric over its labels.
func (r *rig) metric(name string) float64 {
	_, body := r.get("/metrics")
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
	r.waitFor("caught up", within, func() bool {
		return r.metric("streamer_trades_total{outcome=\"admitted\"}") == float64(r.owed()) &&
			r.metric("streamer_records_in_flight") == 0
	})
	close(r.stop)
	if err := <-r.done; err != nil {
		r.t.Errorf("Run = %v; the log:\n%s", err, r.log)
	}
	r.audit()
	r.close()
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
	if r.kill != nil {
		r.kill()
		for range r.done { // until the streamer is gone
		}
	}
	for _, f := range r.closed {
		f()
	}
	r.closed = nil
	synctest.Wait()
}

// audit reads the whole topic and holds it against what was published: each
// trade once, in order, unaltered.
func (r *rig) audit() {
	r.t.Helper()
	client, err := kgo.NewClient(kgo.SeedBrokers(brokerAddr), kgo.Dialer(r.net.Dial), kgo.ConsumeTopics(r.config.Topic),
		kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()), kgo.FetchIsolationLevel(kgo.ReadCommitted()))
	r.must(err)
	defer client.Close()
	parsed, err := avro.Parse(schema.Trade)
	r.must(err)
	next, audited := map[string]int64{}, int64(0)
	for owed := r.owed(); audited < owed; {
		ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
		fetched := client.PollFetches(ctx)
		cancel()
		if errors.Is(fetched.Err0(), context.DeadlineExceeded) {
			r.t.Errorf("the topic holds %d of %d trades", audited, owed)
			return
		}
		fetched.EachRecord(func(record *kgo.Record) {
			audited++
			r.compare(parsed, record, next)
		})
	}
	if audited != r.owed() {
		r.t.Errorf("the topic holds %d records, published were %d", audited, r.owed())
	}
}

// row is the record as a consumer sees it.
type row struct {
	Symbol       string    `avro:"symbol"`
	ID           int64     `avro:"trade_id"`
	Price        []byte    `avro:"price"`
	Quantity     []byte    `avro:"quantity"`
	BuyerIsMaker bool      `avro:"buyer_is_maker"`
	TradedAt     time.Time `avro:"traded_at"`
	EventAt      time.Time `avro:"event_at"`
	ReceivedAt   time.Time `avro:"received_at"`
}

func (r *rig) compare(parsed *avro.Schema, record *kgo.Record, next map[string]int64) {
	r.t.Helper()
	var got row
	if _, err := parsed.Decode(record.Value[schema.HeaderSize:], &got); err != nil {
		r.t.Fatalf("decode offset %d: %v", record.Offset, err)
	}
	if string(record.Key) != got.Symbol {
		r.t.Fatalf("key %q of a trade of %s", record.Key, got.Symbol)
	}
	want, begun := next[got.Symbol]
	if !begun {
		want, _, _ = r.exchange.Ledger().Published(got.Symbol)
	}
	if got.ID != want {
		r.t.Fatalf("%s: id %d where %d was due", got.Symbol, got.ID, want)
	}
	next[got.Symbol] = want + 1
	published := r.source.Trade(got.Symbol, got.ID)
	event := published.EventAt
	if r.exchange.Ledger().ByREST(got.Symbol, got.ID) && got.EventAt.UnixMicro() != event {
		event = published.TradedAt
	}
	if unscaled(got.Price) != int64(published.Price) || unscaled(got.Quantity) != int64(published.Quantity) ||
		got.BuyerIsMaker != published.BuyerIsMaker || got.TradedAt.UnixMicro() != published.TradedAt || got.EventAt.UnixMicro() != event {
		r.t.Fatalf("altered: %+v, published %+v", got, published)
	}
}

// unscaled reads a two's-complement big-endian number.
func unscaled(b []byte) int64 {
	n := int64(int8(b[0]))
	for _, c := range b[1:] {
		n = n<<8 | int64(c)
	}
	return n
}

// syncBuffer takes the log of many goroutines.
type syncBuffer struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (b *syncBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.Write(p)
}

func (b *syncBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.String()
}
