package fakebinance

import (
	"errors"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/gorilla/websocket"
)

func TestClientPing(t *testing.T) {
	s := newTestServer(t, Options{Source: newTestMarket(t, 100, "BTCUSDT"), TLS: true})
	s.Start()
	c := dial(t, s, "/ws/btcusdt@trade")
	var pong string
	c.SetPongHandler(func(payload string) error { pong = payload; return nil })
	const payload = "any payload of up to 125 bytes"
	if err := c.WriteControl(websocket.PingMessage, []byte(payload), time.Now().Add(patience)); err != nil {
		t.Fatal(err)
	}
	for pong == "" {
		c.next()
	}
	if pong != payload {
		t.Errorf("pong %q, want %q", pong, payload)
	}
}

func TestTooManyRequests(t *testing.T) {
	s := newTestServer(t, Options{Source: newTestMarket(t, 0, "BTCUSDT")})
	f := func(name string, send func(c *testClient, i int) error) {
		t.Helper()
		// Five are allowed.
		c := dial(t, s, "/ws")
		for i := range 5 {
			if err := send(c, i); err != nil {
				t.Fatalf("%s: %v", name, err)
			}
		}
		c.SetReadDeadline(time.Now().Add(100 * time.Millisecond))
		for {
			_, _, err := c.ReadMessage()
			if err == nil {
				continue
			}
			var closed *websocket.CloseError
			if errors.As(err, &closed) {
				t.Errorf("%s: closed after five: %v", name, err)
			}
			break
		}
		// Six are not.
		c = dial(t, s, "/ws")
		for i := range 6 {
			if err := send(c, i); err != nil {
				t.Fatalf("%s: %v", name, err)
			}
		}
		err := c.end()
		var closed *websocket.CloseError
		if !errors.As(err, &closed) || closed.Code != 1008 || closed.Text != "Too many requests" {
			t.Errorf("%s: ended with %v", name, err)
		}
	}
	f("pings", func(c *testClient, _ int) error {
		return c.WriteControl(websocket.PingMessage, nil, time.Now().Add(patience))
	})
	f("pongs", func(c *testClient, _ int) error {
		return c.WriteControl(websocket.PongMessage, nil, time.Now().Add(patience))
	})
	f("requests", func(c *testClient, _ int) error {
		return c.WriteMessage(websocket.TextMessage, []byte(`{"method":"LIST_SUBSCRIPTIONS","id":1}`))
	})
	f("mixed", func(c *testClient, i int) error {
		if i%2 == 0 {
			return c.WriteControl(websocket.PongMessage, nil, time.Now().Add(patience))
		}
		return c.WriteMessage(websocket.TextMessage, []byte(`{"method":"LIST_SUBSCRIPTIONS","id":1}`))
	})
}

func TestPongTimeout(t *testing.T) {
	// Fewer than five pings a second: their answers count as requests.
	const timeout = 600 * time.Millisecond
	s := newTestServer(t, Options{Source: newTestMarket(t, 100, "BTCUSDT"), PingInterval: 250 * time.Millisecond, PongTimeout: timeout})
	s.Start()
	good, bad := dial(t, s, "/ws/btcusdt@trade"), dial(t, s, "/ws/btcusdt@trade")
	pings := 0
	bad.SetPingHandler(func(payload string) error {
		if _, err := strconv.ParseInt(payload, 10, 64); err != nil {
			t.Errorf("ping payload %q is no time", payload)
		}
		if pings++; pings > 4 {
			return nil
		}
		// Unsolicited pongs and wrong payloads don't keep a session alive.
		return bad.WriteControl(websocket.PongMessage, []byte("not "+payload), time.Now().Add(patience))
	})
	var both sync.WaitGroup
	both.Go(func() {
		err := bad.end()
		var closed *websocket.CloseError
		if !errors.As(err, &closed) || closed.Code != 1008 || closed.Text != "Pong timeout" {
			t.Errorf("without pongs: ended with %v", err)
		}
		if pings < 2 {
			t.Errorf("only %d pings", pings)
		}
	})
	// One that answers lives on, for longer than the timeout.
	answered := 0
	good.SetPingHandler(func(payload string) error {
		answered++
		return good.WriteControl(websocket.PongMessage, []byte(payload), time.Now().Add(patience))
	})
	for began := time.Now(); time.Since(began) < 2*timeout; {
		good.next()
	}
	both.Wait()
	if answered < 3 {
		t.Errorf("only %d pings answered", answered)
	}
}

// Each of many sessions, whenever it opens, has consecutive ids of every
// symbol, and the ledger says what they are.
func TestConsecutiveIDs(t *testing.T) {
	symbols := []string{"BTCUSDT", "ETHUSDT", "BNBUSDT"}
	market := newTestMarket(t, 2000, symbols...)
	s := newTestServer(t, Options{Source: market})
	s.Start()
	var all sync.WaitGroup
	var mu sync.Mutex
	lowest := map[string]int64{}
	for range 8 {
		c := dial(t, s, "/stream?streams=btcusdt@trade/ethusdt@trade/bnbusdt@trade&timeUnit=MICROSECOND")
		all.Go(func() {
			last := map[string]int64{}
			eventAt := int64(0)
			for range 1000 {
				got := decodeTrade(t, c.next())
				if previous, ok := last[got.symbol]; ok && got.id != previous+1 {
					t.Errorf("%s %d follows %d", got.symbol, got.id, previous)
					return
				} else if !ok {
					mu.Lock()
					if low, ok := lowest[got.symbol]; !ok || got.id < low {
						lowest[got.symbol] = got.id
					}
					mu.Unlock()
				}
				last[got.symbol] = got.id
				if got.eventAt < eventAt {
					t.Errorf("%s %d: event time falls", got.symbol, got.id)
					return
				}
				eventAt = got.eventAt
				if _, published, ok := s.Ledger().Published(got.symbol); !ok || published < got.id {
					t.Errorf("%s %d received, the ledger ends at %d", got.symbol, got.id, published)
					return
				}
			}
		})
	}
	all.Wait()
	for _, symbol := range symbols {
		if first, _, _ := s.Ledger().Published(symbol); first != lowest[symbol] {
			t.Errorf("%s: ledger begins at %d, first received was %d", symbol, first, lowest[symbol])
		}
	}
	if p99, most := s.Ledger().Late(); p99 <= 0 || most < p99 {
		t.Errorf("late p99 %s, max %s", p99, most)
	}
}

// After StopPublishing a client has exactly what the ledger says.
func TestStopPublishing(t *testing.T) {
	market := newTestMarket(t, 5000, "BTCUSDT")
	s := newTestServer(t, Options{Source: market})
	c := dial(t, s, "/ws/btcusdt@trade")
	// The client is connected a moment before the server has its session.
	eventually(t, "a session", func() bool { return len(s.open()) == 1 })
	s.Start()
	var ids []int64
	for range 500 {
		ids = append(ids, decodeTrade(t, c.next()).id)
	}
	s.StopPublishing()
	first, last, ok := s.Ledger().Published("BTCUSDT")
	if !ok || first != ids[0] {
		t.Fatalf("ledger from %d, %v; received from %d", first, ok, ids[0])
	}
	for ids[len(ids)-1] < last {
		ids = append(ids, decodeTrade(t, c.next()).id)
	}
	if got := int64(len(ids)); got != last-first+1 || s.Ledger().Total() != got {
		t.Errorf("%d received, %d owed, %d in all", got, last-first+1, s.Ledger().Total())
	}
	s.Start() // it has ended for good
	c.SetReadDeadline(time.Now().Add(50 * time.Millisecond))
	if _, frame, err := c.ReadMessage(); err == nil {
		t.Errorf("after StopPublishing: %s", frame)
	}
}

func TestSessionRecords(t *testing.T) {
	s := newTestServer(t, Options{Source: newTestMarket(t, 0, "BTCUSDT")})
	f := func(end func(c *testClient), by, reason string) {
		t.Helper()
		closed := make(chan SessionRecord, 1)
		s.Ledger().OnSession(func(r SessionRecord) {
			if !r.Closed.IsZero() {
				closed <- r
			}
		})
		c := dial(t, s, "/ws/btcusdt@trade/x@trade")
		end(c)
		r := <-closed
		if r.EndedBy != by || r.Reason != reason || r.Streams != 2 || r.Opened.IsZero() || r.During != "" {
			t.Errorf("record %+v, want ended by %s: %s", r, by, reason)
		}
	}
	f(func(c *testClient) {
		c.WriteControl(websocket.CloseMessage, websocket.FormatCloseMessage(1000, "bye"), time.Now().Add(patience))
		if err := c.end(); !websocket.IsCloseError(err, 1000) {
			t.Errorf("answer to a close frame: %v", err)
		}
	}, EndedByClient, "close frame 1000 bye")
	f(func(c *testClient) { c.Close() }, EndedByClient, "end of connection")
	if got := s.Ledger().Sessions(); len(got) != 2 || got[0].N != 1 || got[1].N != 2 || got[1].Closed.IsZero() {
		t.Errorf("sessions %+v", got)
	}
}
