package binance

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"strconv"
)

// decodeStrict reads any frame with encoding/json and decides what it is. It
// allocates; only frames that decodeFast does not know come here.
func (d *decoder) decodeStrict(frame []byte, t *Trade) (kind, rejection) {
	outer, err := object(frame)
	if err != nil {
		return kindRejected, rejectedMalformed
	}
	fields := outer
	if inner, ok := outer["data"]; ok {
		if fields, err = object(inner); err != nil {
			return kindRejected, rejectedField
		}
	}
	event, ok := text(fields["e"])
	switch {
	case ok && event == "serverShutdown":
		return kindShutdown, ""
	case !ok && answers(outer):
		return kindControl, ""
	case !ok:
		return kindRejected, rejectedField
	case event != "trade":
		return kindRejected, rejectedEvent
	}
	return d.strictTrade(fields, t)
}

// answers tells whether fields are those of an answer to a request: the
// documents show result with id, and the wire carries error with id.
func answers(fields map[string]json.RawMessage) bool {
	_, result := fields["result"]
	_, failure := fields["error"]
	return result || failure
}

// strictTrade checks each field of a trade and says what is wrong with it.
func (d *decoder) strictTrade(fields map[string]json.RawMessage, t *Trade) (kind, rejection) {
	symbol, ok := text(fields["s"])
	if !ok {
		return kindRejected, rejectedField
	}
	slot, ok := d.slots[symbol]
	if !ok {
		return kindRejected, rejectedSymbol
	}
	out := Trade{Symbol: d.symbols[slot], Slot: slot}
	for _, number := range []struct {
		field string
		into  *int64
	}{{"t", &out.ID}, {"E", &out.EventAt}, {"T", &out.TradedAt}} {
		raw, ok := fields[number.field]
		if !ok {
			return kindRejected, rejectedField
		}
		var why rejection
		if *number.into, why = integer(raw); why != "" {
			return kindRejected, why
		}
	}
	for _, number := range []struct {
		field string
		into  *Decimal
	}{{"p", &out.Price}, {"q", &out.Quantity}} {
		digits, ok := text(fields[number.field])
		if !ok {
			return kindRejected, rejectedField
		}
		value, err := ParseDecimal(digits)
		if err != nil {
			return kindRejected, rejectedRange
		}
		if value == 0 {
			return kindRejected, rejectedZero
		}
		*number.into = value
	}
	switch string(fields["m"]) {
	case "true":
		out.BuyerIsMaker = true
	case "false":
	default:
		return kindRejected, rejectedField
	}
	out.EventAt, out.TradedAt = microseconds(out.EventAt), microseconds(out.TradedAt)
	*t = out
	return kindTrade, ""
}

// object reads exactly one JSON object. Its keys keep their case: decoding
// into a struct would let E stand for e (encoding/json matches names without
// regard to case).
func object(raw []byte) (map[string]json.RawMessage, error) {
	decoder := json.NewDecoder(bytes.NewReader(raw))
	var fields map[string]json.RawMessage
	if err := decoder.Decode(&fields); err != nil {
		return nil, err
	}
	if fields == nil {
		return nil, errors.New("null")
	}
	if _, err := decoder.Token(); err != io.EOF {
		return nil, errors.New("more than one value")
	}
	return fields, nil
}

// text reads a JSON string.
func text(raw json.RawMessage) (string, bool) {
	if len(raw) == 0 || raw[0] != '"' {
		return "", false
	}
	var s string
	if err := json.Unmarshal(raw, &s); err != nil {
		return "", false
	}
	return s, true
}

// integer reads a JSON number that must be a whole number from 0 to 1e18-1.
func integer(raw json.RawMessage) (int64, rejection) {
	if len(raw) == 0 || raw[0] != '-' && (raw[0] < '0' || raw[0] > '9') {
		return 0, rejectedField
	}
	n, err := strconv.ParseInt(string(raw), 10, 64)
	switch {
	case errors.Is(err, strconv.ErrSyntax):
		return 0, rejectedField
	case err != nil || n < 0 || n >= decimalLimit:
		return 0, rejectedRange
	}
	return n, ""
}
