package fakebinance

import (
	"errors"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/gorilla/websocket"
)

func TestFaultServerShutdown(t *testing.T) {
	for path, want := range map[string]string{
		"/ws/btcusdt@trade":             `{"e":"serverShutdown","E":`,
		"/stream?streams=btcusdt@trade": `{"stream":"!serverShutdown","data":{"e":"serverShutdown","E":`,
	} {
		bySymbols(t, func(t *testing.T, b *faultBench) {
			stays, leaves := b.collect(path), b.collect(path)
			time.Sleep(time.Second)
			injection := b.begin(Fault{Kind: KindServerShutdown, Target: TargetAll, Settings: map[string]string{"notice": "20s"}})
			fresh := b.collect(path)
			time.Sleep(19 * time.Second)
			leaves()
			b.record("", EndedByClient, "")
			time.Sleep(2 * time.Second)
			b.record(KindServerShutdown, EndedByFault, "1001")
			got := stays()
			var closed *websocket.CloseError
			if !errors.As(got.ended, &closed) || closed.Code != websocket.CloseGoingAway {
				t.Errorf("ended with %v", got.ended)
			}
			told := slices.DeleteFunc(got.other, func(frame string) bool { return !strings.Contains(frame, "serverShutdown") })
			if len(told) != 1 || !strings.HasPrefix(told[0], want) {
				t.Errorf("told %q", told)
			}
			proven(t, injection.End(), 3, "2 sessions told of a shutdown, 1 closed")
			time.Sleep(time.Minute)
			if b.server.status().Sessions != 1 {
				t.Error("a session that opened meanwhile is closed too")
			}
			fresh()
		})
	}
	// Healed before the notice is over, the sessions stay.
	bySymbols(t, func(t *testing.T, b *faultBench) {
		end := b.collect("/ws/btcusdt@trade")
		time.Sleep(time.Second)
		proven(t, b.begin(Fault{Kind: KindServerShutdown}).End(), 1, "1 session told of a shutdown, 0 closed")
		time.Sleep(time.Minute)
		if b.server.status().Sessions != 1 {
			t.Error("closed after the end")
		}
		end()
	})
}

func TestFaultPingStorm(t *testing.T) {
	bySymbols(t, func(t *testing.T, b *faultBench) {
		// Gorilla answers each ping: that is too much.
		w := b.watch()
		w.lives()
		time.Sleep(2 * time.Second)
		injection := b.begin(Fault{Kind: KindPingStorm})
		var closed *websocket.CloseError
		if err := w.ended(); !errors.As(err, &closed) || closed.Text != "Too many requests" {
			t.Errorf("ended with %v", err)
		}
		b.record("", EndedByServer, "Too many requests")
		proven(t, injection.End(), 1, "50 pings sent")
		// Who answers the newest only has answered all.
		calm := dialOver(t, b.server, "/ws/btcusdt@trade", b.network)
		var newest atomic.Pointer[string]
		calm.SetPingHandler(func(payload string) error { newest.Store(&payload); return nil })
		done := make(chan struct{})
		go func() {
			defer close(done)
			for {
				if _, _, err := calm.ReadMessage(); err != nil {
					return
				}
			}
		}()
		time.Sleep(time.Second)
		injection = b.begin(Fault{Kind: KindPingStorm})
		time.Sleep(time.Second)
		if err := calm.WriteControl(websocket.PongMessage, []byte(*newest.Load()), time.Now().Add(patience)); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Second)
		injection.End()
		if s := b.server.open()[0]; s.PingsSent != 50 || s.PongsGot != 1 {
			t.Errorf("%d pings, %d pongs", s.PingsSent, s.PongsGot)
		}
		time.Sleep(10 * time.Second)
		calm.Close()
		<-done
		b.record("", EndedByClient, "")
	})
}
