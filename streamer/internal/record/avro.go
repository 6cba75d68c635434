package record

import (
	"encoding/binary"

	"steadfeed/streamer/internal/binance"
	"steadfeed/streamer/schema"
)

// MaxSize bounds an encoded trade: header, two lengths and decimals of up to
// nine bytes each, four longs of up to ten, a byte, and the symbol.
const MaxSize = schema.HeaderSize + 2*9 + 4*10 + 1 + binance.MaxSymbol + 3

// appendTrade appends the Avro body of t (Apache Avro 1.12 specification,
// binary encoding) in the order of the schema's fields. It is written by hand
// because it runs for every trade; a test holds it to an Avro library.
func appendTrade(b []byte, t *binance.Trade) []byte {
	b = appendLong(b, int64(len(t.Symbol)))
	b = append(b, t.Symbol...)
	b = appendLong(b, t.ID)
	b = appendDecimal(b, int64(t.Price))
	b = appendDecimal(b, int64(t.Quantity))
	if t.BuyerIsMaker {
		b = append(b, 1)
	} else {
		b = append(b, 0)
	}
	b = appendLong(b, t.TradedAt)
	b = appendLong(b, t.EventAt)
	return appendLong(b, t.ReceivedAt)
}

// appendLong appends n as a zig-zag varint.
func appendLong(b []byte, n int64) []byte {
	return binary.AppendVarint(b, n)
}

// appendDecimal appends the unscaled value as a length and the shortest
// two's-complement big-endian bytes.
func appendDecimal(b []byte, unscaled int64) []byte {
	size := 8
	for size > 1 {
		// The top byte can go when the one below carries the same sign.
		top := unscaled >> (8*size - 9)
		if top != 0 && top != -1 {
			break
		}
		size--
	}
	b = append(b, byte(size<<1)) // the zig-zag varint of a number below 64
	for shift := 8 * (size - 1); shift >= 0; shift -= 8 {
		b = append(b, byte(unscaled>>shift))
	}
	return b
}
