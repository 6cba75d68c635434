// Package streamer carries the trades of Binance spot symbols into Kafka:
// complete, unique, in the order of their ids, and unaltered, through whatever
// happens to the connection, in flat memory.
//
// [Run] does all of it. The packages below internal are its parts, named after
// what they talk to: binance (sessions and history of the exchange), sequence
// (which ids were seen), record (Avro and the schema registry), kafka (who owns
// which partition, and what is in it). This package wires them and holds the
// two loops that every trade passes: intake.go, which takes what comes off the
// sessions, and partition.go, one for each partition that is ours.
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
	"maps"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/sr"
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
// sessions, makes visible in Kafka what they brought, hands its partitions to
// the others of its group, and returns nil, or an error that says what it could
// not finish within c.DrainTimeout. When ctx ends it returns at once. Either
// way the next owner goes on where Kafka says that this one ended.
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

// parts are what a streamer is made of.
type parts struct {
	*shared
	intake     *intake
	partitions map[place]*partition
	topics     []string
	history    *binance.History
	registry   *sr.Client
	encoder    *record.Encoder
}

// place is a partition of a topic.
type place struct {
	topic     string
	partition int32
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
	p := &parts{partitions: map[place]*partition{}, shared: &shared{config: c, metrics: s.metrics, log: c.Log, recent: newRecent(len(symbols))}}
	if p.connection, err = c.kafka(); err != nil {
		return err
	}
	if p.quarantine, err = newQuarantine(c, p.connection, s.metrics); err != nil {
		return err
	}
	defer closeQuarantine(ctx, p.quarantine, c.Log)
	p.history = binance.NewHistory(binance.HistoryOptions{URL: c.RESTURL, Symbols: symbols, Budget: c.RESTBudget, Seed: c.Seed,
		Client: &http.Client{Transport: transport}, Log: c.Log, Rejected: rejectRow(p.quarantine)})
	p.repairs = newRepairs(p.history, len(symbols), c.Log)
	registryTransport := &http.Transport{DialContext: c.Dial, Proxy: c.Proxy, MaxIdleConns: 2, IdleConnTimeout: time.Minute}
	defer registryTransport.CloseIdleConnections()
	if p.registry, err = c.registryClient(registryTransport); err != nil {
		return err
	}
	if p.encoder, err = record.NewEncoder(p.registry, c.SerializerCacheSize, s.metrics.evictions.Inc); err != nil {
		return err
	}
	p.decoder = record.NewDecoder(p.registry)
	s.metrics.tlsVerify.Set(1)
	if !c.TLSVerify {
		s.metrics.tlsVerify.Set(0)
		c.Log.Warn("the exchange's certificate is NOT verified: anyone on the way can read and change trades")
	}
	p.feed = binance.NewFeed(binance.Options{Symbols: symbols, URLs: c.WebSocketURL, Dial: c.Dial, TLS: tlsConfig,
		PingInterval: c.PingInterval, PongTimeout: c.PongTimeout, StaleTimeout: c.StaleTimeout,
		RotationInterval: c.RotationInterval, Seed: c.Seed, Metrics: s.metrics.binance, Log: c.Log, Rejected: rejectFrame(s, p.quarantine),
		LastID: func(slot int) int64 { return p.all[slot].lastID.Load() }, Newest: p.history.Newest})
	for slot, symbol := range symbols {
		topic := c.topicOf(symbol)
		p.all = append(p.all, &lane{slot: slot, symbol: symbol, key: []byte(symbol), topic: topic, subject: schema.Subject(topic), metrics: s.metrics.lane(symbol)})
	}
	p.intake = &intake{feed: p.feed, recent: p.recent, lanes: p.all, metrics: s.metrics}
	if err := p.start(ctx, stop, s); err != nil {
		if errors.Is(err, errStopped) {
			return nil
		}
		return err
	}
	p.intake.beat.Store(time.Now().Unix())
	s.metrics.watch(slices.Collect(maps.Values(p.partitions)), p.shared, p.encoder)
	s.serve(p)
	s.waitFor("")
	return p.run(ctx, stop, s)
}

// run carries trades until stop is closed, and then drains; or until ctx ends,
// or something fails for good.
func (p *parts) run(ctx context.Context, stop <-chan struct{}, s *status) error {
	ctx, cancel := context.WithCancelCause(ctx)
	p.life, p.fail = ctx, cancel
	feeding, stopFeed := context.WithCancel(ctx)
	defer stopFeed()
	owning, stopOwning := context.WithCancel(ctx)
	defer stopOwning()
	ended := make(chan struct{}) // the sessions are gone
	group := kafka.NewGroup(kafka.GroupOptions{Connection: p.connection, Topics: p.topics, Name: p.config.Group, InstanceID: p.config.InstanceID,
		Share: p.config.Share, SessionTimeout: p.config.SessionTimeout, HeartbeatInterval: p.config.HeartbeatInterval})

	var beside errgroup.Group
	beside.Go(func() error {
		defer close(ended)
		return p.feed.Run(feeding)
	})
	beside.Go(func() error { return p.repairs.run(ctx) })
	if !p.config.TLSVerify {
		beside.Go(func() error { remind(ctx, p.log); return nil })
	}
	beside.Go(func() error {
		defer stopOwning() // what the sessions brought is where the partitions find it
		return p.intake.run(ctx, ended)
	})
	beside.Go(func() error {
		select {
		case <-stop:
		case <-ctx.Done():
			return nil
		}
		s.drain()
		p.draining.Store(true)
		p.log.Info("draining", "timeout", p.config.DrainTimeout)
		limit := time.AfterFunc(p.config.DrainTimeout, func() { cancel(p.undrained()) })
		defer limit.Stop()
		stopFeed()
		<-ctx.Done()
		return nil
	})
	err := group.Run(owning, p.own)
	if ctx.Err() != nil {
		err = context.Cause(ctx)
	} else {
		p.log.Info("drained")
	}
	cancel(nil)
	_ = beside.Wait() // they end with ctx, and err says why that ended
	return err
}

// own carries the trades of one partition for as long as the group leaves it
// to this process.
func (p *parts) own(ctx context.Context, t *kafka.Tenure) {
	if mine := p.partitions[place{t.Topic, t.Partition}]; mine != nil {
		mine.own(ctx, t)
	}
}

// undrained says what a drain could not finish.
func (p *parts) undrained() error {
	var unfinished []string
	for at, mine := range p.partitions {
		if mine.wanted.Load() {
			unfinished = append(unfinished, fmt.Sprintf("%d of %s", at.partition, at.topic))
		}
	}
	slices.Sort(unfinished)
	return fmt.Errorf("drain: after %v not all that was received is visible in Kafka, in %d partitions (%s); the next owner fetches it",
		p.config.DrainTimeout, len(unfinished), strings.Join(unfinished, ", "))
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

// start waits until everything that trades need is there, and divides the
// symbols among the partitions. stop ends it.
func (p *parts) start(ctx context.Context, stop <-chan struct{}, s *status) error {
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
	err := p.prepare(ctx, s)
	if cause := context.Cause(ctx); errors.Is(cause, errStopped) {
		return errStopped
	}
	return err
}

// prepare waits for listed symbols, the topics, and the schema ids. An unlisted
// symbol is an error, because the exchange would stay silent about it for ever.
func (p *parts) prepare(ctx context.Context, s *status) error {
	c := p.config
	s.waitFor("symbols at " + c.RESTURL)
	switch err := p.history.CheckSymbols(ctx); {
	case errors.Is(err, binance.ErrNotListed):
		return fmt.Errorf("-symbols: %w", err)
	case err != nil && ctx.Err() == nil:
		c.Log.Warn("whether the exchange lists all symbols could not be asked: "+err.Error(), "url", c.RESTURL)
	}
	admin, err := kafka.NewAdmin(p.connection)
	if err != nil {
		return err
	}
	defer admin.Close()
	of := map[string]int32{} // partitions, by topic
	for _, l := range p.all {
		if of[l.topic] == 0 {
			if of[l.topic], err = p.prepareTopic(ctx, s, admin, l); err != nil {
				return err
			}
			p.topics = append(p.topics, l.topic)
			for number := range of[l.topic] {
				p.partitions[place{l.topic, number}] = &partition{shared: p.shared, topic: l.topic, number: number, of: of[l.topic], encoder: p.encoder.Share()}
			}
		}
		home := p.partitions[place{l.topic, kafka.PartitionOf(l.key, of[l.topic])}]
		home.lanes = append(home.lanes, l)
	}
	return ctx.Err()
}

// prepareTopic waits for the topic of a lane, the topic of its snapshots, and
// its schema id, and returns how many partitions it has.
func (p *parts) prepareTopic(ctx context.Context, s *status, admin *kafka.Admin, l *lane) (partitions int32, err error) {
	c := p.config
	s.waitFor("Kafka at " + fmt.Sprint(c.KafkaBrokers))
	ensure := func(topic string, want int, configs map[string]*string) (have int32, err error) {
		err = retry(ctx, c.Log, startRetry, func() (err error) {
			have, err = admin.EnsureTopic(ctx, topic, want, c.ReplicationFactor, configs)
			return p.connection.Security.Explain(err)
		})
		return have, err
	}
	if partitions, err = ensure(l.topic, c.Partitions, nil); err != nil {
		return 0, err
	}
	snapshots, err := ensure(snapshotsOf(l.topic), int(partitions), kafka.SnapshotConfigs())
	if err != nil {
		return 0, err
	}
	if snapshots != partitions {
		return 0, fmt.Errorf("topic %s has %d partitions and %s has %d: %w", l.topic, partitions, snapshotsOf(l.topic), snapshots, kafka.ErrPartitions)
	}
	s.waitFor("schema registry at " + fmt.Sprint(c.SchemaRegistryURL))
	err = retry(ctx, c.Log, startRetry, func() error { return p.encoder.Prepare(ctx, l.subject) })
	if id, ok := p.encoder.SchemaID(l.subject); ok {
		p.decoder.Know(id) // so that resuming needs no registry
	}
	return partitions, err
}

// retry calls attempt until it succeeds or ctx ends, and says once a failure
// why it has to wait.
func retry(ctx context.Context, log *slog.Logger, pause time.Duration, attempt func() error) error {
	for {
		err := attempt()
		if err == nil || errors.Is(err, record.ErrRefused) {
			return err
		}
		if ctx.Err() != nil {
			return ctx.Err()
		}
		log.Warn(err.Error(), "retry_in", pause)
		if !sleep(ctx, pause) {
			return ctx.Err()
		}
	}
}
