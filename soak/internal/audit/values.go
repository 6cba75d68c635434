package audit

import (
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"math/big"
	"strconv"
	"strings"
	"time"
)

// A field is what a format's reader made of it: string, []byte, bool, a
// number, json.Number, *big.Rat for a decimal, time.Time for a timestamp, or
// nil. The functions here say what it is as a part of a trade.

// maxID bounds a trade id, so that no arithmetic with ids overflows. The
// exchange's are below 1e10.
const maxID = 1 << 60

// maxSymbol bounds a symbol's length in bytes: the longest that the exchange
// has had is 20. The auditor remembers symbols.
const maxSymbol = 64

func asID(v any) (id int64, err error) {
	switch v := v.(type) {
	case int64:
		id = v
	case int32:
		id = int64(v)
	case float64: // exact up to 2^53; ids are far below
		if v != math.Trunc(v) || math.Abs(v) > 1<<53 {
			return 0, fmt.Errorf("trade id %v is no whole number", v)
		}
		id = int64(v)
	case string:
		id, err = strconv.ParseInt(v, 10, 64)
	case json.Number:
		id, err = strconv.ParseInt(string(v), 10, 64)
	default:
		return 0, fmt.Errorf("trade id %v is no number", v)
	}
	if err != nil || id < 0 || id > maxID {
		return 0, fmt.Errorf("trade id %v is not within 0 and %d", v, int64(maxID))
	}
	return id, nil
}

func asSymbol(v any) (string, error) {
	symbol, ok := v.(string)
	if text, isBytes := v.([]byte); isBytes {
		symbol, ok = string(text), true
	}
	if !ok || symbol == "" || len(symbol) > maxSymbol {
		return "", fmt.Errorf("symbol %.80q is no text of 1 to %d bytes", fmt.Sprint(v), maxSymbol)
	}
	return symbol, nil
}

// maxDecimal bounds the text of a number that is compared.
const maxDecimal = 80

// sameDecimal compares a field with the exchange's decimal: exactly, unless
// the topic keeps binary floating point, which is compared as such.
func sameDecimal(v any, want string) (bool, error) {
	exact, ok := new(big.Rat).SetString(want)
	if !ok {
		return false, fmt.Errorf("the exchange's decimal %q", want)
	}
	switch v := v.(type) {
	case float64:
		nearest, _ := exact.Float64()
		return v == nearest, nil
	case float32:
		nearest, _ := exact.Float32()
		return v == nearest, nil
	case *big.Rat:
		return v.Cmp(exact) == 0, nil
	case int64:
		return new(big.Rat).SetInt64(v).Cmp(exact) == 0, nil
	case int32:
		return new(big.Rat).SetInt64(int64(v)).Cmp(exact) == 0, nil
	case string, json.Number:
		text := fmt.Sprint(v)
		if len(text) > maxDecimal || strings.ContainsAny(text, "/_xX") {
			return false, fmt.Errorf("%.80q is no decimal", text)
		}
		// An exponent of a million digits would be computed in full.
		if _, exponent, found := strings.Cut(strings.ToLower(text), "e"); found && len(strings.TrimLeft(exponent, "+-0")) > 2 {
			return false, fmt.Errorf("%.80q is no decimal", text)
		}
		got, ok := new(big.Rat).SetString(text)
		if !ok {
			return false, fmt.Errorf("%.80q is no decimal", text)
		}
		return got.Cmp(exact) == 0, nil
	}
	return false, fmt.Errorf("%v (%T) is no decimal", v, v)
}

// asMicros is a moment in Unix microseconds and the unit in which it is kept,
// in microseconds. The unit of a bare number follows from its size: each of
// seconds, milliseconds, microseconds and nanoseconds covers the years 1973 to
// 5138 without touching the next.
func asMicros(v any) (micros, unit int64, err error) {
	var n int64
	switch v := v.(type) {
	case time.Time:
		n = v.UnixMicro()
		if n%1000 == 0 {
			return n, 1000, nil // most likely kept in milliseconds; one in a thousand is not, and is compared more coarsely
		}
		return n, 1, nil
	case int64:
		n = v
	case float64:
		n = int64(v)
	case json.Number:
		if n, err = strconv.ParseInt(string(v), 10, 64); err != nil {
			return 0, 0, fmt.Errorf("time %q is no whole number", v)
		}
	case string:
		if n, err = strconv.ParseInt(v, 10, 64); err != nil {
			at, err := time.Parse(time.RFC3339Nano, v)
			if err != nil {
				return 0, 0, fmt.Errorf("time %.80q is neither a number nor RFC 3339", v)
			}
			return asMicros(at)
		}
	default:
		return 0, 0, fmt.Errorf("%v (%T) is no time", v, v)
	}
	switch {
	case n >= 1e17:
		return n / 1000, 1, nil
	case n >= 1e14:
		return n, 1, nil
	case n >= 1e11:
		return n * 1e3, 1e3, nil
	case n >= 1e8:
		return n * 1e6, 1e6, nil
	}
	return 0, 0, fmt.Errorf("time %d is before 1973 in any unit", n)
}

func asBool(v any) (bool, error) {
	switch v := v.(type) {
	case bool:
		return v, nil
	case string:
		if b, err := strconv.ParseBool(v); err == nil {
			return b, nil
		}
	}
	return false, fmt.Errorf("%v (%T) is neither true nor false", v, v)
}

// fromJSON is what one raw JSON value holds.
func fromJSON(raw json.RawMessage) (any, error) {
	if len(raw) == 0 {
		return nil, errors.New("empty")
	}
	switch c := raw[0]; {
	case c == '"':
		var text string
		return text, json.Unmarshal(raw, &text)
	case c == 't' || c == 'f':
		return c == 't', nil
	case c == 'n':
		return nil, nil
	case c == '-' || '0' <= c && c <= '9':
		return json.Number(raw), nil
	}
	return nil, fmt.Errorf("%.40s is no single value", raw)
}
