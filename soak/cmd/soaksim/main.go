// Command soaksim runs a plan in virtual time: the streamer's own core between
// a fake exchange, a Kafka and a registry of this process, in a bubble of
// testing/synctest. It is a program of its own because synctest needs package
// testing, which neither the streamer nor soak should carry, and because it is
// the only place where judge and judged meet: they share an address space here,
// and no code. `soak sim` starts it and writes the report.
package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"math/rand/v2"
	"os"
	"runtime"
	"runtime/debug"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/urfave/cli/v3"

	"steadfeed/fakebinance/memnet"
	"steadfeed/soak"
	"steadfeed/soak/internal/runner"
	"steadfeed/soak/internal/testbed"
	"steadfeed/streamer"
)

// drawnSeeds bounds a seed that nobody chose: short enough to be typed again.
const drawnSeeds = 1_000_000

// epoch is where virtual time begins. A bubble begins in the year 2000, before
// the certificates of today.
var epoch = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)

// garbage is how much the heap may grow before it is collected, in per cent:
// most of what is allocated here are requests to Kafka that live for a moment.
const garbage = 200

func main() {
	// Goroutines of a bubble run one after another anyway, and handing over
	// between threads costs more than a second thread brings.
	runtime.GOMAXPROCS(1)
	debug.SetGCPercent(garbage)
	os.Exit(run(os.Args))
}

func run(args []string) int {
	status := soak.ExitBroken
	err := (&cli.Command{
		Name:            "soaksim",
		Usage:           "run a plan in virtual time; the last line printed is its run directory",
		HideHelpCommand: true,
		Flags: []cli.Flag{
			&cli.StringFlag{Name: "plan", Value: "month", Usage: "day, storm, week, month or month-busy"},
			&cli.DurationFlag{Name: "for", Usage: "another length", HideDefault: true},
			&cli.Uint64Flag{Name: "seed", Usage: "of traffic and faults (default: drawn by lot)", HideDefault: true},
			&cli.StringFlag{Name: "schedule", Usage: "run exactly what this file says, the plan.json of a run or what fuzz-sim wrote"},
			&cli.StringFlag{Name: "flaw", Usage: "spoil the streamer, to try the judge: " + strings.Join(slices.Sorted(maps.Keys(flaws)), ", ")},
			&cli.BoolFlag{Name: "sweep", Usage: "run the plan once for each write of the subject and each kind of trap"},
			&cli.FloatFlag{Name: "share", Value: 1, Usage: "of a sweep: which share of it, by lot"},
			&cli.IntFlag{Name: "part", Usage: "of a sweep in parts: which one, from 0"},
			&cli.IntFlag{Name: "parts", Value: 1, Usage: "of a sweep: in how many parts"},
			&cli.BoolFlag{Name: "faults", Usage: "each fault of the exchange in a run of its own, in place of a plan; prints each run directory"},
			&cli.StringFlag{Name: "only", Usage: "of the faults, those whose name contains this"},
			&cli.StringFlag{Name: "out", Value: "runs", Usage: "directory in which the run directory is made"},
		},
		OnUsageError: func(_ context.Context, _ *cli.Command, err error, _ bool) error {
			status = soak.ExitUsage
			return err
		},
		Action: func(_ context.Context, c *cli.Command) error {
			if c.Bool("faults") {
				inBubbles(cases(c.String("only")), seedOf(c), c.String("out"))
				return errors.New("the bubble burst")
			}
			plan, err := choose(c)
			var played core
			if err == nil {
				played, err = spoilt(c.String("flaw"))
			}
			if err != nil {
				status = soak.ExitUsage
				return err
			}
			fmt.Fprintf(os.Stderr, "plan %s, seed %d, %s of virtual time, %d injections\n", plan.Name, plan.Seed, plan.Length(), len(plan.Injections))
			if c.Bool("sweep") {
				s := sweeping{plan: plan, out: c.String("out"), share: c.Float("share"), part: c.Int("part"), parts: c.Int("parts")}
				inTest(s.run)
			}
			inBubble(plan, c.String("out"), played, conclude)
			return errors.New("the bubble burst")
		},
	}).Run(context.Background(), args)
	if err != nil {
		fmt.Fprintln(os.Stderr, "soaksim: "+err.Error())
	}
	return status
}

// seedOf is the seed that was asked for, or one by lot.
func seedOf(c *cli.Command) uint64 {
	if c.IsSet("seed") {
		return c.Uint64("seed")
	}
	return rand.Uint64N(drawnSeeds)
}

// choose makes the plan that the flags ask for.
func choose(c *cli.Command) (plan soak.Plan, err error) {
	if path := c.String("schedule"); path != "" {
		if c.IsSet("plan") || c.IsSet("for") || c.IsSet("seed") {
			return plan, errors.New("-schedule has plan, length and seed of its own: leave out -plan, -for and -seed")
		}
		if plan, err = soak.ReadPlan(path); err != nil {
			return plan, err
		}
		plan.Subject.Command = []string{os.Args[0]}
		if err := runner.Validate(plan); err != nil {
			return plan, err
		}
	} else {
		plan, err = runner.NewPlan(c.String("plan"), runner.Choices{
			Seed: seedOf(c), Length: c.Duration("for"), Rate: -1, Name: "streamer", Subject: []string{os.Args[0]}})
		if err != nil {
			return plan, err
		}
	}
	if !plan.Virtual {
		return plan, fmt.Errorf("plan %s is not in virtual time", plan.Name)
	}
	return plan, nil
}

// conclude says where the run is and makes its outcome an exit status.
func conclude(result runner.Result, err error) int {
	switch {
	case err != nil:
		fmt.Fprintln(os.Stderr, "soaksim: "+err.Error())
		return soak.ExitBroken
	case result.Course.Trouble != "":
		fmt.Fprintln(os.Stderr, "soaksim: "+result.Course.Trouble)
	}
	fmt.Println(result.Run.Dir())
	if result.Course.Trouble != "" {
		return soak.ExitBroken
	}
	return result.Verdict.Outcome.ExitStatus()
}

// inBubble runs a plan in a bubble and ends the process by what end makes of
// it. Package testing insists on being what starts a bubble, and ends the
// process itself when its only test returns; its flags and its last words are
// kept from the person who waits.
func inBubble(plan soak.Plan, out string, subject core, end func(runner.Result, error) int) {
	inTest(func(t *testing.T, watch *clockWatch) int {
		var result runner.Result
		var err error
		synctest.Test(t, func(*testing.T) { result, err = simulate(plan, out, watch, inMemory(subject)) })
		return end(result, err)
	})
}

// inTest calls a function as a test, under a watch of virtual time, and ends
// the process with the status that it returns.
func inTest(run func(*testing.T, *clockWatch) int) {
	os.Args = os.Args[:1]
	watch := watchClock()
	test := testing.InternalTest{Name: "Run", F: func(t *testing.T) {
		status := run(t, watch)
		watch.stop()
		os.Exit(status)
	}}
	testing.Main(func(string, string) (bool, error) { return true, nil }, []testing.InternalTest{test}, nil, nil)
}

// simulate is what happens in the bubble.
func simulate(plan soak.Plan, out string, watch *clockWatch, virtual *testbed.Virtual) (runner.Result, error) {
	time.Sleep(time.Until(epoch))
	ticking, stop := context.WithCancel(context.Background())
	ticked := make(chan struct{})
	go func() {
		defer close(ticked)
		watch.tick(ticking)
	}()
	defer func() { stop(); <-ticked }()

	virtual.Network.SetLatency(latency)
	began, shown := time.Now(), 0
	return runner.Run(context.Background(), plan, runner.Options{
		Out:     out,
		Virtual: virtual,
		OnProgress: func(p runner.Progress) {
			if days := int(time.Since(began).Hours() / 24); days > shown {
				shown = days
				fmt.Fprintf(os.Stderr, "day %d: %d trades, %d visible, %d findings, %d of %d injections\n",
					days, p.Published, p.Delivered, p.Findings, p.Injections, len(plan.Injections))
			}
		},
	})
}

// latency of each link: odd, so that what is on a wire never arrives at the
// very instant of a timer.
const latency = 3700 * time.Microsecond

// inMemory is a subject in a network of its own.
func inMemory(subject core) *testbed.Virtual {
	return &testbed.Virtual{Network: memnet.New(), Subject: subject}
}

// core is a subject that is a function.
type core func(ctx context.Context, stop <-chan struct{}, place testbed.Place) error

// subject is the streamer's core as its command would start it.
func subject(ctx context.Context, stop <-chan struct{}, place testbed.Place) error {
	config, err := configured(place)
	if err != nil {
		return err
	}
	return streamer.Run(ctx, stop, config)
}

// configured is the configuration of a subject in its place.
func configured(place testbed.Place) (streamer.Config, error) {
	config, err := configure(place.Settings)
	config.Dial, config.Listener = place.Dial, place.Listener
	config.Log = slog.New(slog.NewJSONHandler(place.Log, nil))
	return config, err
}
