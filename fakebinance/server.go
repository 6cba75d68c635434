package fakebinance

import (
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/gorilla/websocket"
)

// Options say how a Server behaves. The zero value of each is a sensible default.
type Options struct {
	Source Source // what it publishes; nil: a market of three symbols, by Seed
	Seed   uint64 // of what faults draw by lot

	Listener net.Listener // nil: one on 127.0.0.1 with a free port
	TLS      bool         // serve wss and https with a certificate signed by an authority made at New

	// Certificate is what the server's certificate is: CertificateGood ("") or
	// one of those that a client has to refuse.
	Certificate string

	// FlatOut ignores when trades are due and publishes as fast as sessions
	// take them, for benchmarks. A session that can't keep up then blocks the
	// publisher in place of being cut.
	FlatOut bool

	PingInterval    time.Duration // 0: 20 s
	PongTimeout     time.Duration // 0: 1 min
	RESTWeightLimit int           // a minute; 0: 6000

	// KeepAfterError leaves a session open after the answer to a request that
	// could not be understood. The exchange was seen to end it, but does not
	// document that, and some clients count on the contrary.
	KeepAfterError bool

	Switches Switches // of further rules

	Logger *slog.Logger // nil: none
}

// The documented defaults of the exchange.
const (
	defaultPingInterval    = 20 * time.Second
	defaultPongTimeout     = time.Minute
	defaultRESTWeightLimit = 6000
)

// The market of a server without a Source.
const (
	defaultSymbols = "BTCUSDT ETHUSDT BNBUSDT"
	defaultRate    = 50 // trades a second and symbol, near the mean of BTCUSDT
)

// headTimeout is how long a client may take to say what it wants.
const headTimeout = 10 * time.Second

func (o *Options) complete() error {
	if o.Source == nil {
		market, err := NewMarket(MarketOptions{Seed: o.Seed, Symbols: strings.Fields(defaultSymbols), Rate: defaultRate, Start: time.Now()})
		if err != nil {
			return err
		}
		if o.Source, err = NewHalts(market); err != nil {
			return err
		}
	}
	if len(o.Source.Symbols()) == 0 {
		return errors.New("make server: the source has no symbols")
	}
	if o.Certificate != "" && !o.TLS {
		return fmt.Errorf("make server: certificate %q without TLS", o.Certificate)
	}
	if o.PingInterval < 0 || o.PongTimeout < 0 || o.RESTWeightLimit < 0 {
		return errors.New("make server: a negative interval, timeout or limit")
	}
	if o.PingInterval == 0 {
		o.PingInterval = defaultPingInterval
	}
	if o.PongTimeout == 0 {
		o.PongTimeout = defaultPongTimeout
	}
	if o.RESTWeightLimit == 0 {
		o.RESTWeightLimit = defaultRESTWeightLimit
	}
	if err := o.Switches.complete(); err != nil {
		return err
	}
	if o.Switches.OldPings {
		o.PingInterval, o.PongTimeout = oldPingInterval, oldPongTimeout
	}
	o.PingInterval = o.Switches.compressed(o.PingInterval)
	o.PongTimeout = o.Switches.compressed(o.PongTimeout)
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	return nil
}

// Server is a fake exchange that listens on one address for WebSocket and REST.
type Server struct {
	options   Options
	listener  net.Listener
	authority *authority // nil without TLS
	http      *http.Server
	publisher *publisher
	ledger    *Ledger
	addresses addresses
	faults    injections
	door      door
	lost      lostTrades
	lagging   atomic.Pointer[restLag]
	clock     atomic.Pointer[wrongClock]
	opened    time.Time

	sessions atomic.Int64   // opened so far
	running  sync.WaitGroup // the publisher, the HTTP server, requests and sessions
	closing  sync.Once

	mu     sync.Mutex
	closed bool // no further request is served
}

// New makes a server that listens and serves. It publishes nothing before
// Start.
func New(options Options) (*Server, error) {
	if err := options.complete(); err != nil {
		return nil, err
	}
	s := &Server{
		options:  options,
		listener: options.Listener,
		ledger:   newLedger(options.Source),
		opened:   time.Now(),
	}
	s.addresses = addresses{rules: &s.options.Switches, limit: options.RESTWeightLimit, known: make(map[string]*address)}
	if s.listener == nil {
		listener, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			return nil, fmt.Errorf("make server: %w", err)
		}
		s.listener = listener
	}
	serving := net.Listener(doorListener{s.listener, &s.door})
	if options.TLS {
		config, err := s.certify()
		if err != nil {
			_ = s.listener.Close()
			return nil, fmt.Errorf("make server: %w", err)
		}
		serving = tls.NewListener(serving, config)
	}
	s.publisher = newPublisher(options.Source, s.ledger, options.FlatOut)
	s.http = &http.Server{
		Handler:           http.HandlerFunc(s.serve),
		ReadHeaderTimeout: headTimeout,
		ErrorLog:          slog.NewLogLogger(options.Logger.Handler(), slog.LevelDebug),
	}
	s.running.Go(s.publisher.run)
	s.running.Go(func() {
		if err := s.http.Serve(serving); !errors.Is(err, http.ErrServerClosed) {
			options.Logger.Error("serve", "address", s.listener.Addr(), "err", err)
		}
	})
	return s, nil
}

// certify makes the authority and a certificate for the listener's address.
func (s *Server) certify() (*tls.Config, error) {
	authority, err := newAuthority()
	if err != nil {
		return nil, err
	}
	certificate, err := authority.certificate(s.options.Certificate, s.host(), expiringLife)
	if err != nil {
		return nil, err
	}
	s.authority = authority
	// Without HTTP/2, over which gorilla's sessions could not run.
	return &tls.Config{NextProtos: []string{"http/1.1"}, GetCertificate: func(*tls.ClientHelloInfo) (*tls.Certificate, error) {
		for _, f := range s.door.all() {
			if bad, ok := f.(*badCertificate); ok && active(bad) {
				return bad.show()
			}
		}
		return &certificate, nil
	}}, nil
}

// host is the name or address of the listener.
func (s *Server) host() string {
	host, _, err := net.SplitHostPort(s.listener.Addr().String())
	if err != nil {
		return "" // a network whose addresses have no ports
	}
	return host
}

// serve takes every HTTP request: those below /api to REST, the others to
// sessions.
func (s *Server) serve(w http.ResponseWriter, r *http.Request) {
	if !s.enter() {
		http.Error(w, "", http.StatusServiceUnavailable)
		return
	}
	defer s.running.Done()
	if s.door.meet(w, r) {
		return
	}
	if isREST(r) {
		s.serveREST(w, r)
		return
	}
	asked, err := parseTarget(r.URL)
	switch {
	case errors.Is(err, errPath):
		http.Error(w, "", http.StatusNotFound)
	case err != nil:
		http.Error(w, err.Error(), http.StatusBadRequest)
	case s.options.Switches.URLBytes > 0 && len(r.RequestURI) > s.options.Switches.URLBytes:
		http.Error(w, "", http.StatusRequestURITooLong)
	default:
		s.serveSession(w, r, asked)
	}
}

// enter counts a request among what Close waits for, unless Close was called.
func (s *Server) enter() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return false
	}
	s.running.Add(1)
	return true
}

var upgrader = websocket.Upgrader{
	// Not the buffer of net/http: it reads past the wire.
	ReadBufferSize:  1024,
	WriteBufferSize: 256, // for control frames only
	CheckOrigin:     func(*http.Request) bool { return true },
}

// serveSession upgrades the request and runs the session until it ends.
func (s *Server) serveSession(w http.ResponseWriter, r *http.Request, asked target) {
	host := hostOf(r.RemoteAddr)
	met := s.addresses.connect(host)
	if met.status != 0 {
		w.Header().Set("Retry-After", retryAfter(met.wait))
		http.Error(w, "", met.status)
		return
	}
	through := &hijackWire{ResponseWriter: w}
	if !s.options.Switches.NoCompression {
		through.agreed = negotiate(r.Header)
	}
	offering := upgrader
	if offering.EnableCompression = through.agreed != ""; offering.EnableCompression {
		r.Header.Set(extensionsHeader, "permessage-deflate") // gorilla has nothing left to decide
	}
	ws, err := offering.Upgrade(through, r, nil)
	if err != nil {
		return // Upgrade has told the client
	}
	n := s.sessions.Add(1)
	opened := &session{
		n:         n,
		publisher: s.publisher,
		rules:     rules{s.options.PingInterval, s.options.PongTimeout, s.options.KeepAfterError, &s.options.Switches},
		conn:      through.wire.Conn,
		ws:        ws,
		out:       newOutbox(),
		dead:      make(chan struct{}),
		record:    SessionRecord{N: n, Opened: time.Now()},
	}
	opened.breached = func() { s.addresses.breach(host) }
	if offering.EnableCompression {
		asked.format |= deflated
	}
	through.wire.session = opened
	if !s.publisher.ask(func() { s.admit(opened, asked, met.shunned) }) {
		_ = ws.NetConn().Close()
		return
	}
	s.ledger.sessionOpened(opened.snapshot(), opened.snapshot)
	s.options.Logger.Debug("session opened", "session", n, "streams", len(asked.streams))
	endLife := s.live(opened)
	opened.run()
	endLife()
	s.publisher.ask(func() { s.publisher.leave(opened) })
	record := opened.snapshot()
	record.Closed = time.Now()
	s.ledger.sessionClosed(record)
	s.options.Logger.Debug("session closed", "session", n, "by", record.EndedBy, "reason", record.Reason)
}

// admit opens a session, or has it end with a close frame when its URL asks for
// what can't be.
func (s *Server) admit(opened *session, asked target, shunned bool) {
	malformed := slices.ContainsFunc(asked.streams, func(name string) bool {
		// Some clients connect to /ws/0 and subscribe later.
		return name != "0" && !wellFormed(name)
	})
	switch {
	case s.publisher.closed:
		opened.shut()
	case shunned:
		opened.endWithFrame(EndedByServer, websocket.ClosePolicyViolation, tooManyRequests)
	case malformed:
		opened.endWithFrame(EndedByServer, websocket.ClosePolicyViolation, `{"code":-1,"msg":"Illegal format ws or stream"}`)
	case !s.publisher.open(opened, asked):
		opened.endWithFrame(EndedByServer, websocket.ClosePolicyViolation, "Too many subscriptions")
	}
}

// Start begins to publish; calling it again changes nothing. Trades that were
// due before are history, which REST serves and no session gets, so the start
// of the source should be near.
func (s *Server) Start() { s.publisher.ask(s.publisher.start) }

// StopPublishing ends traffic for good: no further trade is published, while
// sessions and REST go on. It returns when the last trade has been queued.
func (s *Server) StopPublishing() {
	s.publisher.ask(func() { s.publisher.stopped = true })
}

// WebSocketURL is the address of the streams without a path, such as
// "wss://127.0.0.1:9443".
func (s *Server) WebSocketURL() string { return s.url("ws") }

// RESTURL is the address of REST without a path.
func (s *Server) RESTURL() string { return s.url("http") }

func (s *Server) url(scheme string) string {
	if s.authority != nil {
		scheme += "s"
	}
	return scheme + "://" + s.listener.Addr().String()
}

// CertPEM is the certificate of the authority that a client has to trust, in
// PEM; nil without TLS.
func (s *Server) CertPEM() []byte {
	if s.authority == nil {
		return nil
	}
	return s.authority.pem()
}

// Source is what the server publishes from.
func (s *Server) Source() Source { return s.options.Source }

// Ledger is the account of what was published.
func (s *Server) Ledger() *Ledger { return s.ledger }

// Close ends all injections, sessions and requests and returns when none is
// left. It always returns nil; calling it again changes nothing.
func (s *Server) Close() error {
	s.closing.Do(func() {
		s.mu.Lock()
		s.closed = true
		s.mu.Unlock()
		for _, injection := range s.faults.active() {
			injection.End()
		}
		s.publisher.ask(func() {
			s.publisher.stopped = true
			s.publisher.closed = true
			for session := range s.publisher.sessions {
				session.shut()
			}
		})
		close(s.publisher.quit)
		_ = s.http.Close()
		_ = s.listener.Close()
	})
	s.running.Wait()
	return nil
}
