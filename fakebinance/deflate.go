package fakebinance

import (
	"bytes"
	"compress/flate"
	"net/http"
	"strconv"
	"strings"
)

// The exchange compresses what it sends to a client that offers
// permessage-deflate (RFC 7692), each message for itself. Answers, pings and
// what faults have altered go out plain, which the extension allows.

const (
	extensionsHeader = "Sec-WebSocket-Extensions"
	// compressedBit marks the first frame of a compressed message.
	compressedBit = 0x40
	// maxDeflated is what a message may have to be compressed: no more than the
	// smallest window that a client may ask for, 2 to the power of 8, so that
	// one compressed frame is right for each of them. The events of all but the
	// longest names stay below it.
	maxDeflated = 1 << 8
)

// negotiate returns what the server agrees to of a client's offers, the first
// that it can accept; "" when there is none. It always resets its own window
// after a message, and has the client do so, which a server may ask of any
// (RFC 7692 section 7.1.1).
func negotiate(h http.Header) string {
	for _, line := range h.Values(extensionsHeader) {
		for offer := range strings.SplitSeq(line, ",") {
			name, parameters, _ := strings.Cut(offer, ";")
			if strings.TrimSpace(name) != "permessage-deflate" {
				continue
			}
			if answer, ok := accept(parameters); ok {
				return "permessage-deflate; server_no_context_takeover; client_no_context_takeover" + answer
			}
		}
	}
	return ""
}

// accept reads the parameters of an offer. One that is unknown, there twice or
// without a good value has the offer declined (RFC 7692 section 7.1). A window's
// size is named in the answer if, and only if, it was in the offer: what the
// server was asked to keep to, and what the client said that it can be told.
func accept(parameters string) (answer string, ok bool) {
	seen := map[string]bool{}
	for parameter := range strings.SplitSeq(parameters, ";") {
		if parameters == "" {
			break
		}
		name, value, valued := strings.Cut(strings.TrimSpace(parameter), "=")
		name, value = strings.TrimSpace(name), strings.Trim(strings.TrimSpace(value), `"`)
		if seen[name] {
			return "", false
		}
		seen[name] = true
		switch name {
		case "server_no_context_takeover", "client_no_context_takeover":
			if valued {
				return "", false
			}
			continue
		case "client_max_window_bits":
			if !valued {
				value = "15" // as the exchange was seen to answer
			}
		case "server_max_window_bits":
		default:
			return "", false
		}
		if bits, err := strconv.Atoi(value); err != nil || bits < 8 || bits > 15 || value != strconv.Itoa(bits) {
			return "", false
		}
		answer += "; " + name + "=" + value
	}
	return answer, true
}

// deflater compresses frames. It is for one goroutine.
type deflater struct {
	writer *flate.Writer // nil until it is needed: it takes a megabyte
	text   bytes.Buffer
}

// frame replaces the frame that starts at start, the last in b, by one with
// its payload compressed, unless it is too long for that.
func (d *deflater) frame(b []byte, start int) []byte {
	if len(payloadOf(b[start:])) > maxDeflated {
		return b
	}
	if d.writer == nil {
		writer, err := flate.NewWriter(nil, flate.BestSpeed)
		if err != nil {
			panic(err) // the level exists
		}
		d.writer = writer
	}
	d.text.Reset()
	d.writer.Reset(&d.text)
	_, _ = d.writer.Write(payloadOf(b[start:])) // to a buffer, which takes all
	_ = d.writer.Flush()
	// A flush ends with an empty block, 00 00 ff ff, which the message leaves out.
	payload := d.text.Bytes()[:d.text.Len()-4]
	b = appendFrame(b[:start], opText, payload)
	b[start] |= compressedBit
	return b
}
