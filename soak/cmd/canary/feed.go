package main

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"strings"
	"time"

	"github.com/gorilla/websocket"
)

// Waits before a new session: short, so that what a run measures is the flaw
// and not the canary's patience. Well under Binance's limit of 300 attempts in
// 5 minutes at the longest.
const (
	backoffMin = 200 * time.Millisecond
	backoffMax = 2 * time.Second
)

// writeWait bounds a control frame; the socket of a peer that reads takes it
// at once.
const writeWait = time.Second

// errRotation ends a session that has lasted long enough, which only the
// canary that breaks first thinks of any.
var errRotation = errors.New("rotation")

// feed reads one session after another and passes on every trade once, in the
// order of ids. It is not safe for concurrent use; run owns it.
type feed struct {
	kind     string // of flaw
	settings settings
	figures  *figures
	log      *slog.Logger
	pass     func(trade)
	hoard    *hoard           // nil: keeps nothing
	patience int              // how many reconnects one that gives up makes
	next     map[string]int64 // the id expected next, by symbol; none until the first trade
	blind    bool             // this session does not fetch what was missed before it
	dialer   websocket.Dialer
	rest     *http.Client
}

// newFeed takes the ids with which each symbol goes on, of those that were
// delivered before.
func newFeed(kind string, settings settings, figures *figures, log *slog.Logger, next map[string]int64, pass func(trade)) (*feed, error) {
	trust := &tls.Config{}
	if settings.tlsCAFile != "" {
		pem, err := os.ReadFile(settings.tlsCAFile)
		if err != nil {
			return nil, fmt.Errorf("read CA file: %w", err)
		}
		trust.RootCAs = x509.NewCertPool()
		if !trust.RootCAs.AppendCertsFromPEM(pem) {
			return nil, fmt.Errorf("read CA file %s: no certificate in it", settings.tlsCAFile)
		}
	}
	return &feed{
		kind: kind, settings: settings, figures: figures, log: log, pass: pass,
		next:   next,
		dialer: websocket.Dialer{TLSClientConfig: trust, HandshakeTimeout: 5 * time.Second},
		rest:   &http.Client{Transport: &http.Transport{TLSClientConfig: trust.Clone()}, Timeout: 5 * time.Second},
	}, nil
}

// run holds a session open until ctx ends, for ever if need be.
func (f *feed) run(ctx context.Context) error {
	defer f.rest.CloseIdleConnections()
	wait := backoffMin
	for reconnects := 0; ctx.Err() == nil; reconnects++ {
		if f.kind == givesUp && reconnects > f.patience {
			f.log.Warn("flaw: the canary gives up", "reconnects", reconnects)
			<-ctx.Done()
			break
		}
		began := time.Now()
		err := f.session(ctx)
		f.figures.connected.Store(false)
		if ctx.Err() != nil {
			break
		}
		f.log.Warn("session ended", "reason", err.Error(), "after", time.Since(began).String())
		f.figures.reconnects.Inc()
		if f.hoard != nil {
			if err := f.hoard.reconnected(); err != nil {
				return err
			}
		}
		f.blind = f.kind == unrepaired
		if errors.Is(err, errRotation) {
			f.blind = true
			continue // nothing is wrong with the exchange
		}
		if time.Since(began) > backoffMax {
			wait = backoffMin
		}
		select {
		case <-ctx.Done():
		case <-time.After(wait):
		}
		wait = min(2*wait, backoffMax)
	}
	return nil
}

// session is one connection from dial to close.
func (f *feed) session(ctx context.Context) error {
	conn, _, err := f.dialer.DialContext(ctx, f.streamURL(), nil)
	if err != nil {
		return fmt.Errorf("dial: %w", err)
	}
	defer conn.Close()
	beating := f.heartbeat(ctx, conn)
	defer beating.stop()

	// What was published while no session was open will not be sent again.
	// Later frames wait in the socket meanwhile, so order is kept.
	for symbol := range f.next {
		if f.blind {
			break
		}
		if err := f.repair(ctx, symbol, 0); err != nil {
			return err
		}
	}
	f.figures.connected.Store(true)
	for began := time.Now(); ; {
		if f.kind == breakFirst && time.Since(began) > f.settings.rotation {
			return errRotation
		}
		if err := conn.SetReadDeadline(time.Now().Add(f.settings.staleTimeout)); err != nil {
			return err
		}
		_, text, err := conn.ReadMessage()
		if err != nil {
			return errors.Join(err, beating.reason())
		}
		var in frame
		if err := json.Unmarshal(text, &in); err != nil {
			return fmt.Errorf("decode %.200q: %w", text, err)
		}
		if in.Trade.Kind != "trade" {
			continue
		}
		f.figures.received.WithLabelValues(in.Trade.Symbol).Inc()
		if err := f.take(ctx, in.trade()); err != nil {
			return err
		}
	}
}

// take puts a trade from the stream in its place: known ones stop here, and
// what is missing before it is fetched first.
func (f *feed) take(ctx context.Context, t trade) error {
	next, seen := f.next[t.Symbol]
	switch {
	case !seen || t.ID <= next:
	case f.blind:
		confess(f.log, trade{Symbol: t.Symbol, ID: next}, "does not repair", "last_trade_id", t.ID-1)
	default:
		f.figures.gaps.Inc()
		if err := f.repair(ctx, t.Symbol, t.ID-1); err != nil {
			return err
		}
		next = f.next[t.Symbol]
	}
	if seen && t.ID < next {
		return nil
	}
	f.admit(t)
	return nil
}

// admit passes the trade on that is due next.
func (f *feed) admit(t trade) {
	f.next[t.Symbol] = t.ID + 1
	f.pass(t)
}

func (f *feed) streamURL() string {
	streams := make([]string, len(f.settings.symbols))
	for i, symbol := range f.settings.symbols {
		streams[i] = strings.ToLower(symbol) + "@trade"
	}
	return f.settings.wsURL + "/stream?streams=" + strings.Join(streams, "/") + "&timeUnit=MICROSECOND"
}

// beat pings a session and cuts it when a pong is missing.
type beat struct {
	cancel context.CancelCauseFunc
	ctx    context.Context
	done   chan struct{}
}

var errNoPong = errors.New("no pong in time")

// heartbeat pings until stopped. Its goroutine ends in stop, which waits for it.
func (f *feed) heartbeat(ctx context.Context, conn *websocket.Conn) *beat {
	pongs := make(chan struct{}, 1)
	conn.SetPongHandler(func(string) error {
		select {
		case pongs <- struct{}{}:
		default:
		}
		return nil
	})
	b := &beat{done: make(chan struct{})}
	b.ctx, b.cancel = context.WithCancelCause(ctx)
	go func() {
		defer close(b.done)
		// Whatever ends the beat ends the session: a reader blocked in the
		// socket has no other way to hear of it. A courteous close comes first.
		defer conn.Close()
		ticker := time.NewTicker(f.settings.pingInterval)
		defer ticker.Stop()
		for {
			select {
			case <-b.ctx.Done():
				goodbye := websocket.FormatCloseMessage(websocket.CloseNormalClosure, "")
				_ = conn.WriteControl(websocket.CloseMessage, goodbye, time.Now().Add(writeWait)) // the connection ends either way
				return
			case <-ticker.C:
			}
			select {
			case <-pongs: // a late one of the ping before
			default:
			}
			if err := conn.WriteControl(websocket.PingMessage, nil, time.Now().Add(writeWait)); err != nil {
				b.cancel(fmt.Errorf("ping: %w", err))
				return
			}
			select {
			case <-pongs:
			case <-time.After(f.settings.pongTimeout):
				f.figures.pongTimeouts.Inc()
				b.cancel(errNoPong)
				return
			case <-b.ctx.Done():
			}
		}
	}()
	return b
}

func (b *beat) stop() {
	b.cancel(net.ErrClosed)
	<-b.done
}

// reason is why the beat cut the session, or nil.
func (b *beat) reason() error {
	if cause := context.Cause(b.ctx); cause != nil && !errors.Is(cause, context.Canceled) {
		return cause
	}
	return nil
}
