package conform

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/gorilla/websocket"
)

// Section 8: HTTP and WebSocket; and of section 2 what is harmless.
var wireCases = []Case{
	{"deflate-offered", "8", "permessage-deflate is agreed to when offered, without context at the server", Seen, "Switches.NoCompression", "permessage-deflate, server_no_context_takeover", extensions(true)},
	{"deflate-not-offered", "8", "a client that offers nothing gets plain frames", Seen, "", "none", extensions(false)},
	{"deflate-delivers", "8", "compressed trades are the same trades", Seen, "", rawTrade, deflated(watch("/ws/$s@trade"))},
	{"deflate-delivers-combined", "8", "wrapped too, and aggregates", Seen, "", inAggregate + rawAggregate + "}", deflated(watch("/stream?streams=$s@aggTrade"))},
	{"deflate-requests", "8", "compressed requests are understood", Seen, "", `{"result":null,"id":1} | {"result":["$s@trade"],"id":3}`, deflated(talk("/ws", subscribe, list))},
	{"pong-for-ping", "2", "a ping of the client is answered with its payload", Seen, "", "any payload", pongForPing},
	{"pong-unasked", "2", "a pong that nobody asked for is allowed", Documented, "", `{"result":[],"id":3}`, pongUnasked},
	{"close-echo", "8", "a close of the client is echoed", Seen, "", "closed 1000", closeEcho},
	{"stream-name-malformed", "8", "a malformed stream in the URL is closed with its reason", Seen, "", `closed 1008 {"code":-1,"msg":"Illegal format ws or stream"}`, talk("/ws/nonsense", list)},
}

func extensions(offer bool) func(context.Context, *Endpoint) (string, error) {
	return func(ctx context.Context, e *Endpoint) (string, error) {
		dialer := *e.Dialer
		dialer.EnableCompression = offer
		conn, response, err := dialer.DialContext(ctx, e.WebSocket+"/ws", nil)
		if err != nil {
			return "", err
		}
		defer conn.Close()
		return agreed(response.Header), nil
	}
}

// agreed is what was agreed to that matters to a client: the window's size and
// what the client may keep are left out.
func agreed(h http.Header) string {
	answer := h.Get("Sec-WebSocket-Extensions")
	if answer == "" {
		return "none"
	}
	var parts []string
	for part := range strings.SplitSeq(answer, ";") {
		if part = strings.TrimSpace(part); part == "permessage-deflate" || part == "server_no_context_takeover" {
			parts = append(parts, part)
		}
	}
	return strings.Join(parts, ", ")
}

// deflated has a probe offer compression.
func deflated(probe func(context.Context, *Endpoint) (string, error)) func(context.Context, *Endpoint) (string, error) {
	return func(ctx context.Context, e *Endpoint) (string, error) {
		offering := *e
		dialer := *e.Dialer
		dialer.EnableCompression = true
		offering.Dialer = &dialer
		return probe(ctx, &offering)
	}
}

func pongForPing(ctx context.Context, e *Endpoint) (string, error) {
	conn, refused, err := e.dial(ctx, "/ws")
	if conn == nil {
		return refused, err
	}
	defer conn.Close()
	got := "none"
	conn.SetPongHandler(func(payload string) error {
		got = payload
		return conn.WriteMessage(websocket.TextMessage, []byte(list))
	})
	if err := conn.WriteControl(websocket.PingMessage, []byte("any payload"), time.Now().Add(e.Patience)); err != nil {
		return "", err
	}
	// The answer to the request that the pong sets off ends the wait.
	_, _, err = e.answer(conn)
	return got, err
}

func pongUnasked(ctx context.Context, e *Endpoint) (string, error) {
	conn, refused, err := e.dial(ctx, "/ws")
	if conn == nil {
		return refused, err
	}
	defer conn.Close()
	if err := conn.WriteControl(websocket.PongMessage, nil, time.Now().Add(e.Patience)); err != nil {
		return "", err
	}
	if err := conn.WriteMessage(websocket.TextMessage, []byte(list)); err != nil {
		return "", err
	}
	frame, ended, err := e.answer(conn)
	return frame + ended, err
}

func closeEcho(ctx context.Context, e *Endpoint) (string, error) {
	conn, refused, err := e.dial(ctx, "/ws")
	if conn == nil {
		return refused, err
	}
	defer conn.Close()
	if err := conn.WriteControl(websocket.CloseMessage, websocket.FormatCloseMessage(1000, ""), time.Now().Add(e.Patience)); err != nil {
		return "", err
	}
	frame, ended, err := e.answer(conn)
	if err != nil {
		return "", fmt.Errorf("after a close: %w", err)
	}
	return frame + ended, nil
}
