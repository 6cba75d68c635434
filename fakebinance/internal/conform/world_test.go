package conform

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/gorilla/websocket"

	"steadfeed/fakebinance"
	"steadfeed/fakebinance/memnet"
)

// world is a fake exchange on a network in memory, in virtual time.
type world struct {
	t      *testing.T
	net    *memnet.Network
	market *fakebinance.Market
	s      *fakebinance.Server
}

const rate = 5

// within runs a test in virtual time; the options' source is made here.
func within(o fakebinance.Options, test func(w *world)) func(*testing.T) {
	return func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			w := &world{t: t, net: memnet.New()}
			var err error
			w.market, err = fakebinance.NewMarket(fakebinance.MarketOptions{Seed: 7, Symbols: []string{"BTCUSDT", "ETHUSDT"}, Rate: rate, Start: time.Now().Add(-time.Hour)})
			w.must(err)
			o.Source = w.market
			o.Listener, err = w.net.Listen("127.0.0.1:9443")
			w.must(err)
			w.s, err = fakebinance.New(o)
			w.must(err)
			defer w.s.Close()
			test(w)
		})
	}
}

func (w *world) must(err error) {
	w.t.Helper()
	if err != nil {
		w.t.Fatal(err)
	}
}

func (w *world) equal(what string, got, want any) {
	w.t.Helper()
	if got != want {
		w.t.Errorf("%s: %v, want %v", what, got, want)
	}
}

// client is a connection whose frames are read as they come.
type client struct {
	*websocket.Conn
	w      *world
	opened time.Time
	frames []string
	ended  chan struct{} // closed when the connection has ended
	end    string        // how
	after  time.Duration // when
}

// try opens a connection; status is that of a refusal.
func (w *world) try(path string) (c *client, status int, retryAfter string) {
	dialer := websocket.Dialer{NetDialContext: w.net.Dial, EnableCompression: strings.Contains(path, "deflate")}
	conn, response, err := dialer.Dial(w.s.WebSocketURL()+path, nil)
	if err != nil {
		if response == nil {
			w.t.Fatalf("dial %s: %v", path, err)
		}
		return nil, response.StatusCode, response.Header.Get("Retry-After")
	}
	return &client{Conn: conn, w: w, opened: time.Now(), ended: make(chan struct{})}, 101, response.Header.Get("Sec-WebSocket-Extensions")
}

func (w *world) dial(path string) *client {
	w.t.Helper()
	c, status, _ := w.try(path)
	if c == nil {
		w.t.Fatalf("dial %s: status %d", path, status)
	}
	return c
}

// read starts reading; pongs are sent as gorilla does, unless a handler was set.
func (c *client) read() *client {
	go func() {
		defer close(c.ended)
		defer c.Close()
		for {
			_, frame, err := c.ReadMessage()
			if err == nil {
				c.frames = append(c.frames, string(frame))
				continue
			}
			c.after = time.Since(c.opened)
			var closed *websocket.CloseError
			if errors.As(err, &closed) && closed.Code != websocket.CloseAbnormalClosure {
				c.end = strings.TrimSpace(fmt.Sprintf("%d %s", closed.Code, closed.Text))
			} else {
				c.end = "no close frame"
			}
			return
		}
	}()
	return c
}

// mute answers no ping.
func (c *client) mute() *client {
	c.SetPingHandler(func(string) error { return nil })
	return c
}

func (c *client) send(request string) {
	c.w.t.Helper()
	c.w.must(c.WriteMessage(websocket.TextMessage, []byte(request)))
}

func (c *client) pong(payload string) {
	_ = c.WriteControl(websocket.PongMessage, []byte(payload), time.Now().Add(time.Second)) // the connection may have ended
}

// lives tells whether the connection goes on.
func (c *client) lives() bool {
	synctest.Wait()
	select {
	case <-c.ended:
		return false
	default:
		return true
	}
}

// leave closes the connection and waits for its reader.
func (c *client) leave() {
	c.Close()
	<-c.ended
}

// get asks REST and returns the status and the body.
func (w *world) get(path string, header ...string) (status int, body, retryAfter string) {
	w.t.Helper()
	transport := &http.Transport{DialContext: w.net.Dial, DisableKeepAlives: true}
	request, err := http.NewRequest(http.MethodGet, w.s.RESTURL()+path, nil)
	w.must(err)
	for i := 0; i+1 < len(header); i += 2 {
		if header[i] == "Host" {
			request.Host = header[i+1]
		}
	}
	response, err := (&http.Client{Transport: transport}).Do(request)
	w.must(err)
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	w.must(err)
	return response.StatusCode, string(text), response.Header.Get("Retry-After")
}
