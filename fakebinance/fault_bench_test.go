package fakebinance

import (
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/gorilla/websocket"

	"steadfeed/fakebinance/memnet"
)

// faultBench is a server that publishes, and sessions that look at what comes.
type faultBench struct {
	t       *testing.T
	server  *Server
	network *memnet.Network // nil: the real one
	closed  chan SessionRecord
}

func newFaultBench(t *testing.T, o Options) *faultBench {
	t.Helper()
	if o.Source == nil {
		o.Source = newTestMarket(t, 1000, "BTCUSDT")
	}
	b := &faultBench{t: t, server: newTestServer(t, o), closed: make(chan SessionRecord, maxSessionRecords)}
	b.server.Ledger().OnSession(func(r SessionRecord) {
		if !r.Closed.IsZero() {
			b.closed <- r
		}
	})
	b.server.Start()
	return b
}

// inVirtualTime runs a test in a bubble, on a server of 200 trades a second:
// its sleeps cost nothing, and nothing can be late.
func inVirtualTime(t *testing.T, secure bool, test func(*testing.T, *faultBench)) {
	synctest.Test(t, func(t *testing.T) {
		test(t, newVirtualBench(t, Options{Source: newTestMarket(t, 200, "BTCUSDT"), TLS: secure}))
	})
}

// newVirtualBench returns a bench in a bubble, with a network of its own.
func newVirtualBench(t *testing.T, o Options) *faultBench {
	t.Helper()
	network := memnet.New()
	network.SetLatency(737 * time.Microsecond)
	listener, err := network.Listen("127.0.0.1:9443")
	if err != nil {
		t.Fatal(err)
	}
	o.Listener = listener
	b := newFaultBench(t, o)
	b.network = network
	return b
}

func (b *faultBench) begin(f Fault) *Injection {
	b.t.Helper()
	injection, err := b.server.Begin(f)
	if err != nil {
		b.t.Fatal(err)
	}
	return injection
}

// watched is a session whose frames are read all along: ids must be
// consecutive whatever happens.
type watched struct {
	*testClient
	trades  atomic.Int64
	pongs   atomic.Int64
	longest atomic.Int64 // ns from EventAt to arrival since it was last set to 0
	end     chan error
}

func (b *faultBench) watch() *watched {
	b.t.Helper()
	w := &watched{testClient: dialOver(b.t, b.server, "/ws/btcusdt@trade?timeUnit=MICROSECOND", b.network), end: make(chan error, 1)}
	w.SetPongHandler(func(string) error { w.pongs.Add(1); return nil })
	go func() {
		last := int64(0)
		for {
			_, frame, err := w.ReadMessage()
			if err != nil {
				w.end <- err
				w.Close()
				return
			}
			trade := decodeTrade(b.t, string(frame))
			if last != 0 && trade.id != last+1 {
				b.t.Errorf("trade %d follows %d", trade.id, last)
			}
			last = trade.id
			raise(&w.longest, int64(time.Since(time.UnixMicro(trade.eventAt))))
			w.trades.Add(1)
		}
	}()
	return w
}

func (w *watched) ping() {
	w.t.Helper()
	if err := w.WriteControl(websocket.PingMessage, []byte("hello"), time.Now().Add(patience)); err != nil {
		w.t.Fatal(err)
	}
}

// lives checks that trades flow and pings are answered.
func (w *watched) lives() {
	w.t.Helper()
	trades, pongs := w.trades.Load(), w.pongs.Load()
	w.ping()
	eventually(w.t, "trades and a pong", func() bool { return w.trades.Load() > trades && w.pongs.Load() > pongs })
}

// ended returns why the session came to an end, as the client saw it.
func (w *watched) ended() error {
	w.t.Helper()
	select {
	case err := <-w.end:
		return err
	case <-time.After(patience):
		w.t.Fatal("the session does not end")
		return nil
	}
}

// open returns the sessions as they are now.
func (s *Server) open() (records []SessionRecord) {
	s.publisher.ask(func() {
		for session := range s.publisher.sessions {
			records = append(records, session.snapshot())
		}
	})
	return records
}

func (b *faultBench) record(during string, by, reason string) {
	b.t.Helper()
	select {
	case r := <-b.closed:
		if r.EndedBy != by || !strings.Contains(r.Reason, reason) || r.During != during {
			b.t.Errorf("session ended by %s: %s, during %q; want %s: %s, during %q", r.EndedBy, r.Reason, r.During, by, reason, during)
		}
	case <-time.After(patience):
		b.t.Error("no session has closed")
	}
}

func proven(t *testing.T, e Evidence, sessions int, text string) {
	t.Helper()
	if !e.Proven || e.Sessions != sessions || !strings.Contains(e.Text, text) || e.Began.IsZero() || e.Ended.Before(e.Began) {
		t.Errorf("evidence %+v, want proven on %d sessions: %s", e, sessions, text)
	}
}
