// Package binance is the exchange as the streamer sees it: an endless [Feed] of
// trades across sessions that break, and the [History] from which missing
// trades are fetched by id.
//
// It exists so that everything Binance does (framing, field names, pings,
// limits, status codes) is known here and nowhere else. What it hands on is a
// [Trade]. It keeps no account of which trades were seen: package sequence
// does, and the pipeline acts on it.
//
// Rules of the exchange are cited as "Binance: NAME", a document of
// github.com/binance/binance-spot-api-docs.
package binance

import (
	"context"
	"crypto/tls"
	"errors"
	"log/slog"
	"math/rand/v2"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"
)

const (
	// MaxStreams a session may carry (Binance: web-socket-streams.md).
	MaxStreams = 1024
	// maxURL is kept below 8,004 characters, the longest that was seen to work.
	maxURL = 7900
	// batchSize is how many trades are handed to the pipeline at once, at most.
	// A TLS record holds about 95.
	batchSize = 256
	// batchesPerSession is how many batches a session has in all: one being
	// filled, one being worked on, the rest on their way.
	batchesPerSession = 6
	// Backoff after a session that failed: the first delay and the largest.
	backoffFirst = time.Second
	backoffMax   = time.Minute
	// settledAfter is how long a session must have lived for the next failure
	// to count as the first again. So sessions that work and are cut come back
	// within a second, and ones that end at once stay far below the 300
	// connects in five minutes that the exchange allows (Binance:
	// web-socket-streams.md).
	settledAfter = 10 * time.Second
)

// Options are what a Feed needs. All fields are required.
type Options struct {
	Symbols      []string // upper case
	URLs         []string // of the stream servers, tried in turn, such as wss://stream.binance.com:9443
	Dial         DialFunc
	TLS          *tls.Config
	PingInterval time.Duration
	PongTimeout  time.Duration
	StaleTimeout time.Duration
	Seed         uint64 // of the jitter
	Metrics      *Metrics
	Log          *slog.Logger
	// Rejected is told of each frame that was not taken; it must not keep it.
	Rejected func(why string, frame []byte)
}

// Batch is what came off one session in one go.
type Batch struct {
	Trades   []Trade
	Opened   []int // slots of the session, in the first batch after it opened; no trades then
	Control  int   // frames that were answers or notices
	Rejected int   // frames that were not taken

	home chan<- *Batch
}

func (b *Batch) empty() bool {
	return len(b.Trades) == 0 && b.Opened == nil && b.Control == 0 && b.Rejected == 0
}

// Release gives the batch back to its session; it must not be used after.
func (b *Batch) Release() {
	b.Trades, b.Opened, b.Control, b.Rejected = b.Trades[:0], nil, 0, 0
	b.home <- b
}

// Feed keeps sessions open and merges what they bring.
type Feed struct {
	options Options
	batches chan *Batch
	number  atomic.Int64 // of the newest session
	open    atomic.Int64 // sessions now open
	groups  []group
}

// group is the share of the symbols that one session carries.
type group struct {
	symbols []string
	slots   []int
}

// NewFeed returns a feed that does nothing until Run.
func NewFeed(o Options) *Feed {
	f := &Feed{options: o, groups: groups(o.Symbols)}
	// Unbuffered would do; two let a session go on while one batch is worked on.
	f.batches = make(chan *Batch, 2)
	return f
}

// groups divides symbols into as few sessions as the limits allow.
func groups(symbols []string) []group {
	var all []group
	length := 0
	for slot, symbol := range symbols {
		size := len(symbol) + len("@trade/")
		if len(all) == 0 || len(all[len(all)-1].symbols) == MaxStreams || length+size > maxURL {
			all = append(all, group{})
			length = 200 // the rest of the URL
		}
		g := &all[len(all)-1]
		g.symbols = append(g.symbols, symbol)
		g.slots = append(g.slots, slot)
		length += size
	}
	return all
}

// Batches is where trades arrive. Each batch must be released.
func (f *Feed) Batches() <-chan *Batch { return f.batches }

// Connected tells whether every symbol is on an open session.
func (f *Feed) Connected() bool { return f.open.Load() == int64(len(f.groups)) }

// Run keeps the sessions open until ctx ends, and returns nil when all are closed.
func (f *Feed) Run(ctx context.Context) error {
	var running errgroup.Group
	for i, g := range f.groups {
		running.Go(func() error {
			f.keep(ctx, i, g)
			return nil
		})
	}
	return running.Wait()
}

// keep opens one session after another for g. It never gives up.
func (f *Feed) keep(ctx context.Context, index int, g group) {
	jitter := rand.New(rand.NewPCG(f.options.Seed, uint64(index)))
	free := make(chan *Batch, batchesPerSession)
	for range batchesPerSession {
		free <- &Batch{Trades: make([]Trade, 0, batchSize), home: free}
	}
	for failures, url := 0, 0; ; {
		base := f.options.URLs[url%len(f.options.URLs)]
		began := time.Now()
		reason, err := f.session(ctx, base, g, free)
		if ctx.Err() != nil {
			return
		}
		if time.Since(began) >= settledAfter {
			failures = 0
		}
		delay := backoff(jitter, failures, err)
		failures++
		f.options.Metrics.ReconnectDelay.Set(delay.Seconds())
		if err != nil {
			url++
			f.options.Metrics.ConnectionErrors.Inc()
			f.options.Log.Warn("no session: "+err.Error(), "url", base, "retry_in", delay)
		} else {
			f.options.Metrics.Reconnects.WithLabelValues(string(reason.Kind)).Inc()
			f.options.Log.Warn("session ended: "+reason.String(), "url", base, "lived", time.Since(began).Round(time.Millisecond), "retry_in", delay)
		}
		select {
		case <-ctx.Done():
			return
		case <-time.After(delay):
		}
	}
}

// session opens one session and reads it to its end.
func (f *Feed) session(ctx context.Context, base string, g group, free chan *Batch) (EndReason, error) {
	o := &f.options
	conn, wire, err := dial(ctx, o, streamURL(base, g.symbols))
	if err != nil {
		return EndReason{}, err
	}
	number := f.number.Add(1)
	s := &session{
		number: number, slots: g.slots, conn: conn, wire: wire, options: o, decoder: newDecoder(o.Symbols),
		log: o.Log.With("session", number), out: f.batches, free: free,
		frame: make([]byte, 0, initialFrameSize), epoch: time.Now(),
	}
	wire.session = s
	s.log.Info("session opened", "url", base, "streams", len(g.symbols))
	if err := s.announce(ctx); err != nil {
		conn.Close()
		return EndReason{}, err
	}
	o.Metrics.Status.Set(boolean(f.open.Add(1) == int64(len(f.groups))))
	reason := s.run(ctx)
	f.open.Add(-1)
	o.Metrics.Status.Set(0)
	o.Metrics.Lifetime.Observe(time.Since(s.epoch).Seconds())
	return reason, nil
}

// announce tells the pipeline which streams begin anew, so that it can look
// for what was missed on a stream that stays quiet.
func (s *session) announce(ctx context.Context) error {
	if err := s.refill(ctx); err != nil {
		return err
	}
	s.batch.Opened = s.slots
	return s.hand(ctx)
}

// backoff is how long to wait after the given number of failures before: full
// jitter below a limit that doubles, so that many clients of a server that
// comes back do not come back at once. A refusal that names a time, or that
// will not change soon, is waited for longer.
func backoff(jitter *rand.Rand, failures int, err error) time.Duration {
	limit := backoffMax
	if failures < 6 {
		limit = min(backoffMax, backoffFirst<<failures)
	}
	delay := time.Duration(jitter.Int64N(int64(limit)) + 1)
	var refused *refusal
	if errors.As(err, &refused) {
		switch refused.Status {
		case 403, 418, 429, 451:
			delay += backoffMax
		}
		delay = max(delay, refused.RetryAfter)
	}
	return delay
}

func boolean(b bool) float64 {
	if b {
		return 1
	}
	return 0
}

// Overlapping tells whether a second session of the symbol in slot is open.
func (f *Feed) Overlapping(slot int) bool { return false }

// Suspect asks for the session of the symbol in slot to be replaced.
func (f *Feed) Suspect(slot int) {}
