package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"slices"
	"time"

	"github.com/urfave/cli/v3"
	"golang.org/x/sync/errgroup"

	"steadfeed/soak"
)

// simCanary is a flaw of the simulator's subject, the run in which it is tried,
// and the check that must convict it. Each run is ten virtual days at most.
type simCanary struct {
	flaw  string // empty: the streamer as it is, which must be acquitted
	plan  string
	days  int // 0: the plan's own
	check string
}

var simCanaryTable = []simCanary{
	{"", "storm", 0, ""},
	{"", "churn", 0, ""},
	{"close-before-dial", "day", 0, "reconnects"},
	{"no-backfill", "day", 0, "delivery.complete"},
	{"unfenced", "storm", 0, "delivery.unique"},
	{"gives-up", "churn", 0, "delivery.complete"},
	{"drifting-timer", "day", 10, "rotations"},
	{"leaks-goroutines", "churn", 0, "goroutines"},
	{"leaks-memory", "churn", 0, "memory.growth_per_event"},
}

func simCanariesCommand() *cli.Command {
	return &cli.Command{
		Name:  "sim-canaries",
		Usage: "test the harness in virtual time: each flaw must be convicted by its check within ten days, the streamer acquitted",
		Description: "The subject is the streamer's core with a flaw in its settings or in its way to the outside. What shows only\n" +
			"in days (a timer that drifts, a leak at each reconnect) is here; what shows in minutes is with `soak canaries`.",
		ArgsUsage: " ",
		Flags: []cli.Flag{
			&cli.IntFlag{Name: "at-once", Value: 2, Usage: "runs side by side; each keeps one core busy"},
			&cli.Uint64Flag{Name: "seed", HideDefault: true, Usage: "of all runs (default: drawn by lot)"},
			&cli.StringFlag{Name: "out", Value: filepath.Join("runs", "sim-canaries"), Usage: "directory for the run directories"},
		},
		Action: runSimCanaries,
	}
}

func runSimCanaries(ctx context.Context, command *cli.Command) error {
	switch {
	case command.Args().Present():
		return usage("unexpected argument %q", command.Args().First())
	case command.Int("at-once") < 1:
		return usage("-at-once %d: at least 1", command.Int("at-once"))
	}
	seed := seedOf(command)
	ctx, _, stop := interrupts(ctx)
	defer stop()
	stdout := command.Root().Writer
	fmt.Fprintf(stdout, "%d subjects, seed %d, %d at a time\n", len(simCanaryTable), seed, command.Int("at-once"))
	trials := make([]trial, len(simCanaryTable))
	var group errgroup.Group
	group.SetLimit(command.Int("at-once"))
	for i, c := range simCanaryTable {
		group.Go(func() error {
			began := time.Now()
			trials[i] = c.try(ctx, seed, command.String("out"))
			fmt.Fprintf(stdout, "%s  %s, %s\n", trials[i].flaw, trials[i].sentence(), time.Since(began).Round(time.Second))
			return nil
		})
	}
	_ = group.Wait() // a trial keeps its own error
	if ctx.Err() != nil {
		return &ending{soak.ExitInterrupted, errors.New("interrupted")}
	}
	return printTrials(stdout, trials)
}

// try runs one of them and compares the verdict with what it must be.
func (c simCanary) try(ctx context.Context, seed uint64, out string) trial {
	t := trial{canary: canary{flaw: "none, " + c.plan, check: c.check}}
	args := []string{"-plan", c.plan, "-seed", fmt.Sprint(seed)}
	if c.flaw != "" {
		t.flaw = c.flaw
		args = append(args, "-flaw", c.flaw)
	}
	if c.days > 0 {
		args = append(args, "-for", (time.Duration(c.days) * 24 * time.Hour).String())
	}
	run, err := startSimulator(ctx, append(args, "-out", filepath.Join(out, t.flaw)), io.Discard)
	if err != nil {
		t.problem = err
		return t
	}
	defer run.Close()
	verdict, err := run.ReadVerdict()
	if err != nil {
		t.problem = err
		return t
	}
	t.outcome = verdict.Outcome
	t.evidence, t.problem = c.compare(verdict)
	return t
}

// compare says what convicted or acquitted a subject, or in what the verdict
// differs from what it must be. Of the delivery checks no other may fail.
func (c simCanary) compare(verdict soak.Verdict) (evidence string, err error) {
	if c.check == "" {
		if verdict.Outcome != soak.Pass {
			return "", fmt.Errorf("%s: %s", verdict.Outcome, verdict.Why)
		}
		return fmt.Sprintf("acquitted over %d trades", verdict.Delivery.Delivered), nil
	}
	for _, check := range verdict.Checks {
		switch {
		case check.ID == c.check && (check.Outcome != soak.Fail || verdict.Outcome != soak.Fail || check.Observed == nil):
			return "", fmt.Errorf("outcome %s, %s is %q: %s", verdict.Outcome, c.check, check.Outcome, check.Why)
		case check.ID == c.check:
			evidence = fmt.Sprintf("%s: observed %.3g %s, limit %s", check.ID, *check.Observed, check.Unit, check.Limit)
		case slices.Contains(deliveryChecks, check.ID) && check.Outcome != soak.Pass:
			return "", fmt.Errorf("%s is %s: %s", check.ID, check.Outcome, check.Why)
		}
	}
	if evidence == "" {
		return "", fmt.Errorf("the verdict has no check %s", c.check)
	}
	return evidence, nil
}
