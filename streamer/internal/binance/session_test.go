package binance

import (
	"bufio"
	"bytes"
	"context"
	"crypto/sha1"
	"encoding/base64"
	"io"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// recorded is a connection whose peer has sent everything already: the answer
// to the handshake, then frames, over and over.
type recorded struct {
	net.Conn
	accepted bool
	request  bytes.Buffer
	frames   []byte
	at, left int // place in frames, and frames still to be repeated
}

func (c *recorded) Write(p []byte) (int, error) {
	if !c.accepted {
		c.request.Write(p)
	}
	return len(p), nil
}

func (c *recorded) Read(p []byte) (int, error) {
	if !c.accepted {
		request, err := http.ReadRequest(bufio.NewReader(&c.request))
		if err != nil {
			return 0, err
		}
		c.accepted = true
		return copy(p, "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: "+
			acceptKey(request.Header.Get("Sec-WebSocket-Key"))+"\r\n\r\n"), nil
	}
	if c.at == len(c.frames) {
		if c.left == 0 {
			return 0, io.EOF
		}
		c.at = 0
		c.left--
	}
	n := copy(p, c.frames[c.at:])
	c.at += n
	return n, nil
}

func (c *recorded) Close() error                     { return nil }
func (c *recorded) SetDeadline(time.Time) error      { return nil }
func (c *recorded) SetReadDeadline(time.Time) error  { return nil }
func (c *recorded) SetWriteDeadline(time.Time) error { return nil }

// frames renders texts as a server sends them: unmasked, one frame each.
func frames(t testing.TB, texts ...string) []byte {
	t.Helper()
	var out []byte
	for _, text := range texts {
		out = append(out, 0x81)
		switch n := len(text); {
		case n <= 125:
			out = append(out, byte(n))
		case n < 1<<16:
			out = append(out, 126, byte(n>>8), byte(n))
		default:
			t.Fatal("frame too long for the test")
		}
		out = append(out, text...)
	}
	return out
}

// feedOf returns a feed whose only session reads the frames, times over.
func feedOf(wire []byte, times int, rejected func(string, []byte)) *Feed {
	return NewFeed(Options{
		Symbols: []string{"BTCUSDT", "ETHUSDT"}, URLs: []string{"ws://recorded"},
		Dial: func(context.Context, string, string) (net.Conn, error) {
			return &recorded{frames: wire, left: times}, nil
		},
		PingInterval: time.Hour, PongTimeout: time.Hour, StaleTimeout: time.Hour,
		Metrics: NewMetrics(prometheus.NewRegistry()), Log: slog.New(slog.DiscardHandler), Rejected: rejected,
		LastID: func(int) int64 { return 0 },
		Newest: func(context.Context, int) (Trade, bool, error) { return Trade{}, false, nil },
	})
}

// What is rejected is counted and shown; what comes around it is delivered.
func TestSessionKeepsOnAfterRejects(t *testing.T) {
	wire := frames(t, combinedFrame, `{"e":`, rawFrame, `{"result":null,"id":1}`, strings.Replace(rawFrame, "2683.8", "0000.0", 1), microsFrame)
	wire = append(append(wire, 0x82, 3, 1, 2, 3), frames(t, rawFrame)...) // a binary frame between
	var why []string
	f := feedOf(wire, 0, func(reason string, _ []byte) { why = append(why, reason) })
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- f.Run(ctx) }()
	var trades, control, rejected int
	for trades+control+rejected < 7 {
		select {
		case b := <-f.Batches():
			trades, control, rejected = trades+len(b.Trades), control+b.Control, rejected+b.Rejected
			b.Release()
		case <-time.After(10 * time.Second):
			t.Fatalf("%d trades, %d control, %d rejected after 10 s", trades, control, rejected)
		}
	}
	cancel()
	if err := <-ended; err != nil {
		t.Error(err)
	}
	if trades < 4 || control < 1 || rejected < 3 {
		t.Errorf("%d trades, %d control, %d rejected; want 4, 1, 3", trades, control, rejected)
	}
	if got := strings.Join(why[:3], " "); got != "malformed zero binary" {
		t.Errorf("rejected for %q", got)
	}
}

func TestGroups(t *testing.T) {
	f := func(count, length int, letter string) {
		t.Helper()
		symbols := make([]string, count)
		for i := range symbols {
			symbols[i] = strings.Repeat(letter, length)
		}
		next := 0
		for _, g := range groups(symbols) {
			if n := len(g.symbols); n > MaxStreams || n == 0 {
				t.Errorf("%d streams in a session", n)
			}
			if u := streamURL("wss://stream.binance.com:9443", g.symbols); len(u) > 8004 {
				t.Errorf("a URL of %d characters", len(u))
			}
			for _, slot := range g.slots {
				if slot != next {
					t.Fatalf("slot %d where %d is due", slot, next)
				}
				next++
			}
		}
		if next != count {
			t.Errorf("%d of %d symbols are in a session", next, count)
		}
	}
	f(1, 7, "A")
	f(400, 8, "A")
	f(1025, 1, "A")
	f(3000, 12, "A")
	f(300, 20, "\u5e01") // nine characters each in a URL
}

// BenchmarkSession reads trades off a connection and hands them on: websocket
// framing and decoding, without TLS. The one allocation a frame is gorilla's
// reader for it (8 bytes).
func BenchmarkSession(b *testing.B) {
	texts := make([]string, 90) // about as many as a TLS record holds
	for i := range texts {
		texts[i] = microsFrame
	}
	wire := frames(b, texts...)
	f := feedOf(wire, 1<<60, func(why string, frame []byte) { b.Error(why, string(frame)) })
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- f.Run(ctx) }()
	b.ReportAllocs()
	b.SetBytes(int64(len(microsFrame)))
	taken := 0
	for b.Loop() {
		for taken == 0 {
			batch := <-f.Batches()
			taken = len(batch.Trades)
			batch.Release()
		}
		taken--
	}
	b.StopTimer()
	cancel()
	for {
		select {
		case batch := <-f.Batches():
			batch.Release()
		case <-ended:
			return
		}
	}
}

// acceptKey is the server's half of the handshake (RFC 6455, section 4.2.2).
func acceptKey(key string) string {
	sum := sha1.Sum([]byte(key + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"))
	return base64.StdEncoding.EncodeToString(sum[:])
}
