package fakebinance

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/gorilla/websocket"
)

// payload is the documented text of a trade, written independently of render.go.
func payload(trade Trade, unit int64) string {
	return fmt.Sprintf(`{"e":"trade","E":%d,"s":"%s","t":%d,"p":"%d.%08d","q":"%d.%08d","T":%d,"m":%t,"M":true}`,
		trade.EventAt/unit, trade.Symbol, trade.ID, trade.Price/One, trade.Price%One, trade.Quantity/One, trade.Quantity%One, trade.TradedAt/unit, trade.BuyerIsMaker)
}

func TestPayload(t *testing.T) {
	market := newTestMarket(t, 500, "BTCUSDT")
	s := newTestServer(t, Options{Source: market, TLS: true})
	s.Start()
	f := func(path, want string, unit int64) {
		t.Helper()
		c := dial(t, s, path)
		for range 20 {
			got := c.next()
			trade := market.Trade("BTCUSDT", decodeTrade(t, got).id)
			if want := strings.ReplaceAll(want, "PAYLOAD", payload(trade, unit)); got != want {
				t.Fatalf("%s:\ngot  %s\nwant %s", path, got, want)
			}
		}
	}
	const wrapped = `{"stream":"btcusdt@trade","data":PAYLOAD}`
	f("/ws/btcusdt@trade", "PAYLOAD", 1000)
	f("/ws/btcusdt@trade?timeUnit=MICROSECOND", "PAYLOAD", 1)
	f("/ws/btcusdt@trade?timeUnit=microsecond", "PAYLOAD", 1)
	f("/ws/btcusdt@trade?timeUnit=MILLISECOND", "PAYLOAD", 1000)
	f("/stream?streams=btcusdt@trade", wrapped, 1000)
	f("/stream?streams=btcusdt@trade&timeUnit=MICROSECOND", wrapped, 1)
	f("/stream?streams=btcusdt%40trade&timeUnit=millisecond", wrapped, 1000)
	f("/ws/nosuchpair@trade/btcusdt@trade", "PAYLOAD", 1000)
}

// A short frame has a header of 2 bytes, a longer one of 4.
func TestFrameHeader(t *testing.T) {
	for _, symbol := range []string{"A", strings.Repeat("LONG", 20)} {
		p := newTradePayload(symbol)
		trade := Trade{Symbol: symbol, ID: 1, Price: 1, Quantity: 1, TradedAt: 1e15, EventAt: 1e15}
		for f := range format(formats) {
			frame := p.append([]byte("before"), &trade, f)[len("before"):]
			text := fmt.Sprintf(`{"e":"trade","E":%d,`, trade.EventAt/map[bool]int64{false: 1000, true: 1}[f&microseconds != 0])
			if f&combined != 0 {
				text = `{"stream":"` + strings.ToLower(symbol) + `@trade","data":` + text
			}
			header := 2
			if len(frame)-2 > 125 {
				header = 4
			}
			length := int(frame[1])
			if header == 4 {
				length = int(frame[2])<<8 | int(frame[3])
			}
			if frame[0] != 0x81 || length != len(frame)-header || !json.Valid(frame[header:]) || !strings.HasPrefix(string(frame[header:]), text) {
				t.Errorf("format %d of %s: frame %q", f, symbol, frame)
			}
		}
	}
}

func TestRequests(t *testing.T) {
	s := newTestServer(t, Options{Source: newTestMarket(t, 0, "BTCUSDT", "ETHUSDT"), KeepAfterError: true})
	names := func(n int) string {
		list := make([]string, n)
		for i := range list {
			list[i] = fmt.Sprintf(`"s%d@trade"`, i)
		}
		return strings.Join(list, ",")
	}
	// Each case is a session of its own: requests and their answers, in turn.
	for _, session := range [][]string{
		{"/ws",
			`{"method":"SUBSCRIBE","params":["btcusdt@trade","ethusdt@depth"],"id":1}`, `{"result":null,"id":1}`,
			`{"method":"LIST_SUBSCRIPTIONS","id":3}`, `{"result":["btcusdt@trade","ethusdt@depth"],"id":3}`,
			`{"method":"UNSUBSCRIBE","params":["ethusdt@depth"],"id":312}`, `{"result":null,"id":312}`,
			`{"method":"LIST_SUBSCRIPTIONS","id":"a-B_9"}`, `{"result":["btcusdt@trade"],"id":"a-B_9"}`},
		{"/stream", // no streams, and answers are not wrapped
			`{"method":"LIST_SUBSCRIPTIONS","id":null}`, `{"result":[],"id":null}`,
			`{"method":"GET_PROPERTY","params":["combined"],"id":-2}`, `{"result":true,"id":-2}`,
			`{"method":"SET_PROPERTY","params":["combined",false],"id":5}`, `{"result":null,"id":5}`,
			`{"method":"GET_PROPERTY","params":["combined"],"id":2}`, `{"result":false,"id":2}`},
		{"/stream?streams=",
			`{"method":"LIST_SUBSCRIPTIONS","id":1}`, `{"result":[],"id":1}`},
		{"/ws/0", // as some clients connect
			`{"method":"SUBSCRIBE","params":["nosuchpair@trade","BTCUSDT@trade","!ticker@arr"],"id":1}`, `{"result":null,"id":1}`},
		{"/ws", // properties
			`{"method":"GET_PROPERTY","params":["combined"],"id":1}`, `{"result":false,"id":1}`,
			`{"method":"GET_PROPERTY","params":["colour"],"id":2}`, `{"error":{"code":0,"msg":"Unknown property"},"id":2}`,
			`{"method":"SET_PROPERTY","params":["combined","yes"],"id":3}`, `{"error":{"code":1,"msg":"Invalid value type: expected Boolean"},"id":3}`,
			`{"method":"SET_PROPERTY","params":[7,true],"id":4}`, `{"error":{"code":2,"msg":"Invalid request: property name must be a string"},"id":4}`},
		{"/ws",
			`{"method":"GET_PROPERTY","id":1}`, `{"error":{"code":2,"msg":"Invalid request: property name must be a string"},"id":1}`,
			`{"method":"SET_PROPERTY","params":["combined",true,1],"id":2}`, `{"error":{"code":2,"msg":"Invalid request: too many parameters"},"id":2}`,
			`{"method":"SUBSCRIBE","params":["btcusdt"],"id":3}`, `{"error":{"code":2,"msg":"Invalid request: invalid stream"},"id":3}`,
			`{"method":"SUBSCRIBE","params":[5],"id":4}`, `{"error":{"code":2,"msg":"Invalid request: invalid stream"},"id":4}`},
		{"/ws", // ids
			`{"method":"LIST_SUBSCRIPTIONS"}`, `{"error":{"code":2,"msg":"Invalid request: request ID must be an unsigned integer"}}`,
			`{"method":"LIST_SUBSCRIPTIONS","id":1.5}`, `{"error":{"code":2,"msg":"Invalid request: request ID must be an unsigned integer"}}`,
			`{"method":"LIST_SUBSCRIPTIONS","id":"` + strings.Repeat("x", 37) + `"}`, `{"error":{"code":2,"msg":"Invalid request: request ID must be an unsigned integer"}}`,
			`{"method":"LIST_SUBSCRIPTIONS","id":9223372036854775807}`, `{"result":[],"id":9223372036854775807}`},
		{"/ws", // what could not be read
			`{"method":"SUBSCRIBED","id":1}`, "{\"error\":{\"code\":2,\"msg\":\"Invalid request: unknown variant SUBSCRIBED, expected one of `SUBSCRIBE`, `UNSUBSCRIBE`, `LIST_SUBSCRIPTIONS`, `SET_PROPERTY`, `GET_PROPERTY` at line 1 column 22\"},\"id\":1}",
			`{"params":["btcusdt@trade"],"id":1}`, "{\"error\":{\"code\":2,\"msg\":\"Invalid request: missing field `method` at line 1 column 35\"},\"id\":1}",
			`{"method":`, `{"error":{"code":3,"msg":"Invalid JSON: expected value at line 1 column 10"}}`,
			`hello`, `{"error":{"code":3,"msg":"Invalid JSON: expected value at line 1 column 1"}}`},
		{"/ws", // more streams than a session may have: none of them
			`{"method":"SUBSCRIBE","params":[` + names(512) + `],"id":1}`, `{"result":null,"id":1}`,
			`{"method":"SUBSCRIBE","params":[` + names(600) + `],"id":2}`, `{"result":null,"id":2}`,
			`{"method":"SUBSCRIBE","params":[` + strings.ReplaceAll(names(500), "s", "u") + `],"id":3}`, `{"error":{"code":4,"msg":"Too many subscriptions"},"id":3}`},
	} {
		c := dial(t, s, session[0])
		for i := 1; i < len(session); i += 2 {
			if got := c.ask(session[i]); got != session[i+1] {
				t.Errorf("%s: %.80s\ngot  %s\nwant %s", session[0], session[i], got, session[i+1])
			}
		}
		c.Close()
	}
}

// The answer to SUBSCRIBE comes before the first trade, the answer to
// UNSUBSCRIBE after the last; SET_PROPERTY changes the form at once.
func TestSubscribeLive(t *testing.T) {
	s := newTestServer(t, Options{Source: newTestMarket(t, 1000, "BTCUSDT")})
	s.Start()
	c := dial(t, s, "/ws")
	exchange := func(request, answer string) {
		t.Helper()
		if got := c.ask(request); got != answer {
			t.Fatalf("got %s, want %s", got, answer)
		}
	}
	exchange(`{"method":"SUBSCRIBE","params":["btcusdt@trade"],"id":1}`, `{"result":null,"id":1}`)
	first := decodeTrade(t, c.next()).id
	for i := range int64(50) {
		if id := decodeTrade(t, c.next()).id; id != first+i+1 {
			t.Fatalf("trade %d follows %d", id, first+i)
		}
	}
	exchange(`{"method":"SET_PROPERTY","params":["combined",true],"id":2}`, `{"result":null,"id":2}`)
	if frame := c.next(); !strings.HasPrefix(frame, `{"stream":"btcusdt@trade",`) {
		t.Fatalf("after SET_PROPERTY: %s", frame)
	}
	exchange(`{"method":"UNSUBSCRIBE","params":["btcusdt@trade"],"id":3}`, `{"result":null,"id":3}`)
	c.SetReadDeadline(time.Now().Add(100 * time.Millisecond))
	if _, frame, err := c.ReadMessage(); err == nil {
		t.Fatalf("after UNSUBSCRIBE: %s", frame)
	}
}

func TestMalformedRequestEndsSession(t *testing.T) {
	s := newTestServer(t, Options{Source: newTestMarket(t, 0, "BTCUSDT")})
	for _, request := range []string{`{"method":`, `{"method":"SUBSCRIBE","params":["x"],"id":1}`} {
		c := dial(t, s, "/ws")
		if got := c.ask(request); !strings.HasPrefix(got, `{"error":`) {
			t.Errorf("%s: got %s", request, got)
		}
		if err := c.end(); !websocket.IsCloseError(err, websocket.ClosePolicyViolation) {
			t.Errorf("%s: ended with %v", request, err)
		}
	}
	// A property that doesn't exist was understood.
	c := dial(t, s, "/ws")
	c.ask(`{"method":"GET_PROPERTY","params":["colour"],"id":1}`)
	if got := c.ask(`{"method":"LIST_SUBSCRIPTIONS","id":2}`); got != `{"result":[],"id":2}` {
		t.Errorf("got %s", got)
	}
}

func TestRefusedURLs(t *testing.T) {
	s := newTestServer(t, Options{Source: newTestMarket(t, 0, "BTCUSDT")})
	for path, status := range map[string]int{
		"/other":                   404,
		"/streams":                 404,
		"/ws?timeUnit=NANOSECOND":  400,
		"/stream?timeUnit=seconds": 400,
	} {
		_, response, err := websocket.DefaultDialer.Dial(s.WebSocketURL()+path, nil)
		if err == nil || response == nil || response.StatusCode != status {
			t.Errorf("%s: %v, %v; want %d", path, response, err, status)
		}
	}
	many := make([]string, 1025)
	for i := range many {
		many[i] = fmt.Sprintf("s%d@trade", i)
	}
	for path, reason := range map[string]string{
		"/ws/btcusdt": `{"code":-1,"msg":"Illegal format ws or stream"}`,
		"/stream?streams=" + strings.Join(many, "/"): "Too many subscriptions",
	} {
		err := dial(t, s, path).end()
		var closed *websocket.CloseError
		if !errors.As(err, &closed) || closed.Code != 1008 || closed.Text != reason {
			t.Errorf("%.60s: ended with %v, want 1008 %s", path, err, reason)
		}
	}
	c := dial(t, s, "/stream?streams="+strings.Join(many[:1024], "/"))
	if got := c.ask(`{"method":"GET_PROPERTY","params":["combined"],"id":1}`); got != `{"result":true,"id":1}` {
		t.Errorf("with 1024 streams: %s", got)
	}
}
