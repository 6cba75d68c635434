package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/urfave/cli/v3"
	"golang.org/x/sync/errgroup"

	"steadfeed/soak"
	"steadfeed/soak/internal/fault"
)

const (
	// shrinkTries bounds how often a schedule is run to make it smaller; each
	// takes some seconds.
	shrinkTries = 60
	// maxSeeds is more than a machine gets through in a month.
	maxSeeds = 1_000_000
)

func fuzzSimCommand() *cli.Command {
	return &cli.Command{
		Name:  "fuzz-sim",
		Usage: "run seeds of a plan in virtual time until one does not pass, and shrink its schedule",
		Description: "A line for each seed. The first that fails ends it: its schedule is made smaller (fewer faults, shorter, earlier)\n" +
			"while it still fails, and written to a file that `soak sim -schedule FILE` runs again.",
		ArgsUsage: " ",
		Flags: []cli.Flag{
			&cli.StringFlag{Name: "plan", Value: "storm", Usage: "a plan in virtual time"},
			&cli.Uint64Flag{Name: "from", Value: 1, Usage: "the first seed"},
			&cli.Uint64Flag{Name: "seeds", Value: maxSeeds, HideDefault: true, Usage: "how many (default: until stopped)"},
			&cli.DurationFlag{Name: "within", HideDefault: true, Usage: "begin no seed after this time (default: until stopped)"},
			&cli.IntFlag{Name: "at-once", Value: 2, Usage: "seeds side by side; each keeps one core busy"},
			&cli.StringFlag{Name: "out", Value: "runs", Usage: "directory for the runs that do not pass, and for the schedule"},
		},
		Action: func(ctx context.Context, command *cli.Command) error {
			if command.Args().Present() {
				return usage("unexpected argument %q", command.Args().First())
			}
			if command.Int("at-once") < 1 || command.Uint64("seeds") < 1 {
				return usage("-at-once and -seeds: at least 1")
			}
			ctx, _, stop := interrupts(ctx)
			defer stop()
			f := &fuzzing{
				plan: command.String("plan"), out: command.String("out"), stdout: command.Root().Writer,
				next: command.Uint64("from"), end: command.Uint64("from") + command.Uint64("seeds"),
			}
			if within := command.Duration("within"); within > 0 {
				f.until = time.Now().Add(within)
			}
			return f.run(ctx, command.Int("at-once"))
		},
	}
}

// fuzzing is seeds in progress.
type fuzzing struct {
	plan, out string
	stdout    io.Writer
	until     time.Time // zero: no end

	mu        sync.Mutex // never held while a seed runs
	next, end uint64
	passed    int
	bad       *soak.Plan // the first that did not pass
	badCheck  string
}

func (f *fuzzing) run(ctx context.Context, atOnce int) error {
	var group errgroup.Group
	for range atOnce {
		group.Go(func() error {
			for {
				seed, more := f.take(ctx)
				if !more {
					return nil
				}
				if err := f.one(ctx, seed); err != nil {
					return err
				}
			}
		})
	}
	err := group.Wait()
	if f.bad != nil {
		return f.shrink(ctx)
	}
	fmt.Fprintf(f.stdout, "%d seeds passed\n", f.passed)
	if ctx.Err() != nil {
		return &ending{status: soak.ExitInterrupted}
	}
	return err
}

// take gives out the next seed, while there is one.
func (f *fuzzing) take(ctx context.Context) (seed uint64, more bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if ctx.Err() != nil || f.bad != nil || f.next >= f.end || !f.until.IsZero() && time.Now().After(f.until) {
		return 0, false
	}
	f.next++
	return f.next - 1, true
}

// one runs a seed and says how it went. What passed is not kept.
func (f *fuzzing) one(ctx context.Context, seed uint64) error {
	began := time.Now()
	var said bytes.Buffer
	run, err := startSimulator(ctx, []string{"-plan", f.plan, "-seed", fmt.Sprint(seed), "-out", f.out}, &said)
	if err != nil {
		if ctx.Err() == nil {
			_, _ = f.stdout.Write(said.Bytes()) // it says more than the error
		}
		return err
	}
	defer run.Close()
	verdict, err := run.ReadVerdict()
	if err != nil {
		return broken(err)
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if verdict.Outcome == soak.Pass {
		f.passed++
		fmt.Fprintf(f.stdout, "seed %d: pass, %d trades, %d injections, %s\n",
			seed, verdict.Delivery.Delivered, len(verdict.Injections), time.Since(began).Round(time.Second))
		return os.RemoveAll(run.Dir())
	}
	fmt.Fprintf(f.stdout, "seed %d: %s (%s)\n", seed, verdict.Why, run.Dir())
	if f.bad == nil && verdict.Outcome == soak.Fail {
		plan := run.Plan()
		f.bad, f.badCheck = &plan, firstFailed(verdict)
	}
	return nil
}

// firstFailed is the gate that the headline names.
func firstFailed(verdict soak.Verdict) string {
	for _, check := range verdict.Checks {
		if check.Role == soak.Gate && check.Outcome == soak.Fail {
			return check.ID
		}
	}
	return ""
}

// shrink makes the schedule of the seed that failed smaller and writes it.
func (f *fuzzing) shrink(ctx context.Context) error {
	fmt.Fprintf(f.stdout, "shrinking %d injections of seed %d, which failed %s\n", len(f.bad.Injections), f.bad.Seed, f.badCheck)
	path := filepath.Join(f.out, fmt.Sprintf("schedule-%s-%d.json", f.bad.Name, f.bad.Seed))
	small := fault.Shrink(*f.bad, shrinkTries, func(plan soak.Plan) bool {
		return ctx.Err() == nil && f.fails(ctx, plan, path)
	})
	if err := writePlan(path, small); err != nil {
		return broken(err)
	}
	fmt.Fprintf(f.stdout, "%d injections are left; run them again: soak sim -schedule %s\n", len(small.Injections), path)
	return &ending{status: soak.ExitFail}
}

// fails runs a plan by way of a file.
func (f *fuzzing) fails(ctx context.Context, plan soak.Plan, path string) bool {
	if writePlan(path, plan) != nil {
		return false // the last word is written again, and then it is told
	}
	run, err := startSimulator(ctx, []string{"-schedule", path, "-out", f.out}, io.Discard)
	if err != nil {
		return false
	}
	defer run.Close()
	defer os.RemoveAll(run.Dir())
	verdict, err := run.ReadVerdict()
	if err != nil {
		return false
	}
	failed := firstFailed(verdict) == f.badCheck
	fmt.Fprintf(f.stdout, "  %d injections: %s\n", len(plan.Injections), verdict.Outcome)
	return failed
}

func writePlan(path string, plan soak.Plan) error {
	text, err := json.MarshalIndent(plan, "", "  ")
	if err != nil {
		return err
	}
	return os.WriteFile(path, append(text, '\n'), 0o644)
}
