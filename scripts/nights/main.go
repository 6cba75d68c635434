// Command nights keeps the account of the nightly soak runs: it adds a night to
// nights.ndjson, forgets all but the last 60, writes them as a page, and says
// whether somebody has to look: a run that failed or left no verdict, or a plan
// that was inconclusive three nights in a row.
package main

import (
	"bufio"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"steadfeed/soak"
)

const (
	// keep is how many nights the page shows: two months.
	keep = 60
	// patience: so many inconclusive nights in a row are no longer weather.
	patience = 3
	// missing is the outcome of a run that was begun and left no verdict.
	missing soak.Outcome = "no verdict"
)

// Files beside one another.
const (
	nightsFile = "nights.ndjson"
	pageFile   = "index.html"
)

// Night is one line of nights.ndjson.
type Night struct {
	Date   string     `json:"date"`   // UTC
	Commit string     `json:"commit"` // that was tested
	URL    string     `json:"url"`    // of the job
	Runs   []NightRun `json:"runs"`
}

// NightRun is what became of one run of a night.
type NightRun struct {
	Plan      string       `json:"plan"`
	Outcome   soak.Outcome `json:"outcome"`
	Why       string       `json:"why"`
	Published int64        `json:"published"`
	Lost      int64        `json:"lost"`
	Hours     float64      `json:"hours"` // by the clock
}

func main() {
	dir := flag.String("dir", ".", "where the account is")
	url := flag.String("url", "", "page of the job")
	commit := flag.String("commit", "", "that was tested")
	date := flag.String("date", time.Now().UTC().Format(time.DateOnly), "of the night")
	issue := flag.String("issue", "", "file to write when somebody has to look: a title, an empty line, and a text")
	flag.Usage = func() {
		fmt.Fprintln(os.Stderr, "usage: nights [flags] PLAN=verdict.json...")
		flag.PrintDefaults()
	}
	flag.Parse()
	if err := run(*dir, *issue, Night{Date: *date, Commit: *commit, URL: *url}, flag.Args()); err != nil {
		fmt.Fprintln(os.Stderr, "nights:", err)
		os.Exit(1)
	}
}

func run(dir, issue string, tonight Night, verdicts []string) error {
	if len(verdicts) == 0 {
		return errors.New("no run is named: PLAN=verdict.json")
	}
	for _, argument := range verdicts {
		plan, path, named := strings.Cut(argument, "=")
		if !named {
			return fmt.Errorf("%q: it must be PLAN=verdict.json", argument)
		}
		r, err := read(plan, path)
		if err != nil {
			return err
		}
		tonight.Runs = append(tonight.Runs, r)
	}
	nights, err := load(filepath.Join(dir, nightsFile))
	if err != nil {
		return err
	}
	nights = append(nights, tonight)
	nights = nights[max(0, len(nights)-keep):]
	if err := save(filepath.Join(dir, nightsFile), nights); err != nil {
		return err
	}
	if err := writePage(filepath.Join(dir, pageFile), nights); err != nil {
		return err
	}
	if reasons := alarm(nights); len(reasons) > 0 && issue != "" {
		return os.WriteFile(issue, []byte(describe(tonight, reasons)), 0o644)
	}
	return nil
}

// read makes a line of a verdict; a file that is not there is one, too.
func read(plan, path string) (NightRun, error) {
	text, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return NightRun{Plan: plan, Outcome: missing, Why: "the job ended before there was one"}, nil
	}
	if err != nil {
		return NightRun{}, fmt.Errorf("read the verdict of %s: %w", plan, err)
	}
	var v soak.Verdict
	if err := json.Unmarshal(text, &v); err != nil {
		return NightRun{Plan: plan, Outcome: missing, Why: fmt.Sprintf("its verdict cannot be read: %v", err)}, nil
	}
	return NightRun{Plan: plan, Outcome: v.Outcome, Why: v.Why, Published: v.Delivery.Published, Lost: v.Delivery.Lost, Hours: v.Ended.Sub(v.Began).Hours()}, nil
}

func load(path string) (nights []Night, err error) {
	f, err := os.Open(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil // the first night
	}
	if err != nil {
		return nil, err
	}
	defer f.Close()
	lines := bufio.NewScanner(f)
	lines.Buffer(nil, 1<<20) // a line is a few hundred bytes
	for lines.Scan() {
		var n Night
		if err := json.Unmarshal(lines.Bytes(), &n); err != nil {
			return nil, fmt.Errorf("%s: %w", path, err)
		}
		nights = append(nights, n)
	}
	return nights, lines.Err()
}

func save(path string, nights []Night) error {
	var text strings.Builder
	out := json.NewEncoder(&text)
	for _, n := range nights {
		if err := out.Encode(n); err != nil {
			return err
		}
	}
	return os.WriteFile(path, []byte(text.String()), 0o644)
}

// alarm says why somebody has to look after the newest night.
func alarm(nights []Night) (reasons []string) {
	for _, r := range nights[len(nights)-1].Runs {
		switch r.Outcome {
		case soak.Pass:
		case soak.Inconclusive:
			if n := inconclusive(nights, r.Plan); n >= patience {
				reasons = append(reasons, fmt.Sprintf("%s: inconclusive for %d nights: %s", r.Plan, n, r.Why))
			}
		default:
			reasons = append(reasons, fmt.Sprintf("%s: %s: %s", r.Plan, r.Outcome, r.Why))
		}
	}
	return reasons
}

// inconclusive counts how many of the newest runs of a plan were, in a row. A
// night in which it did not run says nothing.
func inconclusive(nights []Night, plan string) (n int) {
	for _, night := range slices.Backward(nights) {
		for _, r := range night.Runs {
			switch {
			case r.Plan != plan:
			case r.Outcome != soak.Inconclusive:
				return n
			default:
				n++
			}
		}
	}
	return n
}

// describe is the issue: its title, an empty line, and its text.
func describe(n Night, reasons []string) string {
	var text strings.Builder
	fmt.Fprintf(&text, "Nightly soak of %s needs a look\n\n", n.Date)
	for _, reason := range reasons {
		fmt.Fprintf(&text, "- %s\n", reason)
	}
	fmt.Fprintf(&text, "\nCommit %s, [the job with its reports](%s). How to read a failed run: soak/README.md, \"How to investigate a failed run\".\n", n.Commit, n.URL)
	return text.String()
}
