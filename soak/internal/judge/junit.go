package judge

import (
	"encoding/xml"
	"fmt"
	"io"
	"strings"
	"time"

	"steadfeed/soak"
)

// The elements of JUnit's XML, as far as continuous integration reads them.
type (
	junitSuites struct {
		XMLName  xml.Name     `xml:"testsuites"`
		Name     string       `xml:"name,attr"`
		Tests    int          `xml:"tests,attr"`
		Failures int          `xml:"failures,attr"`
		Errors   int          `xml:"errors,attr"`
		Suites   []junitSuite `xml:"testsuite"`
	}
	junitSuite struct {
		Name       string          `xml:"name,attr"`
		Tests      int             `xml:"tests,attr"`
		Failures   int             `xml:"failures,attr"`
		Errors     int             `xml:"errors,attr"`
		Skipped    int             `xml:"skipped,attr"`
		Time       string          `xml:"time,attr"`
		Timestamp  string          `xml:"timestamp,attr"`
		Properties []junitProperty `xml:"properties>property"`
		Cases      []junitCase     `xml:"testcase"`
	}
	junitProperty struct {
		Name  string `xml:"name,attr"`
		Value string `xml:"value,attr"`
	}
	junitCase struct {
		Name    string        `xml:"name,attr"`
		Class   string        `xml:"classname,attr"`
		Time    string        `xml:"time,attr"`
		Skipped *junitProblem `xml:"skipped"`
		Failure *junitProblem `xml:"failure"`
		Error   *junitProblem `xml:"error"`
		Output  string        `xml:"system-out,omitempty"`
	}
	junitProblem struct {
		Text string `xml:"message,attr"`
		Type string `xml:"type,attr,omitempty"`
	}
)

// JUnit writes a verdict as JUnit XML: one suite an area, one case a check. A
// gate that failed is a failure, an inconclusive one an error, so that both
// are red and still told apart; what is not claimed is skipped. The first
// suite holds the verdict itself, which can be inconclusive for a reason that
// no check has.
func JUnit(w io.Writer, v soak.Verdict) error {
	all := junitSuites{Name: "soak " + v.Plan}
	overall := newSuite(v, "verdict")
	overall.add(junitCase{Name: "outcome", Class: overall.Name, Output: v.Why}, v.Outcome, v.Why, soak.Gate)
	all.Suites = append(all.Suites, overall)
	for _, c := range v.Checks {
		area, _, _ := strings.Cut(c.ID, ".")
		if last := len(all.Suites) - 1; all.Suites[last].Name != v.Plan+"."+area {
			all.Suites = append(all.Suites, newSuite(v, area))
		}
		suite := &all.Suites[len(all.Suites)-1]
		suite.add(junitCase{Name: c.ID, Class: suite.Name, Output: describe(c)}, c.Outcome, c.Why, c.Role)
	}
	for _, s := range all.Suites {
		all.Tests += s.Tests
		all.Failures += s.Failures
		all.Errors += s.Errors
	}
	if _, err := io.WriteString(w, xml.Header); err != nil {
		return err
	}
	out := xml.NewEncoder(w)
	out.Indent("", "  ")
	if err := out.Encode(all); err != nil {
		return fmt.Errorf("write JUnit: %w", err)
	}
	_, err := io.WriteString(w, "\n")
	return err
}

func newSuite(v soak.Verdict, area string) junitSuite {
	return junitSuite{
		Name: v.Plan + "." + area,
		Time: plain(max(v.Ended.Sub(v.Began), 0).Round(time.Millisecond).Seconds()),
		// The schema wants a local time without an offset; it is UTC.
		Timestamp: v.Began.UTC().Format("2006-01-02T15:04:05"),
		Properties: []junitProperty{
			{"run", v.Run},
			{"seed", fmt.Sprint(v.Seed)},
			{"subject", v.Subject.Command},
			{"subject.version", v.Subject.Version},
			{"subject.sha256", v.Subject.SHA256},
			{"report", soak.ReportFile},
		},
	}
}

func (s *junitSuite) add(c junitCase, outcome soak.Outcome, why string, role soak.Role) {
	c.Time = "0"
	s.Tests++
	switch {
	case role == soak.NotClaimed:
		s.Skipped++
		c.Skipped = &junitProblem{Text: "not claimed: " + why}
	case role != soak.Gate:
	case outcome == soak.Fail:
		s.Failures++
		c.Failure = &junitProblem{Text: why, Type: string(outcome)}
	case outcome != soak.Pass:
		s.Errors++
		c.Error = &junitProblem{Text: why, Type: string(soak.Inconclusive)}
	}
	s.Cases = append(s.Cases, c)
}

// describe is a check on one line.
func describe(c soak.Check) string {
	text := observed(c)
	if c.Limit != "" {
		text += ", limit " + c.Limit
	}
	if c.Why != "" {
		text += ": " + c.Why
	}
	if c.Evidence != "" {
		text += " [" + c.Evidence + "]"
	}
	return text
}

// observed is a check's figure with its unit.
func observed(c soak.Check) string {
	switch {
	case c.Observed == nil && c.Outcome == soak.Pass: // a check without a figure
		return "as required"
	case c.Observed == nil:
		return "not measured"
	}
	text := significant(*c.Observed)
	if c.Unit != "" {
		text += " " + c.Unit
	}
	return text
}
