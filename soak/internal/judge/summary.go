package judge

import (
	"fmt"
	"io"
	"slices"
	"strings"

	"steadfeed/soak"
)

// summaryLines bounds a summary: a job page and a comment on a change show
// about that much without a fold.
const summaryLines = 40

// summaryFindings are shown at most; the rest is in the verdict.
const summaryFindings = 3

// Summary writes a verdict as Markdown of at most 40 lines, for the page of a
// job. What did not pass comes first; what is not claimed is one line.
func Summary(w io.Writer, v soak.Verdict) error {
	lines := []string{
		fmt.Sprintf("## soak %s: %s", cell(v.Plan), v.Outcome),
		"",
		cell(v.Why),
		"",
		fmt.Sprintf("Run `%s`, seed %d, subject %s. %s published, %s delivered; lost %s, duplicate %s, disordered %s, altered %s.",
			v.Run, v.Seed, cell(strings.TrimSpace(v.Subject.Name+" "+v.Subject.Version)), count(v.Delivery.Published), group(v.Delivery.Delivered),
			group(v.Delivery.Lost), group(v.Delivery.Duplicate), group(v.Delivery.Disordered), group(v.Delivery.Altered)),
		"",
		"| check | outcome | observed | limit |",
		"| --- | --- | --- | --- |",
	}
	tail := tailLines(v)
	shown := slices.DeleteFunc(slices.Clone(v.Checks), func(c soak.Check) bool { return c.Role == soak.NotClaimed })
	slices.SortStableFunc(shown, func(a, b soak.Check) int { return urgency(a) - urgency(b) })
	room := summaryLines - len(lines) - len(tail)
	for i, c := range shown {
		if room--; room == 0 && i < len(shown)-1 {
			lines = append(lines, fmt.Sprintf("| and %d more | | | |", len(shown)-i))
			break
		}
		lines = append(lines, fmt.Sprintf("| %s | %s | %s | %s |", c.ID, verdictOf(c), cell(observed(c)), cell(c.Limit)))
	}
	lines = append(lines, tail...)
	_, err := io.WriteString(w, strings.Join(lines, "\n")+"\n")
	return err
}

func tailLines(v soak.Verdict) []string {
	var lines []string
	if len(v.Findings) > 0 {
		lines = append(lines, "")
		for i, f := range v.Findings {
			if i == summaryFindings {
				lines = append(lines, fmt.Sprintf("- and %d more in %s", len(v.Findings)-i, soak.VerdictFile))
				break
			}
			lines = append(lines, fmt.Sprintf("- %s: %s", f.Guarantee, cell(findingText(f))))
		}
	}
	if o := v.Other; o != nil {
		var ids []string
		for _, c := range o.Checks {
			if c.Outcome != soak.Pass {
				ids = append(ids, "; "+c.ID+" "+string(c.Outcome))
			}
		}
		lines = append(lines, "", cell(fmt.Sprintf("By the %s criteria the outcome is %s%s.", o.Criteria, o.Outcome, strings.Join(ids, ""))))
	}
	if unclaimed := areas(v.Checks); len(unclaimed) > 0 {
		lines = append(lines, "", "Not claimed: "+cell(strings.Join(unclaimed, ", "))+".")
	}
	return lines
}

// urgency puts what did not pass first, and gates before reports.
func urgency(c soak.Check) int {
	n := 0
	if c.Role != soak.Gate {
		n = 3
	}
	switch c.Outcome {
	case soak.Fail:
		return n
	case soak.Inconclusive:
		return n + 1
	}
	return n + 2
}

func verdictOf(c soak.Check) string {
	if c.Role == soak.Report {
		return "(report)"
	}
	if c.Outcome != soak.Pass {
		return "**" + string(c.Outcome) + "**"
	}
	return string(c.Outcome)
}

// cell keeps a text on one line of a table.
func cell(text string) string {
	return strings.NewReplacer("\n", " ", "\r", " ", "|", `\|`).Replace(text)
}
