package reports

import (
	"bytes"
	"encoding/xml"
	"errors"
	"io"
	"math"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"steadfeed/soak"
)

var (
	svgBlock  = regexp.MustCompile(`(?s)<svg.*?</svg>`)
	tagToken  = regexp.MustCompile(`<(/?)([a-zA-Z][a-zA-Z0-9]*)((?:[^>"]|"[^"]*")*)>`)
	attribute = regexp.MustCompile(`([a-zA-Z-]+)="([^"]*)"`)
)

// hasNoEnd are the elements of HTML that are never closed.
var hasNoEnd = []string{"meta", "br", "input"}

// checkPage checks what must hold of every report, whatever the run: it is
// well formed, refers to nothing outside, and its references within resolve.
func checkPage(t *testing.T, page []byte) {
	t.Helper()
	for _, block := range svgBlock.FindAll(page, -1) {
		checkXML(t, block)
	}
	body := bytes.Replace(page, []byte(style), nil, 1)
	body = bytes.Replace(body, []byte(script), nil, 1)
	var open []string
	ids := map[string]int{}
	var references []string
	for _, token := range tagToken.FindAllSubmatch(body, -1) {
		name := string(token[2])
		switch {
		case len(token[1]) > 0:
			if len(open) == 0 || open[len(open)-1] != name {
				t.Fatalf("</%s> closes %v", name, open)
			}
			open = open[:len(open)-1]
		case !slices.Contains(hasNoEnd, name) && !bytes.HasSuffix(token[3], []byte("/")):
			open = append(open, name)
		}
		for _, a := range attribute.FindAllSubmatch(token[3], -1) {
			key, value := string(a[1]), string(a[2])
			switch {
			case key == "style" || strings.HasPrefix(key, "on"):
				t.Errorf("attribute %s=%q, which the policy of the page forbids", key, value)
			case key == "id":
				ids[value]++
			case key == "aria-labelledby":
				references = append(references, strings.Fields(value)...)
			case key == "href" && strings.HasPrefix(value, "#"):
				references = append(references, value[1:])
			case key == "href":
				if !slices.ContainsFunc(rawFiles, func(f file) bool { return f.Name == value }) {
					t.Errorf("link to %q, which is no file of a run", value)
				}
			case key == "src" || key == "srcset" || key == "action" || key == "data":
				t.Errorf("attribute %s=%q refers outside the page", key, value)
			}
		}
	}
	if len(open) > 0 {
		t.Errorf("never closed: %v", open)
	}
	for id, n := range ids {
		if n > 1 {
			t.Errorf("id %q occurs %d times", id, n)
		}
	}
	for _, id := range references {
		if ids[id] == 0 {
			t.Errorf("reference to #%s, which is not on the page", id)
		}
	}
	if n := bytes.Count(page, []byte("<h1>")); n != 1 {
		t.Errorf("%d h1", n)
	}
	for _, landmark := range []string{"<header", "<main", "<nav", "<footer"} {
		if n := bytes.Count(page, []byte(landmark)); n != 1 {
			t.Errorf("%d %s>", n, landmark)
		}
	}
	for _, forbidden := range []string{"@import", "url("} {
		if bytes.Contains(page, []byte(forbidden)) {
			t.Errorf("the page contains %s", forbidden)
		}
	}
	if bytes.Contains(body, []byte("NaN")) || bytes.Contains(body, []byte("Inf")) {
		t.Error("the page shows a figure that is none")
	}
}

func checkXML(t *testing.T, block []byte) {
	t.Helper()
	d := xml.NewDecoder(bytes.NewReader(block))
	for {
		_, err := d.Token()
		if errors.Is(err, io.EOF) {
			return
		}
		if err != nil {
			t.Fatalf("SVG is not well formed: %v in %.200s", err, block)
		}
	}
}

func TestPagesAreWellFormed(t *testing.T) {
	inconclusive := newSynthetic(time.Minute, 5*time.Second, 2)
	inconclusive.verdict.Outcome, inconclusive.verdict.Why = soak.Inconclusive, "the exchange was late"
	without := newSynthetic(time.Minute, 5*time.Second, 0)
	for name, s := range map[string]*synthetic{
		"pass": newSynthetic(time.Minute, 5*time.Second, 3), "fail": newFailing(), "inconclusive": inconclusive,
		"no injections": without, "leak": {},
	} {
		if name == "leak" {
			s = newSynthetic(2*time.Hour, time.Minute, 6)
			s.leak = 80_000 // beyond the limit within the run
		}
		t.Run(name, func(t *testing.T) { checkPage(t, pageOf(t, s.write(t))) })
	}
}

func TestFirstScreenSaysTheOutcome(t *testing.T) {
	f := func(outcome soak.Outcome, word, icon string) {
		t.Helper()
		s := newSynthetic(time.Minute, 5*time.Second, 2)
		s.verdict.Outcome, s.verdict.Why = outcome, string(outcome)+": because of <this>"
		page := string(pageOf(t, s.write(t)))
		header, _, _ := strings.Cut(page, "</header>")
		for _, want := range []string{"<span>" + word + "</span>", `href="#i-` + icon, "Because of &lt;this&gt;"} {
			if !strings.Contains(header, want) {
				t.Errorf("outcome %q: the header lacks %s", outcome, want)
			}
		}
	}
	f(soak.Pass, "PASS", "pass")
	f(soak.Fail, "FAIL", "fail")
	f(soak.Inconclusive, "INCONCLUSIVE", "inconclusive")
	f("odd", "ODD", "none")
}

// The broken criteria must be on the first screen, and so come first.
func TestBrokenCriteriaComeFirst(t *testing.T) {
	p := newPage(collect(newFailing().write(t)))
	var order []string
	for _, c := range p.Checks[:4] {
		order = append(order, c.ID)
	}
	want := []string{"delivery.complete", "delivery.faithful", "validity.injections", "delivery.unique"}
	if !slices.Equal(order, want) {
		t.Errorf("the table of criteria begins with %v, want %v", order, want)
	}
}

func TestNoticesOfBrokenRuns(t *testing.T) {
	remove := func(names ...string) func(*testing.T, string) {
		return func(t *testing.T, dir string) {
			for _, name := range names {
				must(t, os.Remove(filepath.Join(dir, name)))
			}
		}
	}
	add := func(name, text string) func(*testing.T, string) {
		return func(t *testing.T, dir string) {
			f, err := os.OpenFile(filepath.Join(dir, name), os.O_APPEND|os.O_WRONLY, 0)
			must(t, err)
			_, err = f.WriteString(text)
			must(t, errors.Join(err, f.Close()))
		}
	}
	replace := func(name, text string) func(*testing.T, string) {
		return func(t *testing.T, dir string) {
			must(t, os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644))
		}
	}
	f := func(name string, harm func(*testing.T, string), wants ...string) {
		t.Run(name, func(t *testing.T) {
			run := newSynthetic(time.Minute, 5*time.Second, 2).write(t)
			harm(t, run.Dir())
			page := pageOf(t, run)
			checkPage(t, page)
			for _, want := range wants {
				if !bytes.Contains(page, []byte(want)) {
					t.Errorf("the page does not say %q", want)
				}
			}
			if bytes.Contains(page, []byte(run.Dir())) {
				t.Error("the page names the place where the run directory happens to lie")
			}
		})
	}
	f("whole", func(*testing.T, string) {}, "<h2 id=\"criteria\">")
	f("not judged", remove(soak.VerdictFile), "<span>NOT JUDGED</span>", "verdict.json is missing")
	f("not audited", remove(soak.LedgerFile, soak.VerdictFile), "ledger.json is missing", `<dt>Lost</dt><dd><strong>not known</strong>`, "at the last sample")
	f("no course", remove(soak.CourseFile), "course.json is missing")
	f("no samples", remove(soak.SamplesFile), "samples.ndjson holds no samples", "no reading of the subject&#39;s memory")
	f("no events", remove(soak.EventsFile), "events.ndjson holds no events")
	f("nothing but the plan", remove(soak.VerdictFile, soak.LedgerFile, soak.CourseFile, soak.SamplesFile, soak.EventsFile),
		"<span>NOT JUDGED</span>", "or was killed before it could be judged", `<dt>Published</dt><dd><strong>not known</strong>`)
	f("torn sample", add(soak.SamplesFile, `{"at":"2026-03-14T09:`), "The last line of samples.ndjson is torn")
	f("torn event", add(soak.EventsFile, `{"at":`), "The last line of events.ndjson is torn")
	f("damaged sample", add(soak.SamplesFile, "nonsense\n"), "samples.ndjson is damaged")
	f("damaged ledger", replace(soak.LedgerFile, `{"accounts": [`), "ledger.json cannot be read")
	f("damaged verdict", replace(soak.VerdictFile, "null nonsense"), "verdict.json cannot be read")
	f("empty verdict", replace(soak.VerdictFile, "{}"), "The verdict gives no reason")
	f("another ledger", replace(soak.LedgerFile, `{"accounts":[{"symbol":"BTCUSDT","published":5,"delivered":4,"lost":1}]}`), "differ in their totals")
	f("interrupted", replace(soak.CourseFile, `{"interrupted":true,"trouble":"the disk is full"}`), "The run was interrupted", "The harness was in trouble: the disk is full")
}

// Texts out of a run directory are shown and never obeyed.
func TestHostileTexts(t *testing.T) {
	const attack = `"><script>alert(1)</script></svg><img src=x onerror=alert(1)>'` + "\x00\x1b[31m\u202e" + `javascript:alert(1)</style></title>{{.}}` + "\xff"
	s := newSynthetic(time.Minute, 5*time.Second, 2)
	s.plan.Name, s.plan.About = "smoke'; <b>rm</b>", attack
	s.plan.Symbols[0] = attack
	s.plan.Subject.Settings = map[string]string{attack: attack}
	s.plan.Subject.Command = []string{attack, "$(reboot)"}
	s.plan.Traffic.Capture = attack
	for i := range s.plan.Injections {
		in := &s.plan.Injections[i]
		in.Name, in.Fault, in.Kind, in.Target, in.Evidence, in.Err = attack, attack, attack+"k", attack, attack, attack
		in.Settings = map[string]string{attack: attack}
	}
	l := &s.ledger
	l.Source, l.Accounts[0].Symbol, l.Windows[0].Injection, l.Phases[0].Phase = attack, attack, attack, attack
	l.Findings = []soak.Finding{{Guarantee: attack, Symbol: attack, During: attack, Why: strings.Repeat(attack, 100)}}
	for i := range l.Sessions {
		l.Sessions[i].EndedBy, l.Sessions[i].Reason, l.Sessions[i].During = attack, attack, attack
	}
	v := &s.verdict
	v.Why, v.Outcome, v.Injections = attack, attack, s.plan.Injections
	v.Claims, v.NotClaimed, v.Power = []string{attack}, []string{attack}, []string{attack}
	for i := range v.Checks {
		c := &v.Checks[i]
		c.ID, c.Limit, c.Unit, c.Why, c.Evidence, c.Outcome, c.Role = attack, attack, attack, attack, attack, attack, attack
	}
	v.Checks[0].Evidence = "javascript:alert(1)"
	s.course.Trouble, s.course.Subject.Name, s.course.Subject.Version, s.course.Subject.Exit = attack, attack, attack, attack
	for i := range s.events {
		e := &s.events[i]
		e.Name, e.Text = attack, attack
		if e.Kind == soak.EventSubject {
			e.Kind, e.Fields = soak.EventHarness, map[string]string{attack: attack}
		}
	}
	s.plan.Name = "hostile" // it becomes part of the directory's name
	page := pageOf(t, s.write(t))
	checkPage(t, page)
	for _, forbidden := range []string{"<img", "<b>", "javascript:alert(1)\"", "\x00", "\x1b", "\u202e"} {
		if at := bytes.Index(page, []byte(forbidden)); at >= 0 {
			t.Errorf("the page contains %q: %q", forbidden, page[max(0, at-100):at+20])
		}
	}
	if n := bytes.Count(page, []byte("<script")); n != 1 {
		t.Errorf("%d scripts", n)
	}
	if !bytes.Contains(page, []byte("&lt;script&gt;alert(1)&lt;/script&gt;")) {
		t.Error("the text is not shown at all")
	}
	if n := len(page); n > 300_000 {
		t.Errorf("%d bytes: long texts are not bounded", n)
	}
}

// Figures that no sane run has must not break a page.
func TestAbsurdFigures(t *testing.T) {
	ages := []time.Time{{}, birth, birth.Add(-time.Hour), time.Date(9999, 1, 1, 0, 0, 0, 0, time.UTC), time.Date(1, 1, 1, 0, 0, 0, 0, time.UTC)}
	numbers := []float64{0, -1, 1e-300, 5e-324, 1e15, 1e300, math.MaxFloat64, -math.MaxFloat64}
	whole := []int64{0, 1, -1, math.MaxInt64, math.MinInt64}
	for i := range 8 {
		s := newSynthetic(time.Minute, 10*time.Second, 2)
		age := func(n int) time.Time { return ages[(i*7+n)%len(ages)] }
		number := func(n int) float64 { return numbers[(i*3+n)%len(numbers)] }
		count := func(n int) int64 { return whole[(i*11+n)%len(whole)] }
		s.plan.SampleEvery, s.plan.Limits[0].Max = soak.Duration(count(1)), ptr(number(4))
		for n := range s.events {
			s.events[n].At = age(n)
		}
		for n := range s.plan.Injections {
			in := &s.plan.Injections[n]
			in.Began, in.Ended, in.At, in.For = age(n), age(n+1), soak.Duration(count(n)), soak.Duration(count(n+1))
		}
		s.verdict.Injections = s.plan.Injections
		s.ledger.Windows[0].LongestPause, s.ledger.Windows[0].CatchUp, s.ledger.Windows[0].Closed = number(1), number(2), age(2)
		s.ledger.Began, s.ledger.Ended, s.ledger.ClockStep = age(3), age(4), number(3)
		for n := range s.ledger.Sessions {
			s.ledger.Sessions[n].Opened, s.ledger.Sessions[n].Closed = age(n), age(n+2)
		}
		s.ledger.Accounts[0] = soak.Account{Symbol: "X", FirstID: count(0), LastID: count(1), Published: count(2), Delivered: count(3), Lost: count(4)}
		for n := range s.verdict.Checks {
			s.verdict.Checks[n].Observed, s.verdict.Checks[n].Low, s.verdict.Checks[n].High = ptr(number(n)), ptr(number(n+1)), ptr(number(n+2))
		}
		s.absurd = func(n int, sample *soak.Sample) {
			sample.At, sample.RSSBytes, sample.HeapLiveBytes = age(n), count(n), count(n+1)
			sample.LagMax, sample.LagP50, sample.CPUSeconds = number(n), number(n+1), number(n+2)
			sample.Published, sample.Behind = count(n+2), count(n+3)
		}
		checkPage(t, pageOf(t, s.write(t)))
		if t.Failed() {
			t.Fatalf("with figures number %d", i)
		}
	}
}

// Alerts have a lane of the timeline of their own, where there were any.
func TestAlertsAreOnTheTimeline(t *testing.T) {
	s := newSynthetic(time.Minute, time.Second, 1)
	lane := []byte(">alerts</text>")
	if bytes.Contains(pageOf(t, s.write(t)), lane) {
		t.Error("a lane for alerts of which there were none")
	}
	s.events = append(s.events, soak.Event{At: s.began.Add(30 * time.Second), Kind: soak.EventAlert, Name: "BinancePongTimeout", Text: "fires"})
	page := pageOf(t, s.write(t))
	checkPage(t, page)
	if !bytes.Contains(page, lane) || !bytes.Contains(page, []byte("BinancePongTimeout fires")) {
		t.Error("the alert is not on the timeline")
	}
}
