package binance

import (
	"errors"
	"fmt"
	"unicode"
	"unicode/utf8"
)

// Trade is one trade as the exchange published it.
type Trade struct {
	Symbol       string  // upper case
	Slot         int     // position of the symbol among the configured ones
	ID           int64   // rises by one for each trade of the symbol
	Price        Decimal // exact
	Quantity     Decimal // exact
	BuyerIsMaker bool    // true: the taker sold
	EventAt      int64   // Unix microseconds, at the stream server; TradedAt for a trade fetched over REST
	TradedAt     int64   // Unix microseconds, in the matching engine
	ReceivedAt   int64   // Unix microseconds, when its bytes were read here
}

// Decimal is an exact decimal number in units of 1e-8, the precision in which
// Binance keeps prices and quantities. At most 18 digits, so that it fits an
// Avro decimal(18,8).
type Decimal int64

const (
	decimalPlaces = 8
	decimalUnit   = 100_000_000
	// decimalLimit is the first magnitude with more than 18 digits.
	decimalLimit = 1_000_000_000_000_000_000
)

// errDecimal is why a text is not a Decimal; it carries no detail because it
// is made for each bad trade.
var errDecimal = errors.New("not a decimal of at most 18 digits, 8 of them after the point")

// ParseDecimal reads text such as "83034.29000000". It takes digits with at
// most one point between them, and no sign: no price or quantity has one.
// Digits beyond the eighth after the point must be zero.
func ParseDecimal[T string | []byte](text T) (Decimal, error) {
	var whole, n int64
	i := 0
	for ; i < len(text) && text[i]-'0' <= 9; i++ {
		if whole = whole*10 + int64(text[i]-'0'); whole >= decimalLimit/decimalUnit {
			return 0, errDecimal
		}
	}
	if i == 0 {
		return 0, errDecimal
	}
	if i == len(text) {
		return Decimal(whole * decimalUnit), nil
	}
	if text[i] != '.' || i+1 == len(text) {
		return 0, errDecimal
	}
	i++
	places := 0
	for ; i < len(text); i++ {
		digit := int64(text[i] - '0')
		if text[i]-'0' > 9 {
			return 0, errDecimal
		}
		if places == decimalPlaces {
			if digit != 0 {
				return 0, errDecimal
			}
			continue
		}
		n = n*10 + digit
		places++
	}
	for ; places < decimalPlaces; places++ {
		n *= 10
	}
	return Decimal(whole*decimalUnit + n), nil
}

// String formats d with eight decimals, as Binance does.
func (d Decimal) String() string {
	sign := ""
	if d < 0 {
		sign, d = "-", -d
	}
	return fmt.Sprintf("%s%d.%08d", sign, d/decimalUnit, d%decimalUnit)
}

// microseconds brings a time of the exchange to microseconds. Binance sends
// milliseconds unless asked for microseconds, and says nowhere in a frame which
// it is; but no date that can occur is ambiguous: 1e14 is the year 1973 in
// microseconds and the year 5138 in milliseconds.
func microseconds(t int64) int64 {
	if t < 100_000_000_000_000 {
		return t * 1000
	}
	return t
}

// MaxSymbol bounds a symbol's length in bytes; the exchange's longest have
// some twenty characters.
const MaxSymbol = 64

// ValidSymbol tells whether symbol could be one: upper-case letters and digits,
// of any script (Binance: CHANGELOG.md 2025-12-15 announced others than Latin).
func ValidSymbol(symbol string) bool {
	for _, r := range symbol {
		if !unicode.IsLetter(r) && !unicode.IsDigit(r) || unicode.IsLower(r) {
			return false
		}
	}
	return symbol != "" && len(symbol) <= MaxSymbol && utf8.ValidString(symbol)
}
