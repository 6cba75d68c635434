package fakebinance

import (
	"math"
	"testing"
)

func TestDecimal(t *testing.T) {
	f := func(text string, want Decimal, canonical string) {
		t.Helper()
		got, err := ParseDecimal(text)
		if err != nil || got != want || got.String() != canonical {
			t.Errorf("%q: %d %s, %v; want %d %s", text, got, got, err, want, canonical)
		}
	}
	f("61837.63000000", 6183763000000, "61837.63000000")
	f("0.00000001", 1, "0.00000001")
	f("1", One, "1.00000000")
	f("0001.5", One*3/2, "1.50000000")
	f("-2.00000003", -200000003, "-2.00000003")
	f("92233720368.54775807", math.MaxInt64, "92233720368.54775807")
	f("0", 0, "0.00000000")
	for _, text := range []string{"", ".", "1.", ".5", "1.000000001", "1e5", "+1", "--1", " 1", "1 ", "0x1", "92233720368.54775808", "92233720369", "99999999999999999999", "1_0", "1.2.3"} {
		if got, err := ParseDecimal(text); err == nil {
			t.Errorf("%q is read as %s", text, got)
		}
	}
	if got := Decimal(math.MinInt64).String(); got != "-92233720368.54775808" {
		t.Errorf("the smallest is %s", got)
	}
}

func FuzzDecimal(f *testing.F) {
	f.Add(int64(0))
	f.Add(int64(math.MaxInt64))
	f.Add(int64(-123456789))
	f.Fuzz(func(t *testing.T, units int64) {
		if units == math.MinInt64 {
			return // has no positive
		}
		d := Decimal(units)
		back, err := ParseDecimal(d.String())
		if err != nil || back != d {
			t.Errorf("%d is written %s and read as %d, %v", units, d, back, err)
		}
	})
}
