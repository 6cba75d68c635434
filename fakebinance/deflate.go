package fakebinance

import (
	"bytes"
	"compress/flate"
	"net/http"
	"strings"
)

// The exchange compresses what it sends to a client that offers
// permessage-deflate (RFC 7692), each message for itself. Answers, pings and
// what faults have altered go out plain, which the extension allows.

// compressedBit marks the first frame of a compressed message.
const compressedBit = 0x40

// offersDeflate tells whether the client offers the extension; gorilla then
// accepts it.
func offersDeflate(h http.Header) bool {
	for _, line := range h.Values("Sec-WebSocket-Extensions") {
		for offer := range strings.SplitSeq(line, ",") {
			name, _, _ := strings.Cut(offer, ";")
			if strings.TrimSpace(name) == "permessage-deflate" {
				return true
			}
		}
	}
	return false
}

// deflater compresses frames. It is for one goroutine.
type deflater struct {
	writer *flate.Writer // nil until it is needed: it takes a megabyte
	text   bytes.Buffer
}

// frame replaces the frame that starts at start, the last in b, by one with
// its payload compressed.
func (d *deflater) frame(b []byte, start int) []byte {
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
