package conform

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/gorilla/websocket"
)

// Section 8: HTTP and WebSocket; and of section 2 what is harmless.
var wireCases = []Case{
	{"deflate-offered", "8", "permessage-deflate is agreed to when offered, without context at the server", Seen, "Switches.NoCompression", "permessage-deflate, server_no_context_takeover", extensions("permessage-deflate; server_no_context_takeover; client_no_context_takeover")},
	{"deflate-offered-bare", "8", "so it is without parameters: no window's size comes that the client has not spoken of", Guess, "", "permessage-deflate, server_no_context_takeover", extensions("permessage-deflate")},
	{"deflate-client-window", "8", "a client that can be told its window's size is told 15", Seen, "", "permessage-deflate, client_max_window_bits=15, server_no_context_takeover", extensions("permessage-deflate; client_max_window_bits")},
	{"deflate-client-window-value", "8", "or no more than it offers (RFC 7692)", Guess, "", "permessage-deflate, client_max_window_bits=10, server_no_context_takeover", extensions("permessage-deflate; client_max_window_bits=10")},
	{"deflate-server-window", "8", "a window that the server is to keep to is in the answer (RFC 7692)", Guess, "", "permessage-deflate, server_max_window_bits=9, server_no_context_takeover", extensions("permessage-deflate; server_max_window_bits=9")},
	{"deflate-both-windows", "8", "both at once", Guess, "", "permessage-deflate, client_max_window_bits=15, server_max_window_bits=15, server_no_context_takeover", extensions("permessage-deflate; client_no_context_takeover; server_max_window_bits=15; client_max_window_bits")},
	{"deflate-window-wrong", "8", "an offer with a window of 7 bits is declined (RFC 7692)", Guess, "", "none", extensions("permessage-deflate; server_max_window_bits=7")},
	{"deflate-parameter-unknown", "8", "so is one with a parameter that is not known (RFC 7692)", Guess, "", "none", extensions("permessage-deflate; window=15")},
	{"deflate-second-offer", "8", "then the next offer counts (RFC 7692)", Guess, "", "permessage-deflate, server_no_context_takeover", extensions("permessage-deflate; window=15, permessage-deflate")},
	{"deflate-not-offered", "8", "a client that offers nothing gets plain frames", Seen, "", "none", extensions("")},
	{"deflate-delivers", "8", "compressed trades are the same trades", Seen, "", rawTrade, deflated(watch("/ws/$s@trade"))},
	{"deflate-delivers-combined", "8", "wrapped too, and aggregates", Seen, "", inAggregate + rawAggregate + "}", deflated(watch("/stream?streams=$s@aggTrade"))},
	{"deflate-requests", "8", "compressed requests are understood", Seen, "", `{"result":null,"id":1} | {"result":["$s@trade"],"id":3}`, deflated(talk("/ws", subscribe, list))},
	{"pong-for-ping", "2", "a ping of the client is answered with its payload", Seen, "", "any payload", pongForPing},
	{"pong-unasked", "2", "a pong that nobody asked for is allowed", Documented, "", `{"result":[],"id":3}`, pongUnasked},
	{"close-echo", "8", "a close of the client is echoed", Seen, "", "closed 1000", closeEcho},
	{"stream-name-malformed", "8", "a malformed stream in the URL is closed with its reason", Seen, "", `closed 1008 {"code":-1,"msg":"Illegal format ws or stream"}`, talk("/ws/nonsense", list)},
}

// extensions observes what is agreed to of an offer. The upgrade is asked for
// by hand: the library makes one offer only.
func extensions(offer string) func(context.Context, *Endpoint) (string, error) {
	return func(ctx context.Context, e *Endpoint) (string, error) {
		ctx, cancel := context.WithTimeout(ctx, e.Patience)
		defer cancel()
		request, err := http.NewRequestWithContext(ctx, http.MethodGet, "http"+strings.TrimPrefix(e.WebSocket, "ws")+"/ws", nil)
		if err != nil {
			return "", err
		}
		for name, value := range map[string]string{
			"Connection": "Upgrade", "Upgrade": "websocket", "Sec-WebSocket-Version": "13", "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==",
		} {
			request.Header.Set(name, value)
		}
		if offer != "" {
			request.Header.Set("Sec-WebSocket-Extensions", offer)
		}
		response, err := e.HTTP.Do(request)
		if err != nil {
			return "", err
		}
		defer response.Body.Close()
		if response.StatusCode != http.StatusSwitchingProtocols {
			return fmt.Sprintf("status %d", response.StatusCode), nil
		}
		return agreed(response.Header), nil
	}
}

// agreed is what was agreed to, in the order of the names; what the client may
// keep is left out, as it matters to the server only.
func agreed(h http.Header) string {
	answer := h.Get("Sec-WebSocket-Extensions")
	if answer == "" {
		return "none"
	}
	name, rest, _ := strings.Cut(answer, ";")
	var parts []string
	for part := range strings.SplitSeq(rest, ";") {
		if part = strings.TrimSpace(part); part != "" && part != "client_no_context_takeover" {
			parts = append(parts, part)
		}
	}
	slices.Sort(parts)
	return strings.Join(append([]string{name}, parts...), ", ")
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
