package streamer

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"steadfeed/streamer/internal/binance"
	"steadfeed/streamer/internal/kafka"
	"steadfeed/streamer/internal/record"
	"steadfeed/streamer/schema"
)

const (
	// maxChecked bounds the topics that are asked about one by one; with a
	// topic for each symbol the rest is like them.
	maxChecked = 10
	// clockLimit is how far this machine's clock may be from the exchange's
	// before lags and times in records are misleading.
	clockLimit = time.Second
	// certificateWarning is how long before its end a certificate is worth a
	// remark.
	certificateWarning = 14 * 24 * time.Hour
	// listenShare is the share of the time that is left which may go into
	// waiting for trades; judging the silent symbols needs some of it.
	listenShare = 2
)

// Check tries everything that a start needs and writes one line about each to
// w: what is right, what is worth a remark, and what failed, with the reason.
// It changes nothing: no topic is created, no schema registered, no record
// written. It returns whether nothing failed, and takes no longer than ctx.
func Check(ctx context.Context, c Config, w io.Writer) bool {
	c.fill()
	c.Log = slog.New(slog.DiscardHandler) // what fails is said once, in its line
	parts := []*checked{{}, {}, {}}
	var running sync.WaitGroup
	running.Go(func() { parts[0].exchange(ctx, &c) })
	running.Go(func() { parts[1].registry(ctx, &c) })
	running.Go(func() { parts[2].kafka(ctx, &c) })
	running.Wait()
	good := true
	for _, part := range parts {
		good = good && !part.failed
		for _, line := range part.lines {
			fmt.Fprintln(w, line)
		}
	}
	return good
}

// checked is the account of one part of the check.
type checked struct {
	lines  []string
	failed bool
}

func (k *checked) ok(what, seen string, args ...any) { k.say("ok", what, fmt.Sprintf(seen, args...)) }

// note is for what works, or may, and is worth a remark.
func (k *checked) note(what, seen string, args ...any) {
	k.say("note", what, fmt.Sprintf(seen, args...))
}

func (k *checked) fail(what string, err error) {
	k.say("FAILED", what, err.Error())
	k.failed = true
}

func (k *checked) say(outcome, what, seen string) {
	seen = strings.ReplaceAll(strings.TrimSpace(seen), "\n", "; ")
	k.lines = append(k.lines, fmt.Sprintf("%-6s %s: %s", outcome, what, seen))
}

// judge is ok or fail.
func (k *checked) judge(what string, err error, seen string, args ...any) bool {
	if err != nil {
		k.fail(what, err)
		return false
	}
	k.ok(what, seen, args...)
	return true
}

// exchange tries the stream and the REST server.
func (k *checked) exchange(ctx context.Context, c *Config) {
	config, err := c.tlsConfig()
	if err != nil {
		k.fail("certificates of the exchange", err)
		return
	}
	if !c.TLSVerify {
		k.note("certificates of the exchange", "NOT verified (-tls-verify=false)")
	}
	k.reachURL(ctx, c, "REST", c.RESTURL, config, c.Proxy)
	best := ""
	streams := make([]checked, len(c.WebSocketURL))
	for i, address := range c.WebSocketURL {
		if streams[i].reachURL(ctx, c, "stream", address, config, nil) && best == "" {
			best = address
		}
	}
	for i := range streams {
		// One that works is enough for a start.
		if streams[i].failed && best != "" {
			for _, line := range streams[i].lines {
				k.lines = append(k.lines, strings.Replace(line, "FAILED", "note  ", 1))
			}
			continue
		}
		k.lines, k.failed = append(k.lines, streams[i].lines...), k.failed || streams[i].failed
	}

	transport := &http.Transport{DialContext: c.Dial, TLSClientConfig: config, Proxy: c.Proxy}
	defer transport.CloseIdleConnections()
	symbols := c.upperSymbols()
	// All of the weight may be used: it is a handful of requests, once.
	history := binance.NewHistory(binance.HistoryOptions{URL: c.RESTURL, Symbols: symbols, Budget: 1, Seed: c.Seed,
		Client: &http.Client{Transport: transport}, Log: c.Log})
	k.clock(ctx, history)
	if err := history.CheckSymbols(ctx); !k.judge("symbols", err, "all %d listed", len(symbols)) {
		return
	}
	if best != "" {
		k.trades(ctx, c, history, best, config)
	}
	k.history(ctx, history, symbols)
}

func (k *checked) clock(ctx context.Context, history *binance.History) {
	ahead, took, err := history.Clock(ctx)
	switch {
	case err != nil:
		k.fail("clock", err)
	case ahead.Abs() > clockLimit:
		k.note("clock", "%v ahead of the exchange's, more than %v: lags and received_at will be wrong by that", ahead.Round(time.Millisecond), clockLimit)
	default:
		k.ok("clock", "%v ahead of the exchange's, known to %v", ahead.Round(time.Millisecond), (took / 2).Round(time.Millisecond))
	}
}

// trades waits for one trade of each symbol. One that stays silent is asked
// about over REST: silence is right where nothing was traded.
func (k *checked) trades(ctx context.Context, c *Config, history *binance.History, address string, config *tls.Config) {
	const what = "trades on the stream"
	symbols := c.upperSymbols()
	began := time.Now()
	listening, cancel := context.WithTimeout(ctx, remaining(ctx)/listenShare)
	defer cancel()
	first, err := binance.FirstTrades(listening, binance.Options{Symbols: symbols, Dial: c.Dial, TLS: config, Metrics: binance.NewMetrics(prometheus.NewRegistry()), Log: c.Log}, address)
	if err != nil {
		k.fail(what, err)
		return
	}
	var quiet []string
	seen := 0
	for slot, symbol := range symbols {
		if first[slot].Symbol != "" {
			seen++
			continue
		}
		newest, any, err := history.Newest(ctx, slot)
		switch {
		case err != nil:
			k.fail(what+" of "+symbol, fmt.Errorf("none in %v, and whether there was one could not be asked: %w", time.Since(began).Round(time.Millisecond), err))
		case any && time.UnixMicro(newest.TradedAt).After(began.Add(clockLimit)):
			k.fail(what+" of "+symbol, fmt.Errorf("none in %v, but REST has id %d, traded meanwhile", time.Since(began).Round(time.Millisecond), newest.ID))
		case any:
			quiet = append(quiet, fmt.Sprintf("%s (last trade %s)", symbol, time.UnixMicro(newest.TradedAt).UTC().Format(time.RFC3339)))
		default:
			quiet = append(quiet, symbol+" (no trade yet)")
		}
	}
	if seen > 0 {
		k.ok(what, "of %d of %d symbols within %v", seen, len(symbols), time.Since(began).Round(time.Millisecond))
	}
	if len(quiet) > 0 {
		k.note(what, "quiet, as REST says too: %s", strings.Join(quiet, ", "))
	}
}

// history asks for a trade by its id, which is how holes are filled.
func (k *checked) history(ctx context.Context, history *binance.History, symbols []string) {
	what := "history by id"
	for slot, symbol := range symbols {
		newest, any, err := history.Newest(ctx, slot)
		if err != nil {
			k.fail(what, err)
			return
		}
		if !any {
			continue
		}
		// Not the newest itself: the database may lag.
		from := max(newest.ID-binance.HistoryLimit, 0)
		trades, err := history.Trades(ctx, slot, from, 1)
		switch {
		case err != nil:
			k.fail(what, err)
		case len(trades) == 0:
			k.fail(what, fmt.Errorf("nothing of %s from id %d on, although there is id %d", symbol, from, newest.ID))
		default:
			k.ok(what, "%s from id %d: id %d", symbol, from, trades[0].ID)
		}
		return
	}
	k.note(what, "no symbol has traded yet")
}

// registry asks whether the schema is there or could be.
func (k *checked) registry(ctx context.Context, c *Config) {
	config, err := c.registryTLS()
	if err != nil {
		k.fail("certificates of the schema registry", err)
		return
	}
	for _, address := range c.SchemaRegistryURL {
		if c.SchemaRegistryUser != "" && strings.HasPrefix(address, "http:") {
			k.note("credentials for the schema registry", "%s without TLS: the password can be read on the way", address)
		}
		k.reachURL(ctx, c, "schema registry", address, config, c.Proxy)
	}
	transport := &http.Transport{DialContext: c.Dial, Proxy: c.Proxy}
	defer transport.CloseIdleConnections()
	client, err := c.registryClient(transport)
	if err != nil {
		k.fail("schema registry", err)
		return
	}
	for _, topic := range k.some("subjects", c.topics()) {
		subject := schema.Subject(topic)
		registered, err := record.Compatible(ctx, client, subject)
		seen := "would be registered"
		if registered {
			seen = "registered"
		}
		k.judge("schema of "+subject, err, "%s", seen)
	}
}

// some is list, or its beginning with a remark that there is more.
func (k *checked) some(what string, list []string) []string {
	if len(list) > maxChecked {
		k.note(what, "the first %d of %d are looked at", maxChecked, len(list))
		return list[:maxChecked]
	}
	return list
}

// kafka tries the brokers, and asks for every right that is needed.
func (k *checked) kafka(ctx context.Context, c *Config) {
	connection, err := c.kafka()
	if err != nil {
		k.fail("credentials for Kafka", err)
		return
	}
	security := connection.Security
	if security.Mechanism == kafka.Plain && security.TLS == nil {
		k.note("credentials for Kafka", "%s without TLS: the password can be read on the way", kafka.Plain)
	}
	for _, broker := range c.KafkaBrokers {
		k.reach(ctx, c, "broker", broker, security.TLS)
	}
	probe, err := kafka.NewProbe(connection)
	if err != nil {
		k.fail("Kafka", err)
		return
	}
	defer probe.Close()
	as := "without authentication"
	if security.Mechanism != "" {
		as = fmt.Sprintf("with %s as %q", security.Mechanism, security.User)
	}
	if err := probe.Ping(ctx); !k.judge("Kafka", err, "answers, %s", as) {
		return
	}
	topics := 0
	for _, need := range c.rights() {
		what := need.about + " " + need.name
		switch need.about {
		case aboutTopic:
			if topics++; topics > maxChecked {
				continue
			}
			k.topic(ctx, c, probe, need)
		case aboutGroup:
			found, err := probe.Group(ctx, need.name)
			k.allowed(what, need, found, err, "")
		case aboutTransactional:
			k.judge(what, probe.Transactional(ctx, need.name+"check"), "may be written under")
		}
	}
	if topics > maxChecked {
		k.note("topics", "the first %d of %d were looked at", maxChecked, topics)
	}
}

// topic judges one topic: there with the rights that are needed, or to be
// created.
func (k *checked) topic(ctx context.Context, c *Config, probe *kafka.Probe, need right) {
	what := need.about + " " + need.name
	found, err := probe.Topic(ctx, need.name)
	if err == nil && !found.Exists {
		partitions := c.Partitions
		if need.name == c.besideTopic(quarantineSuffix) {
			partitions = 1
		}
		err := probe.CouldCreate(ctx, need.name, partitions, c.ReplicationFactor)
		if err != nil {
			err = fmt.Errorf("does not exist, and could not be created: %w", err)
		}
		k.judge(what, err, "does not exist, and would be created with %d partitions", partitions)
		return
	}
	k.allowed(what, need, found, err, fmt.Sprintf("%d partitions, ", found.Partitions))
}

// allowed judges what the brokers say we may do.
func (k *checked) allowed(what string, need right, found kafka.Found, err error, seen string) {
	switch {
	case err != nil:
		k.fail(what, err)
	case !found.Exists:
		k.ok(what, "does not exist yet, and may be asked about")
	case found.Allowed == nil:
		k.note(what, "%sthe brokers do not say what is allowed", seen)
	default:
		var missing []string
		for _, operation := range need.operations {
			if !slices.Contains(found.Allowed, operation) {
				missing = append(missing, operation)
			}
		}
		if missing != nil {
			err = fmt.Errorf("no right to %s", strings.Join(missing, ", "))
		}
		k.judge(what, err, "%s%s allowed", seen, strings.Join(need.operations, ", "))
	}
}

// reachURL is reach for the host of a URL. Behind a proxy there is nothing to
// reach directly.
func (k *checked) reachURL(ctx context.Context, c *Config, what, address string, config *tls.Config, proxy func(*http.Request) (*url.URL, error)) bool {
	u, err := url.Parse(address)
	if err != nil {
		k.fail(what+" "+address, err)
		return false
	}
	if proxy != nil {
		if via, err := proxy(&http.Request{URL: u}); err == nil && via != nil {
			k.note(what+" "+address, "through the proxy %s", via.Host)
			return true
		}
	}
	secure := u.Scheme == "https" || u.Scheme == "wss"
	if !secure {
		config = nil
	}
	host := u.Host
	if u.Port() == "" {
		port := "80"
		if secure {
			port = "443"
		}
		host = net.JoinHostPort(u.Hostname(), port)
	}
	return k.reach(ctx, c, what, host, config)
}

// reach resolves a name, connects, and judges the certificate, as far as there
// is one (config is nil without TLS).
func (k *checked) reach(ctx context.Context, c *Config, what, addr string, config *tls.Config) bool {
	what += " " + addr
	host, _, err := net.SplitHostPort(addr)
	if err != nil {
		k.fail(what, err)
		return false
	}
	ctx, cancel := context.WithTimeout(ctx, min(dialTimeout, remaining(ctx)/2))
	defer cancel()
	addresses, err := c.Resolve(ctx, host)
	if err != nil {
		k.fail(what, fmt.Errorf("name resolution: %w", err))
		return false
	}
	conn, err := c.Dial(ctx, "tcp", addr)
	if err != nil {
		k.fail(what, fmt.Errorf("connect (%s): %w", strings.Join(addresses, ", "), err))
		return false
	}
	defer conn.Close()
	if config == nil {
		k.ok(what, "connected (%s), no TLS", strings.Join(addresses, ", "))
		return true
	}
	config = config.Clone()
	if config.ServerName == "" {
		config.ServerName = host
	}
	secure := tls.Client(conn, config)
	if err := secure.HandshakeContext(ctx); err != nil {
		k.fail(what, fmt.Errorf("TLS: %w", err))
		return false
	}
	ends := expires(secure.ConnectionState())
	if left := time.Until(ends); left < certificateWarning {
		k.note(what, "connected, TLS, certificate ends %s, in %v", ends.UTC().Format(time.RFC3339), left.Round(time.Minute))
	} else {
		k.ok(what, "connected, TLS, certificate valid until %s", ends.UTC().Format(time.RFC3339))
	}
	return true
}

// expires is when the first certificate of the chain ends.
func expires(state tls.ConnectionState) time.Time {
	chain := state.PeerCertificates
	if len(state.VerifiedChains) > 0 {
		chain = state.VerifiedChains[0]
	}
	return slices.MinFunc(chain, func(a, b *x509.Certificate) int { return a.NotAfter.Compare(b.NotAfter) }).NotAfter
}

// remaining is the time until ctx ends, or a minute when it has no end.
func remaining(ctx context.Context) time.Duration {
	if ends, ok := ctx.Deadline(); ok {
		return time.Until(ends)
	}
	return time.Minute
}

// fill completes c with the real ways to the outside world.
func (c *Config) fill() {
	if c.Dial == nil {
		c.Dial = (&net.Dialer{Timeout: dialTimeout}).DialContext
	}
	if c.Resolve == nil {
		c.Resolve = net.DefaultResolver.LookupHost
	}
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	if c.Memory == nil {
		c.Memory = readMemory
	}
}
