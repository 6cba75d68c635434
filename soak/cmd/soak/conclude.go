package main

import (
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"text/tabwriter"

	"steadfeed/soak"
	"steadfeed/soak/internal/runner"
)

// conclude prints how a run ended and where to read on.
func conclude(out io.Writer, result runner.Result) {
	printVerdict(out, result.Run, result.Verdict)
}

// printVerdict prints the outcome, why, the checks that did not pass, and the
// paths of what to read next.
func printVerdict(out io.Writer, run *soak.Run, verdict soak.Verdict) {
	why := strings.TrimPrefix(verdict.Why, string(verdict.Outcome)+": ") // a headline begins with it
	fmt.Fprintf(out, "\n%s: %s\n", strings.ToUpper(string(verdict.Outcome)), why)
	d := verdict.Delivery
	fmt.Fprintf(out, "trades: %d published, %d delivered, %d lost, %d duplicate, %d disordered, %d altered\n",
		d.Published, d.Delivered, d.Lost, d.Duplicate, d.Disordered, d.Altered)
	table := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	header := false
	for _, check := range verdict.Checks {
		if check.Role != soak.Gate || check.Outcome == soak.Pass {
			continue
		}
		if !header {
			header = true
			fmt.Fprintln(table, "\ncheck\toutcome\tlimit\tobserved\twhy")
		}
		observed := "-"
		if check.Observed != nil {
			observed = strings.TrimSpace(fmt.Sprintf("%.4g %s", *check.Observed, check.Unit))
		}
		fmt.Fprintf(table, "%s\t%s\t%s\t%s\t%s\n", check.ID, check.Outcome, check.Limit, observed, check.Why)
	}
	table.Flush()
	if header {
		fmt.Fprintln(out)
	}
	if other := verdict.Other; other != nil {
		fmt.Fprintln(out, otherText(other))
	}
	if _, err := os.Stat(reportPath(run)); err == nil {
		fmt.Fprintln(out, "report:", shorten(reportPath(run)))
	}
	fmt.Fprintln(out, "run:   ", shorten(run.Dir()))
}

// otherText is what the criteria that were not chosen come to, in a line.
func otherText(o *soak.Opinion) string {
	var figures []string
	for _, c := range o.Checks {
		text := fmt.Sprintf("%s %s", c.ID, c.Outcome)
		if c.Observed != nil {
			text += fmt.Sprintf(", %.4g of %s", *c.Observed, c.Limit)
		}
		figures = append(figures, text)
	}
	return fmt.Sprintf("by the %s criteria the outcome is %s (%s)", o.Criteria, o.Outcome, strings.Join(figures, "; "))
}

func reportPath(run *soak.Run) string { return filepath.Join(run.Dir(), soak.ReportFile) }

// shorten shows a path as seen from here where that is shorter.
func shorten(path string) string {
	here, err := os.Getwd()
	if err != nil {
		return path
	}
	if relative, err := filepath.Rel(here, path); err == nil && len(relative) < len(path) {
		return relative
	}
	return path
}
