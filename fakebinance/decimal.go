package fakebinance

import (
	"errors"
	"fmt"
	"math"
	"strings"
)

// Decimal is an exact number in units of 1e-8, the precision in which Binance
// writes every price and quantity.
type Decimal int64

// One is the number 1 as a Decimal.
const One Decimal = 1e8

const decimalDigits = 8

var errDecimalSyntax = errors.New("want digits, and at most 8 after a point")

// Append appends d with all of its 8 decimals, such as "61837.63000000", to b
// and returns the extended buffer.
func (d Decimal) Append(b []byte) []byte {
	u := uint64(d)
	if d < 0 {
		b = append(b, '-')
		u = -u
	}
	b = appendUint(b, u/uint64(One))
	b = append(b, '.')
	return appendFraction(b, u%uint64(One))
}

// String returns d with all of its 8 decimals.
func (d Decimal) String() string { return string(d.Append(nil)) }

// ParseDecimal reads text such as "61837.63" or "-0.00000001". It returns an
// error when the text is not a number, has more than 8 decimals, or does not
// fit 64 bits.
func ParseDecimal(text string) (Decimal, error) {
	unsigned, negative := strings.CutPrefix(text, "-")
	whole, fraction, point := strings.Cut(unsigned, ".")
	if whole == "" || point && fraction == "" || len(fraction) > decimalDigits {
		return 0, fmt.Errorf("parse decimal %q: %w", text, errDecimalSyntax)
	}
	var u uint64
	for _, digits := range [...]string{whole, fraction, "00000000"[len(fraction):]} {
		for _, c := range []byte(digits) {
			if c < '0' || c > '9' {
				return 0, fmt.Errorf("parse decimal %q: %w", text, errDecimalSyntax)
			}
			digit := uint64(c - '0')
			if u > (math.MaxInt64-digit)/10 {
				return 0, fmt.Errorf("parse decimal %q: does not fit 64 bits at 8 decimals", text)
			}
			u = u*10 + digit
		}
	}
	if negative {
		return -Decimal(u), nil
	}
	return Decimal(u), nil
}

// digitPairs is "00" to "99" in a row: two digits a division.
const digitPairs = "00010203040506070809" +
	"10111213141516171819" +
	"20212223242526272829" +
	"30313233343536373839" +
	"40414243444546474849" +
	"50515253545556575859" +
	"60616263646566676869" +
	"70717273747576777879" +
	"80818283848586878889" +
	"90919293949596979899"

// appendFraction appends exactly 8 digits of u, which is below 1e8.
func appendFraction(b []byte, u uint64) []byte {
	hi, lo := uint32(u)/10000, uint32(u)%10000
	a, c := hi/100*2, hi%100*2
	e, g := lo/100*2, lo%100*2
	return append(b,
		digitPairs[a], digitPairs[a+1], digitPairs[c], digitPairs[c+1],
		digitPairs[e], digitPairs[e+1], digitPairs[g], digitPairs[g+1])
}

// appendUint is strconv.AppendUint for base 10 without its detour through a
// scratch array of 64 bytes: ids and times are most of a frame's digits.
func appendUint(b []byte, u uint64) []byte {
	if u < 10 {
		return append(b, byte('0'+u))
	}
	if u >= 1e8 {
		b = appendUint(b, u/1e8)
		return appendFraction(b, u%1e8)
	}
	var scratch [8]byte
	i := len(scratch)
	n := uint32(u)
	for n >= 100 {
		i -= 2
		copy(scratch[i:], digitPairs[n%100*2:n%100*2+2])
		n /= 100
	}
	if n >= 10 {
		i -= 2
		copy(scratch[i:], digitPairs[n*2:n*2+2])
	} else {
		i--
		scratch[i] = byte('0' + n)
	}
	return append(b, scratch[i:]...)
}
