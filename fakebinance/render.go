package fakebinance

import "strings"

// format is one of the ways in which a session can have its trades.
type format uint8

const (
	combined     format = 1 << iota // {"stream":...,"data":...} around the payload
	microseconds                    // times in microseconds in place of milliseconds
	deflated                        // trades compressed: permessage-deflate
	formats      = 8
)

// tradePayload renders the trades of one symbol. It keeps the text that never
// changes and the digits that seldom do, so it is for one goroutine.
type tradePayload struct {
	combined string // `{"stream":"btcusdt@trade","data":`
	symbol   string // `,"s":"BTCUSDT","t":`

	eventAt, id, tradedAt [formats]digits // an id has one form, a time two
	price                 Decimal
	priceText             []byte
}

func newTradePayload(symbol string) *tradePayload {
	return &tradePayload{
		combined:  `{"stream":"` + strings.ToLower(symbol) + `@trade","data":`,
		symbol:    `,"s":"` + symbol + `","t":`,
		priceText: Decimal(0).Append(nil),
	}
}

// append appends the trade as one text frame, header included, to b. The
// fields come in the order of the documents.
func (p *tradePayload) append(b []byte, t *Trade, f format) []byte {
	// Room for the longer header; which one it is shows when the payload is there.
	start := len(b)
	b = append(b, 0, 0, 0, 0)
	eventAt, tradedAt := t.EventAt, t.TradedAt
	if f&microseconds == 0 {
		eventAt, tradedAt = eventAt/1000, tradedAt/1000
	}
	if f&combined != 0 {
		b = append(b, p.combined...)
	}
	b = append(b, `{"e":"trade","E":`...)
	b = p.eventAt[f].append(b, uint64(eventAt))
	b = append(b, p.symbol...)
	b = p.id[f].append(b, uint64(t.ID))
	b = append(b, `,"p":"`...)
	if t.Price != p.price {
		p.price, p.priceText = t.Price, t.Price.Append(p.priceText[:0])
	}
	b = append(b, p.priceText...)
	b = append(b, `","q":"`...)
	b = t.Quantity.Append(b)
	b = append(b, `","T":`...)
	b = p.tradedAt[f].append(b, uint64(tradedAt))
	if t.BuyerIsMaker {
		b = append(b, `,"m":true,"M":true}`...)
	} else {
		b = append(b, `,"m":false,"M":true}`...)
	}
	if f&combined != 0 {
		b = append(b, '}')
	}
	return closeTextFrame(b, start)
}

// digits writes numbers of which all but the last four digits are mostly those
// of the number before.
type digits struct {
	high uint64
	text []byte // of high
}

func (d *digits) append(b []byte, u uint64) []byte {
	high := u / 10000
	if high == 0 {
		return appendUint(b, u)
	}
	if high != d.high {
		d.high, d.text = high, appendUint(d.text[:0], high)
	}
	b = append(b, d.text...)
	low := uint32(u - high*10000)
	x, y := low/100*2, low%100*2
	return append(b, digitPairs[x], digitPairs[x+1], digitPairs[y], digitPairs[y+1])
}

// WebSocket frames of a server, RFC 6455 section 5.2: not masked.
const (
	finalBit   = 0x80
	opText     = 0x1
	opBinary   = 0x2
	opClose    = 0x8
	opPing     = 0x9
	shortFrame = 125     // longest payload behind a header of 2 bytes
	longFrame  = 1 << 16 // shortest payload that needs a header of 10 bytes
)

// closeTextFrame writes the header of the frame that starts at start, where 4
// bytes were left for it, and moves a short payload up. The payload is below
// longFrame: a symbol would have to be as long as a book.
func closeTextFrame(b []byte, start int) []byte {
	payload := len(b) - start - 4
	if payload > shortFrame {
		b[start], b[start+1] = finalBit|opText, 126
		b[start+2], b[start+3] = byte(payload>>8), byte(payload)
		return b
	}
	b[start], b[start+1] = finalBit|opText, byte(payload)
	copy(b[start+2:], b[start+4:])
	return b[:len(b)-2]
}

// appendFrame appends a frame with any payload below longFrame.
func appendFrame(b []byte, op byte, payload []byte) []byte {
	if len(payload) <= shortFrame {
		b = append(b, finalBit|op, byte(len(payload)))
	} else {
		b = append(b, finalBit|op, 126, byte(len(payload)>>8), byte(len(payload)))
	}
	return append(b, payload...)
}

// appendClose appends a close frame. The reason is cut to what a control frame holds.
func appendClose(b []byte, code int, reason string) []byte {
	payload := append([]byte{byte(code >> 8), byte(code)}, reason[:min(len(reason), shortFrame-2)]...)
	return appendFrame(b, opClose, payload)
}
