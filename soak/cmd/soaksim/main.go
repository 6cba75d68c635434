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
	"math/rand/v2"
	"os"
	"runtime"
	"runtime/debug"
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
			&cli.StringFlag{Name: "plan", Value: "month", Usage: "day, week, month or month-busy"},
			&cli.IntFlag{Name: "days", Usage: "another length", HideDefault: true},
			&cli.Uint64Flag{Name: "seed", Usage: "of traffic and faults (default: drawn by lot)", HideDefault: true},
			&cli.BoolFlag{Name: "faults", Usage: "each fault of the exchange in a run of its own, in place of a plan; prints each run directory"},
			&cli.StringFlag{Name: "only", Usage: "of the faults, those whose name contains this"},
			&cli.StringFlag{Name: "out", Value: "runs", Usage: "directory in which the run directory is made"},
		},
		OnUsageError: func(_ context.Context, _ *cli.Command, err error, _ bool) error {
			status = soak.ExitUsage
			return err
		},
		Action: func(_ context.Context, c *cli.Command) error {
			seed := c.Uint64("seed")
			if !c.IsSet("seed") {
				seed = rand.Uint64N(drawnSeeds)
			}
			if c.Bool("faults") {
				inBubbles(cases(c.String("only")), seed, c.String("out"))
				return errors.New("the bubble burst")
			}
			plan, err := runner.NewPlan(c.String("plan"), runner.Choices{
				Seed: seed, Days: c.Int("days"), Rate: -1, Name: "streamer", Subject: []string{os.Args[0]}})
			if err == nil && !plan.Virtual {
				err = fmt.Errorf("plan %s is not in virtual time", plan.Name)
			}
			if err != nil {
				status = soak.ExitUsage
				return err
			}
			fmt.Fprintf(os.Stderr, "plan %s, seed %d, %s of virtual time, %d injections\n", plan.Name, plan.Seed, plan.Length(), len(plan.Injections))
			inBubble(plan, c.String("out"), conclude)
			return errors.New("the bubble burst")
		},
	}).Run(context.Background(), args)
	if err != nil {
		fmt.Fprintln(os.Stderr, "soaksim: "+err.Error())
	}
	return status
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
func inBubble(plan soak.Plan, out string, end func(runner.Result, error) int) {
	os.Args = os.Args[:1]
	watch := watchClock()
	test := testing.InternalTest{Name: "Run", F: func(t *testing.T) {
		var result runner.Result
		var err error
		synctest.Test(t, func(*testing.T) { result, err = simulate(plan, out, watch) })
		watch.stop()
		os.Exit(end(result, err))
	}}
	testing.Main(func(string, string) (bool, error) { return true, nil }, []testing.InternalTest{test}, nil, nil)
}

// simulate is what happens in the bubble.
func simulate(plan soak.Plan, out string, watch *clockWatch) (runner.Result, error) {
	time.Sleep(time.Until(epoch))
	ticking, stop := context.WithCancel(context.Background())
	ticked := make(chan struct{})
	go func() {
		defer close(ticked)
		watch.tick(ticking)
	}()
	defer func() { stop(); <-ticked }()

	network := memnet.New()
	network.SetLatency(latency)
	began, shown := time.Now(), 0
	return runner.Run(context.Background(), plan, runner.Options{
		Out:     out,
		Virtual: &testbed.Virtual{Network: network, Subject: subject},
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

// subject is the streamer's core as its command would start it.
func subject(ctx context.Context, stop <-chan struct{}, place testbed.Place) error {
	config, err := configure(place.Settings)
	if err != nil {
		return err
	}
	config.Dial, config.Listener = place.Dial, place.Listener
	config.Log = slog.New(slog.NewJSONHandler(place.Log, nil))
	return streamer.Run(ctx, stop, config)
}
