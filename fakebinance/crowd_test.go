package fakebinance

import (
	"runtime"
	"testing"
	"testing/synctest"
	"time"

	"github.com/gorilla/websocket"

	"steadfeed/fakebinance/memnet"
)

// A thousand sessions at once, each of which gets every trade.
func TestThousandSessions(t *testing.T) {
	if testing.Short() {
		t.Skip("-short: a thousand sessions")
	}
	const sessions, each = 1000, 5
	s := newTestServer(t, Options{Source: newTestMarket(t, 5, "BTCUSDT"), Switches: Switches{Connects: -1}})
	clients := make([]*testClient, sessions)
	for n := range clients {
		clients[n] = dial(t, s, "/ws/btcusdt@trade")
	}
	eventually(t, "all sessions", func() bool { return s.status().Sessions == sessions })
	s.Start()
	for n, client := range clients {
		first := decodeTrade(t, client.next()).id
		for next := range int64(each - 1) {
			if got := decodeTrade(t, client.next()).id; got != first+1+next {
				t.Fatalf("session %d got trade %d, not %d", n+1, got, first+1+next)
			}
		}
		client.Close()
	}
}

// Thirty days leave no more memory than the first of them: what the server
// remembers of sessions and faults has a bound.
func TestMemoryOfThirtyDays(t *testing.T) {
	if testing.Short() {
		t.Skip("-short: thirty days")
	}
	live := func() uint64 {
		runtime.GC()
		var stats runtime.MemStats
		runtime.ReadMemStats(&stats)
		return stats.HeapAlloc
	}
	synctest.Test(t, func(t *testing.T) {
		network := memnet.New()
		listener, err := network.Listen("127.0.0.1:9443")
		if err != nil {
			t.Fatal(err)
		}
		server := newTestServer(t, Options{Source: newTestMarket(t, 0.01, "BTCUSDT"), Listener: listener, PingInterval: time.Hour, PongTimeout: 2 * time.Hour})
		b := &faultBench{t: t, server: server, network: network}
		server.Start()
		day := func() {
			for range 12 { // and as many faults
				// Not by dialOver: what a test has to clean up it holds to its end.
				dialer := websocket.Dialer{NetDialContext: network.Dial}
				client, _, err := dialer.Dial(server.WebSocketURL()+"/ws/btcusdt@trade", nil)
				if err != nil {
					t.Fatal(err)
				}
				ended := drain(client)
				time.Sleep(2*time.Hour - time.Minute)
				b.begin(Fault{Kind: KindReset, For: time.Second})
				<-ended
				time.Sleep(time.Minute)
			}
		}
		for range 24 { // until as many faults have ended as are remembered
			day()
		}
		before := live()
		for range 30 {
			day()
		}
		after := live()
		if after > before+2<<20 {
			t.Errorf("%d KiB and, thirty days later, %d", before>>10, after>>10)
		}
	})
}
