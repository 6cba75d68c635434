package binance

import (
	"bufio"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/gorilla/websocket"
)

const (
	// dialTimeout bounds a whole attempt: name, TCP, TLS, websocket handshake.
	dialTimeout = 10 * time.Second
	// Sizes of the read buffers below TLS (bytes as they come from the kernel)
	// and above it. The larger one saves system calls in a burst; both are held
	// for each open session.
	wireBufferSize  = 128 << 10
	frameBufferSize = 16 << 10
	// initialFrameSize fits any trade; the buffer grows to frameLimit at most.
	initialFrameSize = 1 << 10
)

// DialFunc opens a connection, as net.Dialer.DialContext does. It is the only
// way in which anything here reaches the network.
type DialFunc func(ctx context.Context, network, addr string) (net.Conn, error)

// refusal is an answer to the handshake that was not 101 Switching Protocols.
type refusal struct {
	Status     int
	RetryAfter time.Duration // zero when not said
}

func (r *refusal) Error() string {
	return fmt.Sprintf("the exchange answered %d %s", r.Status, http.StatusText(r.Status))
}

// streamName is the stream of symbol's trades as a URL has it. A symbol may have
// letters beyond ASCII, each of which takes up to nine characters there.
func streamName(symbol string) string {
	return url.QueryEscape(strings.ToLower(symbol)) + "@trade"
}

// streamURL is base with the trade streams of symbols. Streams in the URL cost
// none of the few messages that a client may send.
func streamURL(base string, symbols []string) string {
	var b strings.Builder
	b.WriteString(strings.TrimSuffix(base, "/"))
	b.WriteString("/stream?streams=")
	for i, symbol := range symbols {
		if i > 0 {
			b.WriteByte('/')
		}
		b.WriteString(streamName(symbol))
	}
	b.WriteString("&timeUnit=MICROSECOND")
	return b.String()
}

// dial opens a websocket and returns it with the tap below it.
func dial(ctx context.Context, o *Options, address string) (*websocket.Conn, *tap, error) {
	ctx, cancel := context.WithTimeout(ctx, dialTimeout)
	defer cancel()
	var wire *tap
	dialer := websocket.Dialer{
		ReadBufferSize:  frameBufferSize,
		WriteBufferSize: 512, // pings and pongs are all that is written
		NetDialContext: func(ctx context.Context, network, addr string) (net.Conn, error) {
			conn, err := o.Dial(ctx, network, addr)
			if err != nil {
				return nil, err
			}
			wire = &tap{Conn: conn}
			return wire, nil
		},
		NetDialTLSContext: func(ctx context.Context, network, addr string) (net.Conn, error) {
			conn, err := dialTLS(ctx, o, network, addr)
			if err != nil {
				return nil, err
			}
			wire = &tap{Conn: conn}
			return wire, nil
		},
	}
	conn, answer, err := dialer.DialContext(ctx, address, nil)
	if err != nil {
		if errors.Is(err, websocket.ErrBadHandshake) && answer != nil {
			err = &refusal{Status: answer.StatusCode, RetryAfter: retryAfter(answer.Header)}
		}
		return nil, nil, err
	}
	return conn, wire, nil
}

// dialTLS opens a connection and verifies the exchange's certificate. The
// buffer below TLS lets one system call bring many TLS records.
func dialTLS(ctx context.Context, o *Options, network, addr string) (net.Conn, error) {
	raw, err := o.Dial(ctx, network, addr)
	if err != nil {
		return nil, err
	}
	config := o.TLS.Clone()
	if config.ServerName == "" {
		host, _, err := net.SplitHostPort(addr)
		if err != nil {
			raw.Close()
			return nil, err
		}
		config.ServerName = host
	}
	// A websocket upgrade is HTTP/1.1 only.
	config.NextProtos = []string{"http/1.1"}
	conn := tls.Client(bufferedConn{raw, bufio.NewReaderSize(raw, wireBufferSize)}, config)
	if err := conn.HandshakeContext(ctx); err != nil {
		raw.Close()
		return nil, err
	}
	return conn, nil
}

// bufferedConn reads through a buffer.
type bufferedConn struct {
	net.Conn
	r *bufio.Reader
}

func (c bufferedConn) Read(p []byte) (int, error) { return c.r.Read(p) }

// retryAfter reads the header of that name, in seconds as Binance sends it.
func retryAfter(h http.Header) time.Duration {
	seconds, err := strconv.Atoi(h.Get("Retry-After"))
	if err != nil || seconds < 0 {
		return 0
	}
	return time.Duration(seconds) * time.Second
}
