package fakebinance

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/gorilla/websocket"
)

// A pong with the wrong payload comes for each ping.
func TestFaultWrongPong(t *testing.T) {
	inVirtualTime(t, false, func(t *testing.T, b *faultBench) {
		w := b.watch()
		w.lives()
		payloads := make(chan string, 10)
		other := dialOver(t, b.server, "/ws", b.network)
		other.SetPongHandler(func(payload string) error { payloads <- payload; return nil })
		ended := make(chan struct{})
		go func() {
			defer close(ended)
			for {
				if _, _, err := other.ReadMessage(); err != nil {
					return
				}
			}
		}()
		ask := func() string {
			if err := other.WriteControl(websocket.PingMessage, []byte("mine"), time.Now().Add(patience)); err != nil {
				t.Fatal(err)
			}
			return <-payloads
		}
		if got := ask(); got != "mine" {
			t.Errorf("before: pong %q", got)
		}
		injection := b.begin(Fault{Kind: KindWrongPong})
		if got := ask(); got == "mine" {
			t.Errorf("pong %q", got)
		}
		proven(t, injection.End(), 2, "1 client ping answered wrongly")
		if got := ask(); got != "mine" {
			t.Errorf("healed: pong %q", got)
		}
		w.lives()
		other.Close()
		<-ended
		time.Sleep(time.Second)
	})
}

// Pings come all along; who answers each is closed.
func TestFaultPingFlood(t *testing.T) {
	inVirtualTime(t, false, func(t *testing.T, b *faultBench) {
		w := b.watch()
		w.lives()
		time.Sleep(2 * time.Second)
		injection := b.begin(Fault{Kind: KindPingFlood})
		fresh := b.watch() // not meant
		var closed *websocket.CloseError
		if err := w.ended(); !errors.As(err, &closed) || closed.Text != tooManyRequests {
			t.Errorf("ended with %v", err)
		}
		b.record("", EndedByServer, tooManyRequests)
		if e := injection.End(); !e.Proven || !strings.Contains(e.Text, "pings sent, one each 50ms") {
			t.Errorf("evidence %+v", e)
		}
		fresh.lives()
		fresh.Close()
		<-fresh.end
		time.Sleep(time.Second)
	})
}

// The client gets nothing, and the server hears it all the same.
func TestFaultHalfOpenOut(t *testing.T) {
	inVirtualTime(t, true, func(t *testing.T, b *faultBench) {
		w := b.watch()
		w.lives()
		injection := b.begin(Fault{Kind: KindHalfOpen})
		time.Sleep(10 * time.Millisecond)
		trades, pings := w.trades.Load(), b.server.open()[0].ClientPings
		w.ping()
		time.Sleep(40 * time.Second)
		if got := w.trades.Load(); got != trades {
			t.Errorf("%d trades came through", got-trades)
		}
		if got := b.server.open()[0].ClientPings; got != pings+1 {
			t.Errorf("%d pings heard, want 1", got-pings)
		}
		proven(t, injection.End(), 1, "bytes withheld for up to 40.01s")
		time.Sleep(2 * time.Second)
		w.lives()
		w.Close()
		b.record("", EndedByClient, "")
	})
}

// A client that gives up meanwhile is noticed, and what it did not get counts.
func TestFaultHalfOpenAbandoned(t *testing.T) {
	inVirtualTime(t, true, func(t *testing.T, b *faultBench) {
		w := b.watch()
		w.lives()
		injection := b.begin(Fault{Kind: KindHalfOpen})
		time.Sleep(10 * time.Second)
		w.Close()
		b.record(KindHalfOpen, EndedByClient, "")
		time.Sleep(10 * time.Second)
		if e := injection.End(); !e.Proven {
			t.Errorf("evidence %+v", e)
		}
	})
}

// In a market without trades nothing may be due before the client gives up.
func TestFaultHalfOpenInSilence(t *testing.T) {
	inVirtualTime(t, true, func(t *testing.T, b *faultBench) {
		silence := func(end bool) {
			w := b.watch()
			w.lives()
			quiet := b.begin(Fault{Kind: KindSilent})
			injection := b.begin(Fault{Kind: KindHalfOpen})
			time.Sleep(time.Second)
			if end {
				w.Close()
				time.Sleep(time.Second)
			}
			if e := injection.End(); e.Proven != end {
				t.Errorf("the session ended %v, evidence %+v", end, e)
			}
			quiet.End()
			w.Close()
		}
		silence(false)
		silence(true)
	})
}

// The server hears nothing: it misses the pongs and closes, by its own rules.
func TestFaultHalfOpenIn(t *testing.T) {
	inVirtualTime(t, true, func(t *testing.T, b *faultBench) {
		w := b.watch()
		w.lives()
		injection := b.begin(Fault{Kind: KindHalfOpen, Settings: map[string]string{"dead": "in"}})
		trades, pongs := w.trades.Load(), w.pongs.Load()
		w.ping()
		time.Sleep(40 * time.Second)
		if got := w.trades.Load() - trades; got < 6000 || w.pongs.Load() != pongs {
			t.Errorf("%d trades and %d pongs came through", got, w.pongs.Load()-pongs)
		}
		var closed *websocket.CloseError
		if err := w.endedWithin(2 * time.Minute); !errors.As(err, &closed) || closed.Text != "Pong timeout" {
			t.Errorf("ended with %v", err)
		}
		proven(t, injection.End(), 1, "of clients not heard for up to 1m")
		b.record(KindHalfOpen, EndedByServer, "Pong timeout")
	})
}

// endedWithin is ended with more patience.
func (w *watched) endedWithin(within time.Duration) error {
	select {
	case err := <-w.end:
		return err
	case <-time.After(within):
		return errors.New("the session does not end")
	}
}

// One write goes out byte by byte, and nothing is missing or late after it.
func TestFaultByteByByte(t *testing.T) {
	inVirtualTime(t, true, func(t *testing.T, b *faultBench) {
		w := b.watch()
		w.lives()
		injection := b.begin(Fault{Kind: KindByteByByte, Settings: map[string]string{"pause": "10ms"}})
		time.Sleep(20 * time.Second)
		if longest := time.Duration(w.longest.Load()); longest < 500*time.Millisecond {
			t.Errorf("the latest frame came %s late", longest)
		}
		w.longest.Store(0)
		trades := w.trades.Load()
		time.Sleep(20 * time.Second)
		if longest := time.Duration(w.longest.Load()); longest > 10*time.Millisecond || w.trades.Load()-trades < 3000 {
			t.Errorf("after one write, %d frames came, up to %s late", w.trades.Load()-trades, longest)
		}
		proven(t, injection.End(), 1, "bytes trickled at 100 a second")
		w.lives()
		w.Close()
		b.record("", EndedByClient, "")
	})
}

// A shutdown can come without any notice, and with ten minutes of it.
func TestFaultServerShutdownNotice(t *testing.T) {
	for _, notice := range []time.Duration{0, 10 * time.Minute} {
		inVirtualTime(t, false, func(t *testing.T, b *faultBench) {
			w := b.drained()
			time.Sleep(time.Second)
			began := time.Now()
			injection := b.begin(Fault{Kind: KindServerShutdown, Settings: map[string]string{"notice": notice.String()}})
			<-w
			if took := time.Since(began); took < notice || took > notice+time.Second {
				t.Errorf("closed after %s, want %s", took, notice)
			}
			b.record(KindServerShutdown, EndedByFault, "1001")
			proven(t, injection.End(), 1, "1 session told of a shutdown, 1 closed")
		})
	}
}

// drained is a session that is read to its end without a look.
func (b *faultBench) drained() <-chan struct{} {
	return drain(dialOver(b.t, b.server, "/ws/btcusdt@trade", b.network).Conn)
}

// drain reads a session to its end without a look, and closes it.
func drain(conn *websocket.Conn) <-chan struct{} {
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		for {
			if _, _, err := conn.ReadMessage(); err != nil {
				conn.Close()
				return
			}
		}
	}()
	return ended
}
