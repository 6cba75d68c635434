package streamer

import (
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"steadfeed/streamer/internal/binance"
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
