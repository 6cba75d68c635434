package reports

import (
	"math"
	"math/rand/v2"
	"strings"
	"testing"
	"time"
)

func TestNumbers(t *testing.T) {
	f := func(v float64, want string) {
		t.Helper()
		if got := number(v); got != want {
			t.Errorf("number(%v) = %q, want %q", v, got, want)
		}
	}
	f(0, "0")
	f(7, "7")
	f(-7, "−7")
	f(0.5, "0.5")
	f(0.0123456, "0.0123")
	f(1.2345, "1.23")
	f(12.345, "12.3")
	f(99.96, "100")
	f(123.4, "123")
	f(1234567, "1,234,567")
	f(-1234.5, "−1,235")
	f(math.NaN(), unknown)
	f(math.Inf(1), unknown)
}

func TestSeconds(t *testing.T) {
	f := func(v float64, want string) {
		t.Helper()
		if got := seconds(v); got != want {
			t.Errorf("seconds(%v) = %q, want %q", v, got, want)
		}
	}
	f(0, "0 s")
	f(0.00031, "310 µs")
	f(0.0412, "41.2 ms")
	f(0.9996, "1 s")
	f(1.25, "1.25 s")
	f(100, "100 s")
	f(220, "3 min 40 s")
	f(3599.7, "1 h 00 min")
	f(86_400, "24 h 00 min")
	f(3*86_400, "3 d 00 h")
	f(-2, "−2 s")
}

// A share that is not whole is never shown as whole.
func TestPercent(t *testing.T) {
	f := func(share float64, want string) {
		t.Helper()
		if got := percent(share); got != want {
			t.Errorf("percent(%v) = %q, want %q", share, got, want)
		}
	}
	f(1, "100 %")
	f(0, "0 %")
	f(0.5, "50 %")
	f(0.9995, "99.95 %")
	f(1-1e-6, "99.9999 %")
	f(33037.0/33039, "99.99 %")
	f(1.004, "100.4 %")
	f(math.NaN(), unknown)
	for n := 1.0; n < 1e9; n *= 7 {
		if got := percent(1 - 1/(n+1)); strings.HasPrefix(got, "100") {
			t.Errorf("one of %v lost is shown as %s", n+1, got)
		}
	}
}

func TestMemory(t *testing.T) {
	f := func(bytes float64, want string) {
		t.Helper()
		if got := megabytes(bytes); got != want {
			t.Errorf("megabytes(%v) = %q, want %q", bytes, got, want)
		}
	}
	f(0, "0.0 MB")
	f(21_449_999, "21.4 MB")
	f(-820_000, "−0.8 MB")
	f(1_234_567_890, "1,235 MB")
	if got := difference(22.14e6, 23.06e6); got != "+1.0 MB" {
		t.Errorf("difference %q does not agree with 22.1 MB and 23.1 MB", got)
	}
}

func TestElapsed(t *testing.T) {
	f := func(d time.Duration, want string) {
		t.Helper()
		if got := elapsed(d); got != want {
			t.Errorf("elapsed(%v) = %q, want %q", d, got, want)
		}
	}
	f(0, "+0:00:00")
	f(192*time.Second, "+0:03:12")
	f(-2*time.Second, "−0:00:02")
	f(26*time.Hour, "+1 d 02:00:00")
	f(math.MinInt64, "−106,751 d 23:47:16")
}

func TestShorten(t *testing.T) {
	f := func(in, want string) {
		t.Helper()
		if got := shorten(in); got != want {
			t.Errorf("shorten(%.20q) = %.40q, want %.40q", in, got, want)
		}
	}
	f("plain", "plain")
	f("two\nlines", "two lines")
	f("\x00\xff\u202e", "\ufffd\ufffd\ufffd")
	f(strings.Repeat("ä", maxText+1), strings.Repeat("ä", maxText)+" …")
}

func TestQuote(t *testing.T) {
	f := func(in, want string) {
		t.Helper()
		if got := quote(in); got != want {
			t.Errorf("quote(%q) = %s, want %s", in, got, want)
		}
	}
	f("bin/streamer", "bin/streamer")
	f("", "''")
	f("a b", "'a b'")
	f("it's $(x)", `'it'\''s $(x)'`)
}

// Whatever the span, there are a few ticks, at rising places, at round times.
func TestTimeTicks(t *testing.T) {
	rng := rand.New(rand.NewPCG(7, 7))
	for range 5000 {
		whole := time.Duration(math.Exp(rng.Float64() * math.Log(1e18)))
		s := span{began: birth.Add(-time.Duration(rng.IntN(3000)) * time.Millisecond), zero: birth}
		s.ended = s.began.Add(whole)
		ticks := s.ticks(13)
		if whole > 3*time.Second && (len(ticks) < 2 || len(ticks) > 14) {
			t.Fatalf("%d ticks over %v", len(ticks), whole)
		}
		for i := 1; i < len(ticks); i++ {
			if ticks[i].place <= ticks[i-1].place || ticks[i].elapsed == ticks[i-1].elapsed {
				t.Fatalf("ticks over %v: %v", whole, ticks)
			}
		}
	}
}

func TestScales(t *testing.T) {
	rng := rand.New(rand.NewPCG(7, 7))
	for range 5000 {
		high := math.Exp((rng.Float64() - 0.3) * 60)
		s := linear(high, inPieces, 5)
		if s.low != 0 || s.high < high*(1-1e-9) || len(s.ticks) < 2 || len(s.ticks) > 7 {
			t.Fatalf("linear(%g) = %+v", high, s)
		}
		if low := s.place(0); low != 0 || s.place(s.high) != 1 {
			t.Fatalf("linear(%g) places its ends at %g and %g", high, low, s.place(s.high))
		}
		l := logarithmic(high/math.Exp(rng.Float64()*40), high, inSeconds)
		if len(l.ticks) < 2 || len(l.ticks) > 10 || l.high < high*(1-1e-9) || l.place(0) != 0 || l.place(l.high) != 1 {
			t.Fatalf("logarithmic to %g = %+v", high, l)
		}
	}
	if s := linear(3, inPieces, 5); len(s.ticks) != 4 || s.ticks[1].label != "1" {
		t.Errorf("pieces come in wholes: %+v", s)
	}
}
