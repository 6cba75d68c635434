package fakebinance

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

// A capture is a text file, plain or compressed with gzip, with one @trade
// frame a line in the order of arrival: the receive time in Unix nanoseconds,
// a space, and the frame of the combined stream as it came:
//
//	1723161254087896568 {"stream":"btcusdt@trade","data":{"e":"trade",...}}
//
// The bounds keep a broken or foreign file from filling the memory: a frame of
// a trade has some 170 bytes, and a day of BTCUSDT has up to 8 million trades.
const (
	maxCaptureLine   = 4096
	maxCaptureTrades = 8 << 20
)

// Capture is a recording of the trades of some symbols, in memory, some 50
// bytes a trade.
type Capture struct {
	name    string
	symbols []string // in the order of their first trade
	trades  map[string][]capturedTrade
	first   int64 // earliest event time, Unix microseconds
	last    int64 // latest
	count   int
}

type capturedTrade struct {
	id                int64
	price, quantity   Decimal
	tradedAt, eventAt int64 // Unix microseconds, as recorded
	buyerIsMaker      bool
}

// CaptureError is a line of a capture that can't be replayed.
type CaptureError struct {
	Name string // of the file
	Line int    // counts from 1
	Err  error
}

// Error names the file and the line.
func (e *CaptureError) Error() string { return fmt.Sprintf("%s line %d: %v", e.Name, e.Line, e.Err) }

// Unwrap returns the reason.
func (e *CaptureError) Unwrap() error { return e.Err }

// OpenCapture reads a capture. It returns a *CaptureError for a line that is
// no @trade frame, whose id does not follow the one before of its symbol, or
// whose price or quantity would not be repeated to the letter.
func OpenCapture(path string) (*Capture, error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("open capture: %w", err)
	}
	defer file.Close()
	return readCapture(filepath.Base(path), file)
}

func readCapture(name string, file io.Reader) (*Capture, error) {
	plain, err := uncompressed(file)
	if err != nil {
		return nil, fmt.Errorf("read capture %s: %w", name, err)
	}
	c := &Capture{name: name, trades: make(map[string][]capturedTrade)}
	lines := bufio.NewScanner(plain)
	lines.Buffer(make([]byte, 0, maxCaptureLine), maxCaptureLine)
	line := 0
	for lines.Scan() {
		line++
		if err := c.add(lines.Bytes()); err != nil {
			return nil, &CaptureError{Name: name, Line: line, Err: err}
		}
	}
	if err := lines.Err(); err != nil {
		return nil, &CaptureError{Name: name, Line: line + 1, Err: err}
	}
	if c.count == 0 {
		return nil, fmt.Errorf("read capture %s: no trades in it", name)
	}
	return c, nil
}

// uncompressed looks at the content, not at the name.
func uncompressed(file io.Reader) (io.Reader, error) {
	buffered := bufio.NewReader(file)
	magic, err := buffered.Peek(2)
	if err == nil && bytes.Equal(magic, []byte{0x1f, 0x8b}) {
		return gzip.NewReader(buffered)
	}
	if err != nil && err != io.EOF {
		return nil, err
	}
	return buffered, nil
}

// capturedFrame names every field that differs from another only by case:
// encoding/json would else take the one for the other.
type capturedFrame struct {
	Stream string `json:"stream"`
	Trade  struct {
		Event        string `json:"e"`
		EventAt      int64  `json:"E"`
		Symbol       string `json:"s"`
		ID           *int64 `json:"t"`
		Price        string `json:"p"`
		Quantity     string `json:"q"`
		TradedAt     int64  `json:"T"`
		BuyerIsMaker *bool  `json:"m"`
		Ignore       bool   `json:"M"`
	} `json:"data"`
}

func (c *Capture) add(line []byte) error {
	received, text, found := bytes.Cut(line, []byte(" "))
	if !found {
		return errors.New("want a receive time, a space and a frame")
	}
	if _, err := strconv.ParseInt(string(received), 10, 64); err != nil {
		return fmt.Errorf("receive time %q is not a number of nanoseconds", received)
	}
	var frame capturedFrame
	if err := json.Unmarshal(text, &frame); err != nil {
		return fmt.Errorf("decode frame: %w", err)
	}
	read := &frame.Trade
	if read.Event != "trade" || frame.Stream != strings.ToLower(read.Symbol)+"@trade" {
		return fmt.Errorf("not a @trade frame: event %q on stream %q", read.Event, frame.Stream)
	}
	if read.ID == nil || read.BuyerIsMaker == nil || read.EventAt <= 0 || read.TradedAt <= 0 {
		return errors.New("trade without id, side or times")
	}
	price, err := exactDecimal(read.Price)
	if err != nil {
		return fmt.Errorf("price: %w", err)
	}
	quantity, err := exactDecimal(read.Quantity)
	if err != nil {
		return fmt.Errorf("quantity: %w", err)
	}
	if c.count == maxCaptureTrades {
		return fmt.Errorf("more than %d trades", maxCaptureTrades)
	}
	trade := capturedTrade{
		id: *read.ID, price: price, quantity: quantity, buyerIsMaker: *read.BuyerIsMaker,
		tradedAt: inMicroseconds(read.TradedAt), eventAt: inMicroseconds(read.EventAt),
	}
	trades := c.trades[read.Symbol]
	switch {
	case trades == nil:
		c.symbols = append(c.symbols, strings.Clone(read.Symbol))
	case trade.id != trades[len(trades)-1].id+1:
		return fmt.Errorf("%s trade %d follows %d: ids of a symbol must rise by one", read.Symbol, trade.id, trades[len(trades)-1].id)
	}
	c.trades[read.Symbol] = append(trades, trade)
	if c.count == 0 {
		c.first, c.last = trade.eventAt, trade.eventAt
	}
	c.first, c.last = min(c.first, trade.eventAt), max(c.last, trade.eventAt)
	c.count++
	return nil
}

// exactDecimal refuses text that would come out differently, so that what is
// replayed can be compared with the capture letter by letter.
func exactDecimal(text string) (Decimal, error) {
	d, err := ParseDecimal(text)
	if err != nil {
		return 0, err
	}
	if canonical := d.String(); canonical != text {
		return 0, fmt.Errorf("%q is not written with 8 decimals as %q", text, canonical)
	}
	return d, nil
}

// inMicroseconds takes a time in milliseconds or microseconds: streams have
// either. The bound is the year 5138 in milliseconds, and 1973 in microseconds.
func inMicroseconds(t int64) int64 {
	if t < 1e14 {
		return t * 1000
	}
	return t
}

// Symbols returns the symbols in the order of their first trade.
func (c *Capture) Symbols() []string { return slices.Clone(c.symbols) }

// Len is the number of trades of all symbols.
func (c *Capture) Len() int { return c.count }
