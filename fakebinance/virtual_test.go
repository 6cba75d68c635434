package fakebinance

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/gorilla/websocket"

	"steadfeed/fakebinance/memnet"
)

// A whole exchange in virtual time, for three hours: pings every 20 s, trades in
// order, and no goroutine left at the end (the bubble would not close).
func TestVirtualHours(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const hours = 3
		network := memnet.New()
		network.SetLatency(37 * time.Millisecond)
		listener, err := network.Listen("127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		s := newTestServer(t, Options{Source: newTestMarket(t, 0.5, "BTCUSDT", "ETHUSDT"), Listener: listener, TLS: true})
		c := dialOver(t, s, "/stream?streams=btcusdt@trade/ethusdt@trade&timeUnit=MICROSECOND", network)
		began := time.Now()
		s.Start()
		var pings []time.Duration
		c.SetPingHandler(func(payload string) error {
			pings = append(pings, time.Since(began).Truncate(time.Second))
			return c.WriteControl(websocket.PongMessage, []byte(payload), time.Now().Add(patience))
		})
		last := map[string]int64{}
		for time.Since(began) < hours*time.Hour {
			c.SetReadDeadline(time.Now().Add(time.Hour))
			_, frame, err := c.ReadMessage()
			if err != nil {
				t.Fatal(err)
			}
			trade := decodeTrade(t, string(frame))
			if previous, ok := last[trade.symbol]; ok && trade.id != previous+1 {
				t.Fatalf("%s %d follows %d", trade.symbol, trade.id, previous)
			}
			last[trade.symbol] = trade.id
			if lag := time.Since(time.UnixMicro(trade.eventAt)); lag < 37*time.Millisecond || lag > 40*time.Millisecond {
				t.Fatalf("%s %d arrived %s after its event", trade.symbol, trade.id, lag)
			}
		}
		if want := hours * 180; len(pings) < want-1 || len(pings) > want {
			t.Errorf("%d pings, want %d", len(pings), want)
		}
		for i, at := range pings {
			if at != time.Duration(i+1)*20*time.Second {
				t.Fatalf("ping %d after %s", i, at)
			}
		}
		if got := s.Ledger().Total(); got < hours*3600*9/10 || got > hours*3600*11/10 {
			t.Errorf("%d trades, want some %d", got, hours*3600)
		}
		_, most := s.Ledger().Late()
		if most > roundFloor {
			t.Errorf("in virtual time the publisher was %s late", most)
		}
		s.Close()
		records := s.Ledger().Sessions()
		if r := records[0]; len(records) != 1 || r.EndedBy != EndedByServer || r.Trades == 0 || r.PongTimeouts != 0 || r.PingsSent-r.PongsGot > 1 {
			t.Errorf("sessions %+v", records)
		}
	})
}

// The documented minute without a pong.
func TestVirtualPongTimeout(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		network := memnet.New()
		listener, err := network.Listen("127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		s := newTestServer(t, Options{Source: newTestMarket(t, 0, "BTCUSDT"), Listener: listener})
		c := dialOver(t, s, "/ws/btcusdt@trade", network)
		began := time.Now()
		c.SetPingHandler(func(string) error { return nil })
		_, _, err = c.ReadMessage()
		if !websocket.IsCloseError(err, websocket.ClosePolicyViolation) || time.Since(began) != 80*time.Second {
			t.Errorf("ended with %v after %s, want 1008 after 20 s and a minute", err, time.Since(began))
		}
		synctest.Wait()
		if r := s.Ledger().Sessions()[0]; r.PongTimeouts != 1 || r.PingsSent != 4 {
			t.Errorf("record %+v", r)
		}
	})
}

// A client that doesn't read is cut when the connection has taken nothing for
// as long as a pong may take, or before, when it is too far behind. The others
// don't notice.
func TestVirtualSlowClient(t *testing.T) {
	f := func(rate float64, pongTimeout, low, high time.Duration, reason string) {
		t.Helper()
		synctest.Test(t, func(t *testing.T) {
			network := memnet.New()
			listener, err := network.Listen("127.0.0.1:0")
			if err != nil {
				t.Fatal(err)
			}
			s := newTestServer(t, Options{Source: newTestMarket(t, rate, "BTCUSDT", "ETHUSDT", "BNBUSDT"), Listener: listener, PongTimeout: pongTimeout})
			var cut SessionRecord
			s.Ledger().OnSession(func(r SessionRecord) {
				if !r.Closed.IsZero() && cut.N == 0 {
					cut = r
				}
			})
			dialOver(t, s, "/stream?streams=btcusdt@trade/ethusdt@trade/bnbusdt@trade", network)
			quick := dialOver(t, s, "/ws/ethusdt@trade", network)
			s.Start()
			last := int64(0)
			for range int(rate * high.Seconds()) {
				id := decodeTrade(t, quick.next()).id
				if last != 0 && id != last+1 {
					t.Fatalf("trade %d follows %d", id, last)
				}
				last = id
			}
			synctest.Wait()
			if after := cut.Closed.Sub(cut.Opened); cut.N != 1 || cut.EndedBy != EndedByServer || cut.Reason != reason || after < low || after > high {
				t.Errorf("cut after %s: %+v, want %s", after, cut, reason)
			}
		})
	}
	// 256 KiB in the connection take 10 s at 150 trades a second.
	f(50, time.Minute, time.Minute, 90*time.Second, "client stopped reading")
	// And 8 MiB more the better part of a minute at 1000.
	f(330, time.Hour, 40*time.Second, 70*time.Second, "client too slow")
}
