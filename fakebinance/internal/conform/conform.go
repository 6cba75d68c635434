// Package conform holds the rules of the exchange as named cases: what is
// asked, what must come back, and where the rule was found. Each runs against
// the fake exchange in a test, and against any other endpoint on request, so
// that whoever can reach the real one sees where the two differ.
//
// Cases with a Probe are harmless: a few connections, requests within all
// limits, nothing that needs a key. Cases without are those that break limits,
// wait for hours or turn a switch; only tests carry them out, against the fake
// and mostly in virtual time.
//
// It is no test of a client, and says nothing about order entry or accounts.
package conform

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/gorilla/websocket"
)

// Basis is how a rule is known.
type Basis string

const (
	Documented Basis = "documented" // in Binance's public documents
	Seen       Basis = "seen"       // reported by users, not promised
	Guess      Basis = "guess"      // nobody knows: a switch, or a choice that is stated
)

// Case is one rule.
type Case struct {
	Name    string
	Section string // of "Binance Spot market data: protocol fact sheet", made from Binance's public documents
	Rule    string
	Basis   Basis
	Switch  string // the field of Options that changes it, if any
	Want    string // what the fake gives
	Probe   func(context.Context, *Endpoint) (string, error)
}

// Cases are all rules, in the order of their sections.
func Cases() []Case {
	var all []Case
	for _, some := range [][]Case{addressCases, requestCases, payloadCases, historyCases, wireCases, limitCases} {
		all = append(all, some...)
	}
	return all
}

// Endpoint is an exchange to be asked.
type Endpoint struct {
	WebSocket, REST string // addresses without a path
	Symbol          string // upper case, with lively trading
	Dialer          *websocket.Dialer
	HTTP            *http.Client
	Pause           time.Duration // between requests on one connection
	Silence         time.Duration // how long nothing must come to count as silent
	Patience        time.Duration // how long to wait for anything
}

// stream is the name of a stream of the symbol.
func (e *Endpoint) stream(kind string) string { return strings.ToLower(e.Symbol) + "@" + kind }

// expand puts the symbol into a text: $s in lower case, $S in upper case.
func (e *Endpoint) expand(text string) string {
	return strings.NewReplacer("$s", strings.ToLower(e.Symbol), "$S", e.Symbol).Replace(text)
}

// dial opens a connection; a refusal is an observation, not an error.
func (e *Endpoint) dial(ctx context.Context, path string) (*websocket.Conn, string, error) {
	conn, response, err := e.Dialer.DialContext(ctx, e.WebSocket+e.expand(path), nil)
	if err != nil {
		if response != nil {
			return nil, fmt.Sprintf("status %d", response.StatusCode), nil
		}
		return nil, "", fmt.Errorf("dial %s: %w", path, err)
	}
	return conn, "", nil
}

// next reads the next text frame. An end of the connection is an observation.
func (e *Endpoint) next(conn *websocket.Conn) (frame, ended string, err error) {
	if err := conn.SetReadDeadline(time.Now().Add(e.Patience)); err != nil {
		return "", "", err
	}
	kind, text, err := conn.ReadMessage()
	var closed *websocket.CloseError
	switch {
	case errors.As(err, &closed) && closed.Code != websocket.CloseAbnormalClosure:
		return "", strings.TrimSpace(fmt.Sprintf("closed %d %s", closed.Code, closed.Text)), nil
	case err != nil:
		return "", "", fmt.Errorf("read: %w", err)
	case kind != websocket.TextMessage:
		return "", "binary frame", nil
	}
	return string(text), "", nil
}

// isEvent tells an event from an answer.
func isEvent(frame string) bool {
	return strings.HasPrefix(frame, `{"e":`) || strings.HasPrefix(frame, `{"u":`) || strings.HasPrefix(frame, `{"stream":`)
}

// ask sends requests one after the other and returns the answers, which are
// fewer when the connection ended.
func (e *Endpoint) ask(conn *websocket.Conn, requests []string) (answers []string, ended string, err error) {
	for i, request := range requests {
		if i > 0 {
			time.Sleep(e.Pause)
		}
		if err := conn.WriteMessage(websocket.TextMessage, []byte(e.expand(request))); err != nil {
			return nil, "", fmt.Errorf("send %s: %w", request, err)
		}
		frame, ended, err := e.answer(conn)
		if err != nil || ended != "" {
			return answers, ended, err
		}
		answers = append(answers, strings.ReplaceAll(frame, strings.ToLower(e.Symbol), "$s"))
	}
	return answers, "", nil
}

// asked dials, asks, and has after observe what comes then, if anything can.
func asked(path string, requests []string, after func(*Endpoint, *websocket.Conn) (string, error)) func(context.Context, *Endpoint) (string, error) {
	return func(ctx context.Context, e *Endpoint) (string, error) {
		conn, refused, err := e.dial(ctx, path)
		if conn == nil {
			return refused, err
		}
		defer conn.Close()
		seen, last, err := e.ask(conn, requests)
		if err == nil && last == "" {
			last, err = after(e, conn)
		}
		if err != nil {
			return "", err
		}
		if last != "" {
			seen = append(seen, last)
		}
		return strings.Join(seen, " | "), nil
	}
}

// talk observes the answers to requests.
func talk(path string, requests ...string) func(context.Context, *Endpoint) (string, error) {
	return asked(path, requests, func(*Endpoint, *websocket.Conn) (string, error) { return "", nil })
}

// silent observes whether events come after the answers to requests.
func silent(path string, requests ...string) func(context.Context, *Endpoint) (string, error) {
	return asked(path, requests, func(e *Endpoint, conn *websocket.Conn) (string, error) {
		if err := conn.SetReadDeadline(time.Now().Add(e.Silence)); err != nil {
			return "", err
		}
		_, _, err := conn.ReadMessage()
		var timeout interface{ Timeout() bool }
		switch {
		case errors.As(err, &timeout) && timeout.Timeout():
			return "silent", nil
		case err != nil:
			return err.Error(), nil
		}
		return "events", nil
	})
}

// answer reads the next frame that is no event.
func (e *Endpoint) answer(conn *websocket.Conn) (frame, ended string, err error) {
	for {
		frame, ended, err = e.next(conn)
		if err != nil || ended != "" || !isEvent(frame) {
			return frame, ended, err
		}
	}
}

// watch observes the shape of the first event.
func watch(path string, requests ...string) func(context.Context, *Endpoint) (string, error) {
	return func(ctx context.Context, e *Endpoint) (string, error) {
		frames, ended, err := e.frames(ctx, path, 1, requests...)
		if err != nil || ended != "" {
			return ended, err
		}
		text, err := shape(frames[0])
		return strings.ReplaceAll(strings.ReplaceAll(text, strings.ToLower(e.Symbol), "$s"), e.Symbol, "$S"), err
	}
}

// frames reads events, after requests that are answered.
func (e *Endpoint) frames(ctx context.Context, path string, n int, requests ...string) (frames []string, ended string, err error) {
	conn, refused, err := e.dial(ctx, path)
	if conn == nil {
		return nil, refused, err
	}
	defer conn.Close()
	if _, ended, err := e.ask(conn, requests); err != nil || ended != "" {
		return nil, ended, err
	}
	for len(frames) < n {
		frame, ended, err := e.next(conn)
		if err != nil || ended != "" {
			return nil, ended, err
		}
		if isEvent(frame) {
			frames = append(frames, frame)
		}
	}
	return frames, "", nil
}
