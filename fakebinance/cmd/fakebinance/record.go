package main

import (
	"bufio"
	"compress/gzip"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/url"
	"os"
	"strings"
	"time"

	"github.com/gorilla/websocket"
	"github.com/urfave/cli/v3"
)

const (
	// dialTimeout bounds the handshake with the endpoint.
	dialTimeout = 15 * time.Second
	// silence ends a recording: the exchange pings every 20 s, so a connection
	// without any frame for as long is dead.
	silence = 90 * time.Second
	// closeTimeout bounds the farewell to the endpoint.
	closeTimeout = time.Second
	// maxFrame bounds a frame; that of a trade has some 170 bytes.
	maxFrame = 64 << 10
)

func recordCommand(stderr io.Writer) *cli.Command {
	return &cli.Command{
		Name:      "record",
		Usage:     "write the trades of an endpoint to a capture",
		ArgsUsage: " ",
		Flags: []cli.Flag{
			&cli.StringFlag{Name: "from", Value: "wss://stream.binance.com:9443", Usage: "endpoint, without a path"},
			&cli.StringFlag{Name: "symbols", Value: "BTCUSDT,ETHUSDT,BNBUSDT", Usage: "symbols to record"},
			&cli.DurationFlag{Name: "for", Value: 10 * time.Minute, Usage: "how long"},
			&cli.StringFlag{Name: "out", Usage: "file to write (gzip); it must not exist yet"},
			&cli.StringFlag{Name: "ca", Usage: "trust this certificate (PEM) in place of the system's"},
			&cli.BoolFlag{Name: "microseconds", Usage: "ask for times in microseconds"},
		},
		Action: func(ctx context.Context, c *cli.Command) error { return record(ctx, c, stderr) },
	}
}

// record writes a capture until its time is over, ctx is done or the
// connection ends. It does not dial again: a capture has no holes.
func record(ctx context.Context, c *cli.Command, stderr io.Writer) (err error) {
	if err := noArguments(c); err != nil {
		return err
	}
	endpoint, err := streamURL(c)
	if err != nil {
		return err
	}
	if c.String("out") == "" {
		return usage("-out is missing: the file to write")
	}
	if c.Duration("for") <= 0 {
		return usage("-for %s is not above zero", c.Duration("for"))
	}
	config, err := trust(c.String("ca"))
	if err != nil {
		return err
	}
	dialer := websocket.Dialer{HandshakeTimeout: dialTimeout, TLSClientConfig: config}
	conn, _, err := dialer.DialContext(ctx, endpoint, nil)
	if err != nil {
		return fmt.Errorf("dial %s: %w", endpoint, err)
	}
	defer conn.Close()
	conn.SetReadLimit(maxFrame)

	file, err := os.OpenFile(c.String("out"), os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o644)
	if err != nil {
		return fmt.Errorf("create capture: %w", err)
	}
	compressed := gzip.NewWriter(file)
	out := &recorder{lines: bufio.NewWriter(compressed), last: make(map[string]int64)}
	defer func() {
		// What was recorded is a good capture however the recording ended.
		err = errors.Join(err, out.lines.Flush(), compressed.Close(), file.Close())
	}()

	ctx, cancel := context.WithTimeout(ctx, c.Duration("for"))
	defer cancel()
	// The read that waits when the time is over returns at once.
	defer context.AfterFunc(ctx, func() { _ = conn.SetReadDeadline(time.Now()) })()
	logger := slog.New(slog.NewTextHandler(stderr, nil))
	logger.Info("recording", "from", endpoint, "for", c.Duration("for"), "out", c.String("out"))
	err = out.run(ctx, conn)
	logger.Info("recorded", "trades", out.trades, "out", c.String("out"))
	if err != nil {
		return fmt.Errorf("record from %s: %w", endpoint, err)
	}
	farewell := websocket.FormatCloseMessage(websocket.CloseNormalClosure, "")
	_ = conn.WriteControl(websocket.CloseMessage, farewell, time.Now().Add(closeTimeout)) // out of courtesy
	if out.trades == 0 {
		return fmt.Errorf("record from %s: no trade came in %s", endpoint, c.Duration("for"))
	}
	return nil
}

func streamURL(c *cli.Command) (string, error) {
	endpoint, err := url.Parse(c.String("from"))
	if err != nil || endpoint.Host == "" || endpoint.Scheme != "ws" && endpoint.Scheme != "wss" {
		return "", usage("-from %q is no ws:// or wss:// address", c.String("from"))
	}
	symbols := splitSymbols(c.String("symbols"))
	if len(symbols) == 0 {
		return "", usage("-symbols is empty")
	}
	for i := range symbols {
		symbols[i] = strings.ToLower(symbols[i]) + "@trade"
	}
	endpoint.Path = "/stream"
	endpoint.RawQuery = "streams=" + strings.Join(symbols, "/")
	if c.Bool("microseconds") {
		endpoint.RawQuery += "&timeUnit=MICROSECOND"
	}
	return endpoint.String(), nil
}

func trust(path string) (*tls.Config, error) {
	if path == "" {
		return nil, nil
	}
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("read certificate: %w", err)
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(text) {
		return nil, fmt.Errorf("read certificate: no certificate in %s", path)
	}
	return &tls.Config{RootCAs: pool}, nil
}

// recorder writes the lines of a capture.
type recorder struct {
	lines  *bufio.Writer
	last   map[string]int64 // id by stream
	trades int
}

// run writes what comes until ctx is done. The exchange's pings are answered
// by the websocket library.
func (r *recorder) run(ctx context.Context, conn *websocket.Conn) error {
	for ctx.Err() == nil {
		if err := conn.SetReadDeadline(time.Now().Add(silence)); err != nil {
			return err
		}
		if ctx.Err() != nil {
			return nil // the deadline of its end came before the one just set
		}
		_, frame, err := conn.ReadMessage()
		if err != nil {
			if ctx.Err() != nil {
				return nil
			}
			return fmt.Errorf("after %d trades: %w", r.trades, err)
		}
		if err := r.write(time.Now(), frame); err != nil {
			return err
		}
	}
	return nil
}

// write adds a frame as it came, if it is a trade's.
func (r *recorder) write(received time.Time, frame []byte) error {
	var read struct {
		Stream string `json:"stream"`
		Trade  struct {
			Event string `json:"e"`
			// So that E is not taken for e, nor T for t.
			EventAt  json.RawMessage `json:"E"`
			ID       int64           `json:"t"`
			TradedAt json.RawMessage `json:"T"`
		} `json:"data"`
	}
	if err := json.Unmarshal(frame, &read); err != nil {
		return fmt.Errorf("decode frame %.200q: %w", frame, err)
	}
	if read.Trade.Event != "trade" {
		return nil // an announcement, such as of a shutdown
	}
	if last, ok := r.last[read.Stream]; ok && read.Trade.ID != last+1 {
		return fmt.Errorf("%s: trade %d follows %d, and a capture has no holes", read.Stream, read.Trade.ID, last)
	}
	r.last[read.Stream] = read.Trade.ID
	r.trades++
	_, err := fmt.Fprintf(r.lines, "%d %s\n", received.UnixNano(), frame)
	return err
}
