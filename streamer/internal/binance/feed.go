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
	"log/slog"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"
	"golang.org/x/time/rate"
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
	// connectsPerWindow is how often an address may try to connect within
	// connectWindow (Binance: web-socket-streams.md). All groups together stay
	// below it, whenever the window begins: connectBurst at once, and then so
	// few that both sum up to less.
	connectsPerWindow = 300
	connectWindow     = 5 * time.Minute
	connectBurst      = 50
	connectReserve    = 10 // for others behind the same address
)

// Options are what a Feed needs. All fields are required.
type Options struct {
	Symbols      []string // upper case
	URLs         []string // of the stream servers, best first, such as wss://stream.binance.com:9443
	Dial         DialFunc
	TLS          *tls.Config
	PingInterval time.Duration
	PongTimeout  time.Duration
	StaleTimeout time.Duration
	// RotationInterval is the time between planned replacements of a session,
	// counted from the start of the feed; 0: only for other reasons.
	RotationInterval time.Duration
	Seed             uint64 // of the jitter
	Metrics          *Metrics
	Log              *slog.Logger
	// Rejected is told of each frame that was not taken; it must not keep it.
	Rejected func(why string, frame []byte)
	// LastID returns the highest id known of the symbol in slot, 0 for none.
	// It is called from several goroutines.
	LastID func(slot int) int64
	// Newest returns the newest trade that the exchange has of the symbol in
	// slot; ok is false when it has none. It is called from several goroutines.
	Newest func(ctx context.Context, slot int) (t Trade, ok bool, err error)
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
	options   Options
	batches   chan *Batch
	number    atomic.Int64 // of the newest session
	open      atomic.Int64 // groups that have a session
	endpoints *endpoints
	connects  *rate.Limiter
	carriers  []*carrier
	carrierOf []*carrier // by slot
}

// NewFeed returns a feed that does nothing until Run.
func NewFeed(o Options) *Feed {
	perWindow := connectsPerWindow - connectBurst - connectReserve
	f := &Feed{options: o, endpoints: newEndpoints(o.URLs),
		connects: rate.NewLimiter(rate.Limit(perWindow)/rate.Limit(connectWindow.Seconds()), connectBurst)}
	// Unbuffered would do; two let a session go on while one batch is worked on.
	f.batches = make(chan *Batch, 2)
	for i, g := range groups(o.Symbols) {
		c := newCarrier(f, i, g)
		f.carriers = append(f.carriers, c)
		for range g.slots {
			f.carrierOf = append(f.carrierOf, c)
		}
	}
	return f
}

// group is the share of the symbols that one session carries. Its slots are
// consecutive.
type group struct {
	symbols []string
	slots   []int
}

// groups divides symbols into as few sessions as the limits allow.
func groups(symbols []string) []group {
	var all []group
	length := 0
	for slot, symbol := range symbols {
		size := len(streamName(symbol)) + len("/")
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
func (f *Feed) Connected() bool { return f.open.Load() == int64(len(f.carriers)) }

// Overlapping tells whether a second session streams the symbol in slot too:
// what one of them has not brought the other may.
func (f *Feed) Overlapping(slot int) bool { return f.carrierOf[slot].overlapping.Load() }

// Suspect asks for another session in place of the one that carries slot,
// whose stream seems to be silent though the symbol is traded. It never waits,
// and is safe from any goroutine. A group is not rotated so more often than
// once in five minutes; asking meanwhile has no effect.
func (f *Feed) Suspect(slot int) {
	select {
	case f.carrierOf[slot].suspected <- struct{}{}:
	default:
	}
}

// Run keeps the sessions open until ctx ends, and returns nil when all are closed.
func (f *Feed) Run(ctx context.Context) error {
	var running errgroup.Group
	start := time.Now()
	for _, c := range f.carriers {
		running.Go(func() error {
			c.run(ctx, start)
			return nil
		})
	}
	return running.Wait()
}

// opening is what came of an attempt to open a session: a session or an error.
type opening struct {
	session  *session
	endpoint int
	err      error
}

// dial opens a session for g, which its caller has to run. It waits while too
// many were tried of late.
func (f *Feed) dial(ctx context.Context, g group, free <-chan *Batch) opening {
	if err := f.connects.Wait(ctx); err != nil {
		return opening{err: err}
	}
	o := &f.options
	at := f.endpoints.choose(time.Now())
	url := o.URLs[at]
	conn, wire, err := dial(ctx, o, streamURL(url, g.symbols))
	if err != nil {
		return opening{endpoint: at, err: err}
	}
	number := f.number.Add(1)
	s := &session{
		number: number, endpoint: at, slots: g.slots, conn: conn, wire: wire, options: o, decoder: newDecoder(o.Symbols),
		log: o.Log.With("session", number), out: f.batches, free: free,
		frame: make([]byte, 0, initialFrameSize), opened: time.Now(),
		pinged: make(chan struct{}, 1), over: make(chan struct{}), onAlive: func() { f.endpoints.succeeded(at) },
		heard: make([]atomic.Bool, len(g.slots)), complete: make(chan struct{}), known: make([]int64, len(g.slots)),
	}
	wire.session = s
	s.unheard.Store(int32(len(g.slots)))
	// Before anything is read on it: what is known now, others brought.
	for i, slot := range g.slots {
		s.known[i] = o.LastID(slot)
	}
	s.log.Info("session opened", "url", url, "streams", len(g.symbols))
	return opening{session: s, endpoint: at}
}

// opened counts the groups that have a session; by is 1 or -1.
func (f *Feed) opened(by int64) {
	status := 0.0
	if f.open.Add(by) == int64(len(f.carriers)) {
		status = 1
	}
	f.options.Metrics.Status.Set(status)
}
