package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/signal"
	"path/filepath"
	"slices"
	"strings"
	"syscall"

	"github.com/urfave/cli/v3"

	"steadfeed/reports"
	"steadfeed/soak"
	"steadfeed/soak/internal/runner"
	"steadfeed/soak/internal/testbed"
)

// drawnSeeds bounds a seed that nobody chose: short enough to be typed again.
const drawnSeeds = 1_000_000

// seedOf is the seed that was asked for, or one by lot.
func seedOf(command *cli.Command) uint64 {
	if command.IsSet("seed") {
		return command.Uint64("seed")
	}
	return rand.Uint64N(drawnSeeds)
}

// planFlags are what run, plans -json and validate let one choose.
func planFlags() []cli.Flag {
	return []cli.Flag{
		&cli.Uint64Flag{Name: "seed", HideDefault: true, Usage: "of traffic and faults; the same seed repeats them (default: drawn by lot and printed)"},
		&cli.StringFlag{Name: "subject", Usage: "command line of the streamer under test, separated by spaces (default: the streamer beside this program); for a plan with containers its image and arguments (default: steadfeed/streamer:dev)"},
		&cli.StringFlag{Name: "capture", Usage: "replay the trades of this file in place of synthetic ones"},
		&cli.FloatFlag{Name: "speed", Value: 1, Usage: "of the replay: 1 is as recorded"},
		&cli.IntFlag{Name: "scale", Usage: "compress the timetable of rotations and injections of a long plan so many times (default: not)", HideDefault: true},
		&cli.StringFlag{Name: "kafka-image", Usage: "of a plan with containers (default: " + testbed.KafkaImage + ")", HideDefault: true, Sources: cli.EnvVars("KAFKA_IMAGE")},
		&cli.StringFlag{Name: "registry-image", Usage: "of a plan with containers (default: ours, in memory)", HideDefault: true, Sources: cli.EnvVars("REGISTRY_IMAGE")},
		&cli.IntFlag{Name: "brokers", Usage: "of Kafka, in a plan with containers: 1 or 3 (default: 1)", HideDefault: true},
		&cli.StringFlag{Name: "project", Usage: "name of the compose project of a plan with containers, so that runs stand side by side (default: steadfeed-soak)", HideDefault: true},
		&cli.StringFlag{Name: "prometheus-image", Value: testbed.PrometheusImage, Usage: "of a plan with containers: it watches for alerts; \"" + noPrometheus + "\": none does", Sources: cli.EnvVars("PROMETHEUS_IMAGE")},
		&cli.FloatFlag{Name: "rate", Value: -1, HideDefault: true, Usage: "synthetic trades per second and symbol (default: the plan's)"},
		criteriaFlag(),
	}
}

func criteriaFlag() cli.Flag {
	return &cli.StringFlag{Name: "criteria", HideDefault: true, Usage: "judge by the plan's limits (" + soak.CriteriaSeed + ", the default), or by what a Go process should hold of memory (" + soak.CriteriaStrict + "); what the other set says is printed too"}
}

// criteriaOf is the set of criteria that was asked for, empty when none was.
func criteriaOf(command *cli.Command) (string, error) {
	criteria := command.String("criteria")
	if criteria != "" && !slices.Contains(soak.Criteria, criteria) {
		return "", usage("-criteria %s: there is %s", criteria, strings.Join(soak.Criteria, ", "))
	}
	return criteria, nil
}

func runCommand() *cli.Command {
	return &cli.Command{
		Name:      "run",
		Usage:     "do what a plan says, judge it, and leave a run directory",
		ArgsUsage: "PLAN",
		Flags: append(planFlags(),
			&cli.StringFlag{Name: "out", Value: "runs", Usage: "directory in which the run directory is made"}),
		Action: func(ctx context.Context, command *cli.Command) error {
			name, err := oneArgument(command, "the name of a plan")
			if err != nil {
				return err
			}
			plan, err := choosePlan(ctx, name, command)
			if err != nil {
				return err
			}
			return runPlan(ctx, plan, command.String("out"), command.Root().Writer)
		},
	}
}

// choosePlan makes the plan that the flags ask for. The subject is looked for
// here, before anything is started or written.
func choosePlan(ctx context.Context, name string, command *cli.Command) (soak.Plan, error) {
	plan, err := draftPlan(name, command)
	if err != nil {
		return soak.Plan{}, err
	}
	if plan.Virtual {
		return soak.Plan{}, usage("plan %s runs in virtual time: soak sim -plan %[1]s", plan.Name)
	}
	if plan.Containers != nil {
		if err := withoutReaper(); err != nil {
			return soak.Plan{}, err
		}
		// Without Prometheus a run claims nothing of alerts, and all else. Whether
		// there are the other images is the engine's to say.
		if image := plan.Containers.PrometheusImage; image != "" {
			if err := testbed.HaveImage(ctx, image); err != nil {
				runner.WithoutPrometheus(&plan, "no Prometheus runs: "+err.Error())
			}
		}
		return plan, nil
	}
	if _, err := testbed.FindProgram(plan.Subject.Command); err != nil {
		return soak.Plan{}, broken(err)
	}
	return plan, nil
}

// noPrometheus is the word for -prometheus-image that wants none.
const noPrometheus = "none"

// withoutReaper keeps the container library from starting a container of its
// own that removes ours: what this program starts it finds again by label and
// name, and needs nobody for that.
func withoutReaper() error {
	if err := os.Setenv("TESTCONTAINERS_RYUK_DISABLED", "true"); err != nil {
		return broken(err)
	}
	return nil
}

func draftPlan(name string, command *cli.Command) (soak.Plan, error) {
	seed := seedOf(command)
	if command.IsSet("rate") && command.Float("rate") < 0 {
		return soak.Plan{}, usage("-rate %g: it must not be negative", command.Float("rate"))
	}
	if command.Float("speed") <= 0 {
		return soak.Plan{}, usage("-speed %g: it must be positive", command.Float("speed"))
	}
	if command.IsSet("rate") && command.IsSet("capture") {
		return soak.Plan{}, usage("-rate is for synthetic trades, -capture has its own rate: choose one, or set -speed")
	}
	criteria, err := criteriaOf(command)
	if err != nil {
		return soak.Plan{}, err
	}
	subject := strings.Fields(command.String("subject"))
	switch {
	case len(subject) > 0:
	case runner.InContainers(name):
		subject = []string{streamerImage}
	default:
		subject = []string{defaultSubject()}
	}
	prometheus := command.String("prometheus-image")
	if prometheus == noPrometheus {
		prometheus = ""
	}
	plan, err := runner.NewPlan(name, runner.Choices{
		Seed:     seed,
		Subject:  subject,
		Name:     subjectName(subject[0]),
		Capture:  command.String("capture"),
		Speed:    command.Float("speed"),
		Rate:     command.Float("rate"),
		Scale:    command.Int("scale"),
		Criteria: criteria,

		KafkaImage: command.String("kafka-image"), RegistryImage: command.String("registry-image"),
		Brokers: command.Int("brokers"), Project: command.String("project"),
		PrometheusImage: prometheus,
	})
	if err != nil {
		return soak.Plan{}, &ending{soak.ExitUsage, err}
	}
	return plan, nil
}

// subjectName is what samples and files call a program, or an image without
// its registry and tag.
func subjectName(subject string) string {
	name, _, _ := strings.Cut(filepath.Base(subject), ":")
	return strings.TrimSuffix(name, ".exe")
}

// streamerImage is what make images builds.
const streamerImage = "steadfeed/streamer:dev"

// defaultSubject is the streamer that was built beside this program, or else
// where the Makefile puts it.
func defaultSubject() string {
	if path, err := beside("streamer"); err == nil {
		return path
	}
	return filepath.Join("bin", "streamer") // what is looked for will be said to be missing
}

// runPlan runs and judges a plan, writes the report, and says how it ended.
func runPlan(ctx context.Context, plan soak.Plan, out string, stdout io.Writer) error {
	ctx, hard, stop := interrupts(ctx)
	defer stop()
	show := newDisplay(stdout)
	show.begin(plan)
	result, err := runner.Run(ctx, plan, runner.Options{Out: out, Hard: hard, OnEvent: show.event, OnProgress: show.progress})
	show.end()
	if err != nil {
		return broken(err)
	}
	reportErr := reports.Write(result.Run)
	conclude(stdout, result)
	switch {
	case result.Course.Interrupted:
		return &ending{status: soak.ExitInterrupted}
	case result.Course.Trouble != "":
		return broken(errors.New(result.Course.Trouble))
	case reportErr != nil:
		return broken(fmt.Errorf("write the report: %w", reportErr))
	case result.Verdict.Outcome == soak.Pass:
		return nil
	default:
		return &ending{status: result.Verdict.Outcome.ExitStatus()}
	}
}

// interrupts gives two contexts: the first signal ends soft, and the run ends
// early with a verdict; the second ends hard, and it ends at once; the third
// does what the system does.
func interrupts(ctx context.Context) (soft, hard context.Context, stop func()) {
	hard, endHard := context.WithCancel(ctx)
	soft, endSoft := context.WithCancel(hard)
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM)
	done := make(chan struct{})
	go func() {
		defer close(done)
		for _, end := range []context.CancelFunc{endSoft, endHard} {
			if _, signalled := <-signals; !signalled {
				return
			}
			end()
		}
		signal.Stop(signals)
	}()
	return soft, hard, func() {
		signal.Stop(signals)
		close(signals)
		<-done
		endSoft()
		endHard()
	}
}
