// Package streamer carries the trades of Binance spot symbols into Kafka:
// complete, unique, in the order of their ids, and unaltered, through whatever
// happens to the connection, in flat memory.
//
// [Run] does all of it. The packages below internal are its parts, named after
// what they talk to: binance (sessions and history of the exchange), sequence
// (which ids were seen), record (Avro and the schema registry), kafka (records
// in flight). This package wires them and holds the one loop that every trade
// passes (pipeline.go).
//
// Everything between the socket and Kafka's acknowledgement takes its way to
// the outside world from Config, uses the plain time package and holds no
// mutex while it waits, so that it runs unchanged in testing/synctest.
package streamer

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"steadfeed/streamer/internal/binance"
	"steadfeed/streamer/internal/kafka"
	"steadfeed/streamer/internal/record"
	"steadfeed/streamer/schema"
)

const (
	// startRetry is the pause between attempts to reach Kafka or the registry
	// at the start.
	startRetry = 2 * time.Second
	// tlsReminder is how often a streamer that does not verify certificates
	// says so again.
	tlsReminder = time.Hour
	// readHeaderTimeout guards the status address against clients that never
	// finish their request.
	readHeaderTimeout = 5 * time.Second
	// dialTimeout bounds a connection attempt to any server.
	dialTimeout = 10 * time.Second
	// registryTimeout bounds a call to the schema registry.
	registryTimeout = 10 * time.Second
)

// Run carries trades until stop is closed, and then drains: it ends the
// sessions, fetches what is missing, waits until Kafka has acknowledged every
// record, and returns nil, or an error that says what it could not finish
// within c.DrainTimeout. When ctx ends it returns at once.
//
// Kafka or the schema registry away is waited for. What returns an error before
// anything is streamed is a setting that can't work: an invalid one, a port in
// use, a symbol that the exchange does not list.
func Run(ctx context.Context, stop <-chan struct{}, c Config) error {
	if err := c.Validate(); err != nil {
		return err
	}
	c.fill()
	s := &status{config: &c, began: time.Now(), metrics: newMetrics(), starting: "settings"}
	listener := c.Listener
	if listener == nil {
		var err error
		if listener, err = net.Listen("tcp", c.HTTP); err != nil {
			return fmt.Errorf("-http %s: %w", c.HTTP, err)
		}
	}
	server := &http.Server{Handler: s.handler(), ReadHeaderTimeout: readHeaderTimeout, ErrorLog: slog.NewLogLogger(c.Log.Handler(), slog.LevelWarn)}

	running, ctx := errgroup.WithContext(ctx)
	running.Go(func() error {
		if err := server.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
			return fmt.Errorf("serve %s: %w", listener.Addr(), err)
		}
		return nil
	})
	running.Go(func() error {
		defer server.Close()
		ctx, cancel := context.WithCancel(ctx)
		var looking sync.WaitGroup
		defer looking.Wait()
		defer cancel()
		looking.Go(func() { newMemory(s.metrics.registry, c.Memory, c.Log).run(ctx) })
		return carry(ctx, stop, &c, s)
	})
	return running.Wait()
}

// carry builds the parts, runs them, and returns when all have ended.
func carry(ctx context.Context, stop <-chan struct{}, c *Config, s *status) error {
	tlsConfig, err := c.tlsConfig()
	if err != nil {
		return err
	}
	symbols := c.upperSymbols()
	transport := &http.Transport{DialContext: c.Dial, TLSClientConfig: tlsConfig, Proxy: c.Proxy, ForceAttemptHTTP2: true, MaxIdleConns: 4, IdleConnTimeout: time.Minute}
	defer transport.CloseIdleConnections()
	history := binance.NewHistory(binance.HistoryOptions{URL: c.RESTURL, Symbols: symbols, Budget: c.RESTBudget, Seed: c.Seed,
		Client: &http.Client{Transport: transport}, Log: c.Log})
	registryTransport := &http.Transport{DialContext: c.Dial, Proxy: c.Proxy, MaxIdleConns: 2, IdleConnTimeout: time.Minute}
	defer registryTransport.CloseIdleConnections()
	registry, err := c.registryClient(registryTransport)
	if err != nil {
		return err
	}
	security, err := c.kafkaSecurity()
	if err != nil {
		return err
	}
	quarantine, err := newQuarantine(c, security, s.metrics)
	if err != nil {
		return err
	}
	defer closeQuarantine(ctx, quarantine, c.Log)
	encoder, err := record.NewEncoder(registry, c.SerializerCacheSize, s.metrics.evictions.Inc)
	if err != nil {
		return err
	}
	p := &pipeline{encoder: encoder, metrics: s.metrics, log: c.Log, repairs: newRepairs(history, len(symbols), c.Log)}
	for slot, symbol := range symbols {
		topic := c.topicOf(symbol)
		p.lanes = append(p.lanes, &lane{slot: slot, symbol: symbol, key: []byte(symbol), topic: topic, subject: schema.Subject(topic), metrics: s.metrics.lane(symbol)})
	}
	p.writer, err = kafka.NewWriter(kafka.Options{Brokers: c.KafkaBrokers, Linger: c.Linger, Dial: c.Dial, Security: security, Log: c.Log,
		OnAck: p.acked, OnRetry: s.metrics.retried.Inc})
	if err != nil {
		return err
	}
	defer p.writer.Close()
	s.metrics.watch(p.writer, encoder)
	s.metrics.tlsVerify.Set(1)
	if !c.TLSVerify {
		s.metrics.tlsVerify.Set(0)
		c.Log.Warn("the exchange's certificate is NOT verified: anyone on the way can read and change trades")
	}

	if err := start(ctx, stop, c, s, p, history); err != nil {
		if errors.Is(err, errStopped) {
			return nil
		}
		return err
	}
	p.feed = binance.NewFeed(binance.Options{Symbols: symbols, URLs: c.WebSocketURL, Dial: c.Dial, TLS: tlsConfig,
		PingInterval: c.PingInterval, PongTimeout: c.PongTimeout, StaleTimeout: c.StaleTimeout, Seed: c.Seed,
		Metrics: s.metrics.binance, Log: c.Log, Rejected: rejectFrame(s, quarantine)})
	p.beat.Store(time.Now().Unix())
	s.serve(p)
	s.waitFor("")
	return p.together(ctx, stop, c, s)
}

// together runs the sessions, the repairs and the pipeline, and returns what
// the pipeline returned after the others have ended.
func (p *pipeline) together(ctx context.Context, stop <-chan struct{}, c *Config, s *status) error {
	ctx, cancel := context.WithCancel(ctx)
	var beside errgroup.Group
	defer beside.Wait()
	defer cancel()
	feedCtx, stopFeed := context.WithCancel(ctx)
	defer stopFeed()
	feeding := make(chan struct{})
	beside.Go(func() error {
		defer close(feeding)
		return p.feed.Run(feedCtx)
	})
	beside.Go(func() error { return p.repairs.run(ctx) })
	if !c.TLSVerify {
		beside.Go(func() error { remind(ctx, c.Log); return nil })
	}
	return p.run(ctx, stop, func() {
		s.drain()
		stopFeed()
		<-feeding
	}, c.DrainTimeout)
}

// remind repeats the warning about certificates until ctx ends.
func remind(ctx context.Context, log *slog.Logger) {
	tick := time.NewTicker(tlsReminder)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
			log.Warn("the exchange's certificate is still NOT verified")
		}
	}
}

// errStopped is why a start ended when it was told to.
var errStopped = errors.New("stopped while starting")

// start waits until everything that trades need is there: listed symbols, the
// topics, and the schema ids. Only an unlisted symbol is an error: the exchange
// would stay silent about it for ever.
func start(ctx context.Context, stop <-chan struct{}, c *Config, s *status, p *pipeline, history *binance.History) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	over := make(chan struct{})
	defer close(over)
	go func() {
		select {
		case <-stop:
			cancel(errStopped)
		case <-over:
		}
	}()
	err := func() error {
		s.waitFor("symbols at " + c.RESTURL)
		switch err := history.CheckSymbols(ctx); {
		case errors.Is(err, binance.ErrNotListed):
			return fmt.Errorf("-symbols: %w", err)
		case err != nil && ctx.Err() == nil:
			c.Log.Warn("whether the exchange lists all symbols could not be asked: "+err.Error(), "url", c.RESTURL)
		}
		for _, l := range p.lanes {
			s.waitFor("Kafka at " + fmt.Sprint(c.KafkaBrokers))
			if err := retry(ctx, c.Log, startRetry, func() error {
				return p.writer.EnsureTopic(ctx, l.topic, c.Partitions, c.ReplicationFactor)
			}); err != nil {
				return err
			}
			s.waitFor("schema registry at " + fmt.Sprint(c.SchemaRegistryURL))
			if err := p.prepare(ctx, l.subject); err != nil {
				return err
			}
			if c.Topic == l.topic {
				break // one topic for all
			}
		}
		return ctx.Err()
	}()
	if cause := context.Cause(ctx); errors.Is(cause, errStopped) {
		return errStopped
	}
	return err
}

// acked takes Kafka's acknowledgement of one record.
func (p *pipeline) acked(r *kafka.Record, at int64) {
	p.acknowledged.Add(1)
	p.lanes[r.Slot].ackedID.Store(r.ID)
	p.metrics.acknowledged(r, at)
}
