package reports

import (
	"bytes"
	"fmt"
	"math"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"
)

// The policy must name the style and the script that are on the page, or the
// browser shows neither.
func TestPolicyNamesStyleAndScript(t *testing.T) {
	page := pageOf(t, newSynthetic(time.Minute, 10*time.Second, 1).write(t))
	policy := regexp.MustCompile(`http-equiv="Content-Security-Policy" content="([^"]*)"`).FindSubmatch(page)
	if policy == nil {
		t.Fatal("the page has no policy")
	}
	text := strings.NewReplacer("&#39;", "'", "&#43;", "+").Replace(string(policy[1]))
	if !strings.HasPrefix(text, "default-src 'none'; ") || strings.Contains(text, "unsafe") {
		t.Errorf("policy %s", text)
	}
	for _, element := range []string{"style", "script"} {
		_, rest, _ := bytes.Cut(page, []byte("<"+element+">"))
		content, _, ok := bytes.Cut(rest, []byte("</"+element+">"))
		if want := fmt.Sprintf("%s-src 'sha256-%s'", element, hash(string(content))); !ok || !strings.Contains(text, want) {
			t.Errorf("the policy lacks %s: %s", want, text)
		}
	}
}

// theme reads the variables of one block of the style sheet.
func theme(t *testing.T, after string) map[string]string {
	t.Helper()
	_, rest, ok := strings.Cut(style, after)
	if !ok {
		t.Fatalf("the style sheet has no %s", after)
	}
	_, rest, _ = strings.Cut(rest, ":root {")
	block, _, _ := strings.Cut(rest, "}")
	colours := map[string]string{}
	for _, m := range regexp.MustCompile(`--([a-z0-9-]+): (#[0-9a-f]{6});`).FindAllStringSubmatch(block, -1) {
		colours[m[1]] = m[2]
	}
	return colours
}

// luminance of a colour such as #0b6b46, as WCAG 2 defines it.
func luminance(t *testing.T, colour string) float64 {
	t.Helper()
	part := func(from int) float64 {
		n, err := strconv.ParseUint(colour[from:from+2], 16, 8)
		must(t, err)
		if c := float64(n) / 255; c > 0.04045 {
			return math.Pow((c+0.055)/1.055, 2.4)
		} else {
			return c / 12.92
		}
	}
	return 0.2126*part(1) + 0.7152*part(3) + 0.0722*part(5)
}

// Text must be readable for tired eyes in each theme: 4.5 to 1, and lines of
// a chart 3 to 1, also on the bands behind them.
func TestContrast(t *testing.T) {
	for name, after := range map[string]string{"light": "", "dark": "prefers-color-scheme: dark", "print": "@media print"} {
		colours := theme(t, after)
		f := func(front, back string, least float64) {
			t.Helper()
			if colours[front] == "" || colours[back] == "" {
				t.Errorf("%s: no colour %s or %s", name, front, back)
				return
			}
			a, b := luminance(t, colours[front]), luminance(t, colours[back])
			if ratio := (max(a, b) + 0.05) / (min(a, b) + 0.05); ratio < least {
				t.Errorf("%s: %s on %s is %.2f to 1, want %.1f", name, front, back, ratio, least)
			}
		}
		for _, back := range []string{"page", "panel"} {
			for _, front := range []string{"text", "soft", "link", "pass", "fail", "inconclusive", "none", "limit"} {
				f(front, back, 4.5)
			}
		}
		for _, fill := range []string{"fill-pass", "fill-fail", "fill-inconclusive", "fill-none"} {
			f("on", fill, 4.5)
		}
		for _, back := range []string{"band", "settle", "stage"} {
			f("text", back, 4.5)
		}
		for _, line := range []string{"s1", "s2", "s3", "s4", "limit"} {
			for _, back := range []string{"page", "band", "settle"} {
				f(line, back, 3)
			}
		}
	}
}
