package fakebinance

import (
	"net/http"
	"strings"
	"testing"
)

// What is agreed to of an offer (RFC 7692 section 7.1), beside what the rules
// in internal/conform ask over the wire.
func TestNegotiate(t *testing.T) {
	const agreed = "permessage-deflate; server_no_context_takeover; client_no_context_takeover"
	f := func(want string, offers ...string) {
		t.Helper()
		if got := negotiate(http.Header{"Sec-Websocket-Extensions": offers}); got != want {
			t.Errorf("%q: %q, want %q", offers, got, want)
		}
	}
	f("")
	f("", "")
	f("", "x-webkit-deflate-frame")
	f(agreed, "x-webkit-deflate-frame, permessage-deflate")
	f(agreed, "x-webkit-deflate-frame", "permessage-deflate")
	f(agreed, " permessage-deflate ; client_no_context_takeover;server_no_context_takeover ")
	f(agreed+"; server_max_window_bits=8", `permessage-deflate; server_max_window_bits="8"`)
	f(agreed+"; client_max_window_bits=15; server_max_window_bits=12", "permessage-deflate;client_max_window_bits; server_max_window_bits = 12")
	// The second offer of a careful client is for a server that declines the first.
	f(agreed+"; server_max_window_bits=10", "permessage-deflate; server_max_window_bits=10; x, permessage-deflate; server_max_window_bits=10, permessage-deflate")
	for _, bad := range []string{
		"server_max_window_bits", "server_max_window_bits=", "server_max_window_bits=16", "server_max_window_bits=08", "server_max_window_bits=ten",
		"client_max_window_bits=7", "client_max_window_bits=", "server_no_context_takeover=1", "client_no_context_takeover=true",
		"server_no_context_takeover; server_no_context_takeover", "client_max_window_bits=9; client_max_window_bits=9", "", ";",
	} {
		f("", "permessage-deflate; "+bad)
	}
}

// A message longer than the smallest window goes out plain, so that no window
// that was agreed to is left.
func TestDeflateKeepsToTheSmallestWindow(t *testing.T) {
	var d deflater
	f := func(bytes int, compressed bool) {
		t.Helper()
		frame := appendFrame(nil, opText, []byte(strings.Repeat("a", bytes)))
		if got := d.frame(frame, 0)[0]&compressedBit != 0; got != compressed {
			t.Errorf("%d bytes: compressed %v, want %v", bytes, got, compressed)
		}
	}
	f(10, true)
	f(maxDeflated, true)
	f(maxDeflated+1, false)
}

// Compressing allocates nothing once it has begun.
func TestDeflateAllocates(t *testing.T) {
	var d deflater
	market := newTestMarket(t, 50, "BTCUSDT")
	payload := newTradePayload("BTCUSDT")
	trade := market.Trade("BTCUSDT", market.FirstID("BTCUSDT"))
	b := make([]byte, 0, 1024)
	if n := testing.AllocsPerRun(100, func() {
		b = payload.append(b[:0], &trade, combined)
		b = d.frame(b, 0)
	}); n != 0 {
		t.Errorf("%v allocations a trade", n)
	}
}
