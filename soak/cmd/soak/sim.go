package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"github.com/urfave/cli/v3"

	"steadfeed/reports"
	"steadfeed/soak"
)

// simulator is the program that runs plans in virtual time, beside this one.
const simulator = "soaksim"

func simCommand() *cli.Command {
	return &cli.Command{
		Name:  "sim",
		Usage: "run a plan in virtual time: days in seconds, thirty days in minutes",
		Description: "The same as `soak run` of a plan in virtual time. The streamer's core, the exchange, Kafka, the registry and the\n" +
			"auditor are in one process, " + simulator + ", in which time jumps to the next timer. What it cannot show is in each verdict.",
		ArgsUsage: " ",
		Flags: []cli.Flag{
			&cli.StringFlag{Name: "plan", Value: "month", Usage: "day, storm, week, month or month-busy"},
			&cli.IntFlag{Name: "days", HideDefault: true, Usage: "another length than the plan's"},
			&cli.DurationFlag{Name: "for", HideDefault: true, Usage: "the same, such as 6h"},
			&cli.Uint64Flag{Name: "seed", HideDefault: true, Usage: "of traffic and faults; the same seed repeats them (default: drawn by lot and printed)"},
			&cli.StringFlag{Name: "schedule", Usage: "run exactly what this file says, the plan.json of a run or what fuzz-sim wrote"},
			&cli.StringFlag{Name: "out", Value: "runs", Usage: "directory in which the run directory is made"},
		},
		Action: func(ctx context.Context, command *cli.Command) error {
			if command.Args().Present() {
				return usage("unexpected argument %q; the plan is a flag: -plan %[1]s", command.Args().First())
			}
			args := []string{"-out", command.String("out")}
			for _, name := range []string{"plan", "for", "seed", "schedule"} {
				if command.IsSet(name) {
					args = append(args, "-"+name, fmt.Sprint(command.Value(name)))
				}
			}
			if command.IsSet("days") {
				args = append(args, "-for", (time.Duration(command.Int("days")) * 24 * time.Hour).String())
			}
			return simulate(ctx, args, command.Root().Writer)
		},
	}
}

// simulate runs the simulator, which says where its run directory is, and
// writes the report.
func simulate(ctx context.Context, args []string, stdout io.Writer) error {
	run, err := startSimulator(ctx, args, os.Stderr)
	if err != nil {
		return err
	}
	defer run.Close()
	reportErr := reports.Write(run)
	verdict, err := run.ReadVerdict()
	if err != nil {
		return broken(err)
	}
	course, err := run.ReadCourse()
	if err != nil {
		return broken(err)
	}
	printVerdict(stdout, run, verdict)
	switch {
	case course.Trouble != "":
		return broken(errors.New(course.Trouble))
	case reportErr != nil:
		return broken(fmt.Errorf("write the report: %w", reportErr))
	case verdict.Outcome == soak.Pass:
		return nil
	}
	return &ending{status: verdict.Outcome.ExitStatus()}
}

// startSimulator runs the simulator to its end and opens its run directory.
// The error has an exit status.
func startSimulator(ctx context.Context, args []string, stderr io.Writer) (*soak.Run, error) {
	program, err := beside(simulator)
	if err != nil {
		return nil, broken(err)
	}
	var printed bytes.Buffer
	child := exec.CommandContext(ctx, program, args...)
	child.Stdout, child.Stderr = &printed, stderr
	err = child.Run()
	dir := strings.TrimSpace(printed.String())
	var exit *exec.ExitError
	switch {
	case ctx.Err() != nil:
		return nil, &ending{status: soak.ExitInterrupted}
	case err != nil && !errors.As(err, &exit):
		return nil, broken(fmt.Errorf("run %s: %w", program, err))
	case dir == "" && err != nil && exit.ExitCode() == soak.ExitUsage:
		return nil, &ending{status: soak.ExitUsage} // it has said why
	case dir == "":
		return nil, broken(fmt.Errorf("%s ended without a run (%v)", simulator, err))
	}
	run, err := soak.Open(dir)
	if err != nil {
		return nil, broken(err)
	}
	return run, nil
}

// beside finds a program of this project: beside this one, or else where the
// Makefile puts it.
func beside(name string) (string, error) {
	places := []string{filepath.Join("bin", name)}
	if self, err := os.Executable(); err == nil {
		places = append([]string{filepath.Join(filepath.Dir(self), name)}, places...)
	}
	for _, place := range places {
		if _, err := os.Stat(place); err == nil {
			return place, nil
		}
	}
	return "", fmt.Errorf("there is no %s beside this program: make build", name)
}
