package reports

import (
	"math"
	"strconv"
	"strings"
	"time"
	"unicode"
)

// unknown stands where the run directory holds no figure. It is not a zero.
const unknown = "not known"

// maxText bounds a free text (evidence, reasons) on the page; the files of the
// run directory keep it whole. 600 characters are five full lines of a table.
const maxText = 600

// shorten bounds a text that came out of the run directory and takes control
// characters out of it, which neither HTML nor XML may hold.
func shorten(text string) string {
	clean := strings.Map(func(r rune) rune {
		switch {
		case r == '\n' || r == '\t':
			return ' '
		case unicode.IsControl(r) || r == '\ufffe' || r == '\uffff':
			return unicode.ReplacementChar
		// Marks that turn the direction of writing could make a text on the
		// page read as something that it is not.
		case r >= '\u202a' && r <= '\u202e' || r >= '\u2066' && r <= '\u2069':
			return unicode.ReplacementChar
		}
		return r
	}, strings.ToValidUTF8(text, string(unicode.ReplacementChar)))
	runes := 0
	for i := range clean {
		if runes == maxText {
			return clean[:i] + " …"
		}
		runes++
	}
	return clean
}

// count formats a whole number with thousands separators.
func count(n int64) string {
	digits := strconv.FormatInt(n, 10)
	sign := ""
	if n < 0 {
		sign, digits = "\u2212", digits[1:]
	}
	return sign + group(digits)
}

func group(digits string) string {
	var b strings.Builder
	for i, digit := range digits {
		if i > 0 && (len(digits)-i)%3 == 0 {
			b.WriteByte(',')
		}
		b.WriteRune(digit)
	}
	return b.String()
}

// plural is count with its noun: "1 trade", "2 trades".
func plural(n int64, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return count(n) + " " + noun + "s"
}

// number formats v with at most three significant digits after the point, and
// every digit before it: 0.0123, 1.23, 12.3, 123, 12,345.
func number(v float64) string {
	size := math.Abs(v)
	switch {
	case math.IsNaN(v) || math.IsInf(v, 0):
		return unknown
	case v == 0:
		return "0"
	case size >= 1e15:
		return strings.Replace(strconv.FormatFloat(v, 'e', 2, 64), "-", "\u2212", 1)
	case v == math.Trunc(v):
		return count(int64(v))
	case size >= 99.95:
		return count(int64(math.Round(v)))
	case size < 1e-6:
		return strconv.FormatFloat(v, 'e', 1, 64)
	}
	decimals := max(0, 2-int(math.Floor(math.Log10(size))))
	text := strconv.FormatFloat(size, 'f', decimals, 64)
	if strings.Contains(text, ".") {
		text = strings.TrimRight(strings.TrimRight(text, "0"), ".")
	}
	if v < 0 {
		text = "\u2212" + text
	}
	return text
}

// megabyte is the unit of memory on the page, and of the limits of a plan.
const megabyte = 1e6

// megabytes formats a size in MB with one decimal: "21.4 MB".
func megabytes(bytes float64) string {
	if math.Abs(bytes) >= 1000*megabyte {
		return count(int64(math.Round(bytes/megabyte))) + " MB"
	}
	text := strconv.FormatFloat(math.Abs(bytes)/megabyte, 'f', 1, 64)
	if bytes < 0 && text != "0.0" {
		text = "\u2212" + text
	}
	return text + " MB"
}

// bytesIn turns a figure in the unit that a limit names into bytes.
func bytesIn(v float64, unit string) (float64, bool) {
	switch unit {
	case "B", "byte", "bytes", "":
		return v, true
	case "kB", "KB":
		return v * 1e3, true
	case "KiB":
		return v * (1 << 10), true
	case "MB":
		return v * megabyte, true
	case "MiB":
		return v * (1 << 20), true
	case "GB":
		return v * 1e9, true
	case "GiB":
		return v * (1 << 30), true
	}
	return 0, false
}

// measured formats the observed figure of a check in its unit.
func measured(v float64, unit string) string {
	switch unit {
	case "":
		return number(v)
	case "s", "seconds":
		return seconds(v)
	case "B", "bytes":
		if math.Abs(v) < 1e5 {
			return number(v) + " B"
		}
		return megabytes(v)
	case "%":
		return percent(v / 100)
	}
	if v == 1 && len(unit) > 2 && !strings.Contains(unit, "/") {
		unit = strings.TrimSuffix(unit, "s")
	}
	return number(v) + " " + shorten(unit)
}

// percent formats a share of one. It never rounds up to 100 %: one trade lost
// of a million is 99.9999 %.
func percent(share float64) string {
	switch {
	case math.IsNaN(share) || math.IsInf(share, 0):
		return unknown
	case share == 1:
		return "100 %"
	case share > 0.99 && share < 1:
		for decimals := 2; decimals <= 12; decimals++ {
			if text := strconv.FormatFloat(share*100, 'f', decimals, 64); !strings.HasPrefix(text, "100") {
				return text + " %"
			}
		}
		return "just under 100 %"
	case share > 1 && share < 10:
		return strings.TrimSuffix(strconv.FormatFloat(share*100, 'f', 1, 64), ".0") + " %"
	}
	return number(share*100) + " %"
}

// seconds formats a length of time given in seconds: "850 µs", "42 ms",
// "1.25 s", "100 s", "4 min 05 s", "2 h 03 min".
func seconds(v float64) string {
	size := math.Abs(v)
	switch {
	case math.IsNaN(v) || math.IsInf(v, 0):
		return unknown
	case v == 0:
		return "0 s"
	case v < 0:
		return "\u2212" + seconds(-v)
	case size < 1e-3:
		return number(v*1e6) + " µs"
	case size < 0.9995:
		return number(v*1e3) + " ms"
	case size < 119.5: // a hundred seconds reads better than a minute and forty
		return number(v) + " s"
	case size > 1e12:
		return number(v) + " s"
	}
	whole := int64(math.Round(v))
	switch {
	case whole < 3600:
		return count(whole/60) + " min " + two(whole%60) + " s"
	case whole < 48*3600:
		return count(whole/3600) + " h " + two(whole%3600/60) + " min"
	}
	return count(whole/86400) + " d " + two(whole%86400/3600) + " h"
}

func two(n int64) string {
	if n < 10 {
		return "0" + strconv.FormatInt(n, 10)
	}
	return strconv.FormatInt(n, 10)
}

// length formats a time.Duration as seconds does.
func length(d time.Duration) string { return seconds(d.Seconds()) }

// elapsed formats a time since the start of the first phase: "+0:03:12",
// "+3 d 04:00:00", "−0:00:02" before it.
func elapsed(d time.Duration) string {
	sign := elapsedSign(d)
	d = d.Abs()
	whole := int64(d.Round(time.Second) / time.Second)
	text := two(whole%3600/60) + ":" + two(whole%60)
	if days := whole / 86400; days > 0 {
		return sign + count(days) + " d " + two(whole%86400/3600) + ":" + text
	}
	return sign + strconv.FormatInt(whole/3600, 10) + ":" + text
}

// clock formats the time of day in UTC, date formats day and time.
func clock(t time.Time) string { return t.UTC().Format("15:04:05") }
func date(t time.Time) string  { return t.UTC().Format("2006-01-02 15:04:05 UTC") }
