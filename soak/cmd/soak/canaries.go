package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"text/tabwriter"
	"time"

	"github.com/urfave/cli/v3"
	"golang.org/x/sync/errgroup"

	"steadfeed/soak"
	"steadfeed/soak/internal/testbed"
)

// canary is one flaw and the check that must convict it.
type canary struct {
	flaw  string
	with  []string // arguments of it
	check string   // empty: it must be acquitted
	many  bool     // it does it again and again; else one trade is touched
	dumb  bool     // it cannot say which trades it has touched
}

// canaryTable are the flaws that the smoke plan gives an occasion to. What
// shows only when a subject is killed, stopped or handed over is not here.
var canaryTable = []canary{
	{flaw: "none"},
	{flaw: "lost", check: "delivery.complete"},
	{flaw: "altered", check: "delivery.faithful"},
	{flaw: "swapped", check: "delivery.ordered"},
	{flaw: "duplicate", check: "delivery.unique"},
	{flaw: "lag", check: "freshness.drift"},
	{flaw: "unrepaired", check: "delivery.complete", many: true},
}

// imageCanaryTable are what the long plans must convict: a loss, leaks and a
// reconnect that is given up. What they acquit is the streamer, each night. The
// plan kills its subject, so the first has a deed in each life.
var imageCanaryTable = []canary{
	{flaw: "lost", check: "delivery.complete", many: true},
	// So short a plan claims of memory what reaches the abort limit of 400 MB, in
	// whichever life is the longer, and less than the container may have.
	{flaw: "leak-offheap", with: []string{"-per-hour", "6000", "-most", "440"}, check: "memory.rss_limit"},
	{flaw: "leak-per-reconnect", check: "memory.growth_per_event"},
	{flaw: "gives-up", with: []string{"-patience", "5"}, check: "delivery.complete", dumb: true}, // ten are brought about
}

const (
	canaryImage   = "steadfeed/canary:dev" // what make images builds
	imagePlan     = "soak-1h"
	imageScale    = 6
	imageProject  = "steadfeed-canaries" // beside a run of the streamer's own
	imageParallel = 1                    // each has a Kafka of its own
)

// deliveryChecks are the checks of which a canary may fail its own and no other.
var deliveryChecks = []string{"delivery.complete", "delivery.faithful", "delivery.ordered", "delivery.unique"}

func canariesCommand() *cli.Command {
	return &cli.Command{
		Name:  "canaries",
		Usage: "test the harness: each flaw of the canary must be convicted by its check, the flawless one acquitted",
		Flags: []cli.Flag{
			&cli.IntFlag{Name: "parallel", Value: 7, Usage: "runs at the same time"},
			&cli.Uint64Flag{Name: "seed", HideDefault: true, Usage: "of all runs (default: drawn by lot)"},
			&cli.StringFlag{Name: "plan", Value: "smoke", Usage: "plan of all runs"},
			&cli.BoolFlag{Name: "images", Usage: fmt.Sprintf("the canary's image in the plan %s, compressed %d times: ten minutes each, one at a time", imagePlan, imageScale)},
			&cli.StringFlag{Name: "canary", Usage: "path of the canary (default: the one beside this program)"},
			&cli.StringFlag{Name: "out", Value: filepath.Join("runs", "canaries"), Usage: "directory for the run directories"},
		},
		Action: runCanaries,
	}
}

func runCanaries(ctx context.Context, command *cli.Command) error {
	if command.Args().Present() {
		return usage("soak canaries takes no argument, given %q", command.Args().First())
	}
	if command.Int("parallel") < 1 {
		return usage("-parallel %d: at least 1", command.Int("parallel"))
	}
	if command.Bool("images") && (command.IsSet("plan") || command.IsSet("canary") || command.IsSet("parallel")) {
		return usage("-images has plan, canary and number of its own: leave out -plan, -canary and -parallel")
	}
	seed := seedOf(command)
	flight, table, atOnce, err := choose(command)
	if err != nil {
		return broken(err)
	}
	flight.args = append(flight.args, "-seed", strconv.FormatUint(seed, 10))
	ctx, _, stop := interrupts(ctx)
	defer stop()
	stdout := command.Root().Writer
	fmt.Fprintf(stdout, "%d canaries, plan %s, seed %d, %d at a time\n", len(table), flight.args[0], seed, atOnce)

	findings := make([]trial, len(table))
	var group errgroup.Group
	group.SetLimit(atOnce)
	for i, c := range table {
		group.Go(func() error {
			findings[i] = flight.try(ctx, c)
			fmt.Fprintf(stdout, "%s  %-9s  %s\n", time.Now().Format(time.TimeOnly), c.flaw, findings[i].sentence())
			return nil
		})
	}
	_ = group.Wait() // a trial keeps its own error
	if ctx.Err() != nil {
		return &ending{soak.ExitInterrupted, errors.New("interrupted")}
	}
	return printTrials(stdout, findings)
}

// flight is what all trials have in common.
type flight struct {
	self    string
	args    []string // of soak run
	subject string   // program or image
	out     string
}

// choose says how to try which canaries, so many at once.
func choose(command *cli.Command) (f flight, table []canary, atOnce int, err error) {
	f.out = command.String("out")
	if f.self, err = os.Executable(); err != nil {
		return f, nil, 0, err
	}
	if command.Bool("images") {
		f.args = []string{imagePlan, "-scale", strconv.Itoa(imageScale), "-project", imageProject}
		f.subject = canaryImage
		return f, imageCanaryTable, imageParallel, nil
	}
	f.args = []string{command.String("plan")}
	if f.subject = command.String("canary"); f.subject == "" {
		f.subject = filepath.Join(filepath.Dir(f.self), "canary")
	}
	_, err = testbed.FindProgram([]string{f.subject})
	return f, canaryTable, command.Int("parallel"), err
}

// trial is what became of one canary.
type trial struct {
	canary
	outcome  soak.Outcome
	evidence string // what convicted it
	problem  error  // nil: as expected
}

func (t trial) sentence() string {
	if t.problem != nil {
		return "NOT as expected: " + t.problem.Error()
	}
	return "as expected: " + t.evidence
}

// try runs the plan against one canary, in a process of its own, and compares
// the verdict with the deed.
func (f flight) try(ctx context.Context, c canary) trial {
	t := trial{canary: c}
	out := filepath.Join(f.out, c.flaw)
	if t.problem = os.MkdirAll(out, 0o755); t.problem != nil {
		return t
	}
	log, err := os.Create(filepath.Join(out, "output.txt"))
	if err != nil {
		t.problem = err
		return t
	}
	defer log.Close()
	run := exec.CommandContext(ctx, f.self, slices.Concat([]string{"run"}, f.args, []string{"-out", out, "-subject", strings.Join(append([]string{f.subject, c.flaw}, c.with...), " ")})...)
	run.Stdout, run.Stderr = log, log
	run.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} // a ctrl-C reaches it once, from here
	run.Cancel = func() error { return run.Process.Signal(os.Interrupt) }
	run.WaitDelay = 2 * time.Minute // for its drain and verdict
	exit := run.Run()
	if ctx.Err() != nil {
		t.problem = ctx.Err()
		return t
	}
	finished, err := soak.Open(filepath.Join(out, soak.Latest))
	if err != nil {
		t.problem = errors.Join(err, exit)
		return t
	}
	verdict, err := finished.ReadVerdict()
	if err != nil {
		t.problem = errors.Join(err, exit)
		return t
	}
	t.outcome = verdict.Outcome
	t.evidence, t.problem = compare(c, finished.Dir(), verdict)
	return t
}

// compare says what convicted or acquitted a canary, or in what the verdict
// differs from what it did.
func compare(c canary, dir string, verdict soak.Verdict) (evidence string, err error) {
	checks := map[string]soak.Check{}
	for _, check := range verdict.Checks {
		checks[check.ID] = check
	}
	for _, id := range deliveryChecks {
		if id != c.check && checks[id].Outcome != soak.Pass {
			return "", fmt.Errorf("%s is %s: %s", id, checks[id].Outcome, checks[id].Why)
		}
	}
	if c.check == "" {
		if verdict.Outcome != soak.Pass {
			return "", fmt.Errorf("%s: %s", verdict.Outcome, verdict.Why)
		}
		return fmt.Sprintf("acquitted over %d trades", verdict.Delivery.Delivered), nil
	}
	own := checks[c.check]
	if verdict.Outcome != soak.Fail || own.Outcome != soak.Fail {
		return "", fmt.Errorf("outcome %s, %s is %q: %s", verdict.Outcome, c.check, own.Outcome, verdict.Why)
	}
	if !strings.HasPrefix(c.check, "delivery.") {
		if own.Observed == nil {
			return "", fmt.Errorf("%s failed without a figure", c.check)
		}
		return fmt.Sprintf("%s: observed %.3g %s, limit %s", c.check, *own.Observed, own.Unit, own.Limit), nil
	}
	if c.dumb {
		return fmt.Sprintf("%s: %s", c.check, own.Why), nil
	}
	deeds, err := confession(filepath.Join(dir, soak.LogsDir, "canary.log"))
	if err != nil {
		return "", err
	}
	if len(verdict.Findings) == 0 || !c.many && (len(verdict.Findings) != 1 || len(deeds) != 1) {
		return "", fmt.Errorf("%d findings for %d deeds", len(verdict.Findings), len(deeds))
	}
	guarantee := soak.Guarantee(strings.TrimPrefix(c.check, "delivery."))
	for _, found := range verdict.Findings {
		if found.Guarantee != guarantee || !slices.ContainsFunc(deeds, func(d deed) bool {
			return found.Symbol == d.Symbol && found.FirstID == d.ID && found.LastID == d.last()
		}) {
			return "", fmt.Errorf("found %s of %s %d to %d; what was done: %s",
				found.Guarantee, found.Symbol, found.FirstID, found.LastID, listDeeds(deeds))
		}
	}
	if !c.many {
		return fmt.Sprintf("%s: %s %d", c.check, deeds[0].Symbol, deeds[0].ID), nil
	}
	var done int64
	for _, d := range deeds {
		done += d.last() - d.ID + 1
	}
	if verdict.Delivery.Lost != done {
		return "", fmt.Errorf("found %d lost, the deeds were done to %d", verdict.Delivery.Lost, done)
	}
	return fmt.Sprintf("%s: all %d trades of %d deeds", c.check, done, len(deeds)), nil
}

// deed is what a canary logs about what it touches.
type deed struct {
	Text   string `json:"msg"`
	Symbol string `json:"symbol"`
	ID     int64  `json:"trade_id"`
	LastID int64  `json:"last_trade_id"` // 0: the one trade
}

func (d deed) last() int64 { return max(d.ID, d.LastID) }

// maxShownDeeds bounds the deeds in a sentence.
const maxShownDeeds = 5

func listDeeds(deeds []deed) string {
	var list []string
	for _, d := range deeds[:min(len(deeds), maxShownDeeds)] {
		list = append(list, fmt.Sprintf("%s %d to %d", d.Symbol, d.ID, d.last()))
	}
	return strings.Join(list, "; ")
}

// confession finds the canary's own words in its log.
func confession(path string) (deeds []deed, err error) {
	text, err := os.ReadFile(path) // a canary logs a few lines per session: small
	if err != nil {
		return nil, err
	}
	lines := bufio.NewScanner(bytes.NewReader(text))
	for lines.Scan() {
		var d deed
		if json.Unmarshal(lines.Bytes(), &d) == nil && strings.HasPrefix(d.Text, "flaw:") {
			deeds = append(deeds, d)
		}
	}
	if len(deeds) == 0 {
		return nil, fmt.Errorf("%s: the canary did nothing wrong", path)
	}
	return deeds, nil
}

func printTrials(out io.Writer, trials []trial) error {
	table := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(table, "\nflaw\tmust be\toutcome\tas expected\tevidence")
	wrong := 0
	for _, t := range trials {
		must, expected, evidence := "convicted by "+t.check, "yes", t.evidence
		if t.check == "" {
			must = "acquitted"
		}
		if t.problem != nil {
			wrong++
			expected, evidence = "NO", t.problem.Error()
		}
		fmt.Fprintf(table, "%s\t%s\t%s\t%s\t%s\n", t.flaw, must, t.outcome, expected, evidence)
	}
	table.Flush()
	if wrong > 0 {
		return &ending{soak.ExitFail, fmt.Errorf("%d of %d canaries were not judged as they should be", wrong, len(trials))}
	}
	return nil
}
