package judge

import (
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"

	"steadfeed/soak"
)

// number is a figure as a check keeps it, to six decimals: more are noise.
func number[T int | int64 | float64](v T) *float64 {
	f := math.Round(float64(v)*1e6) / 1e6
	return &f
}

func plain(v float64) string { return strconv.FormatFloat(v, 'f', -1, 64) }

// limitText says a limit as a reader does.
func limitText(c criterion, limit soak.Limit) string {
	var figure, text string
	switch {
	case limit.Max != nil && *limit.Max == 0:
		figure = "0"
	case limit.Max != nil:
		figure, text = plain(*limit.Max), "at most "
	case limit.Min != nil:
		figure, text = plain(*limit.Min), "at least "
	default:
		return c.limit
	}
	if text += figure; figure != "" && c.unit != "" {
		text += " " + c.unit
	}
	if c.id == "catchup" {
		text += fmt.Sprintf(" + backlog / %s a second", group(restPerSecond))
	}
	return text
}

// group writes a whole number with its thousands apart: 31,204.
func group[T int | int64](n T) string {
	digits := strconv.FormatInt(int64(n), 10)
	sign := ""
	if n < 0 {
		sign, digits = "-", digits[1:]
	}
	var b strings.Builder
	b.WriteString(sign)
	for i, d := range digits {
		if i > 0 && (len(digits)-i)%3 == 0 {
			b.WriteByte(',')
		}
		b.WriteRune(d)
	}
	return b.String()
}

// count is a number of trades.
func count(n int64) string {
	if n == 1 {
		return "1 trade"
	}
	return group(n) + " trades"
}

// lag writes seconds as a reader says a delay: 12 ms, 1.2 s.
func lag(seconds float64) string {
	if seconds < 1 {
		return strconv.FormatFloat(seconds*1000, 'g', 3, 64) + " ms"
	}
	return strconv.FormatFloat(seconds, 'f', 2, 64) + " s"
}

// span writes seconds as a length of time: 1.5s, 3m40s.
func span(seconds float64) string {
	d := time.Duration(seconds * float64(time.Second))
	if d >= time.Minute {
		return d.Round(time.Second).String()
	}
	return d.Round(10 * time.Millisecond).String()
}

func clock(t time.Time) string { return t.UTC().Format("15:04:05Z") }

// significant writes a figure with four digits that matter, whole ones in full.
func significant(v float64) string {
	if v == math.Trunc(v) || math.Abs(v) >= 1000 {
		return strconv.FormatFloat(v, 'f', 0, 64)
	}
	return strconv.FormatFloat(v, 'g', 4, 64)
}
