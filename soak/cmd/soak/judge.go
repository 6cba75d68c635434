package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"

	"github.com/urfave/cli/v3"

	"steadfeed/reports"
	"steadfeed/soak"
	"steadfeed/soak/internal/rounds"
	"steadfeed/soak/internal/runner"
)

func judgeCommand() *cli.Command {
	return &cli.Command{
		Name:      "judge",
		Usage:     "judge a run again from its evidence, and write its report",
		ArgsUsage: "RUN",
		Flags:     []cli.Flag{criteriaFlag()},
		Action: func(_ context.Context, command *cli.Command) error {
			run, err := openRun(command)
			if err != nil {
				return err
			}
			criteria, err := criteriaOf(command)
			if err != nil {
				return err
			}
			if criteria == "" {
				criteria = run.Plan().Criteria
			}
			verdict, err := runner.JudgeBy(run, criteria)
			if err != nil {
				return broken(err)
			}
			if err := reports.Write(run); err != nil {
				return broken(err)
			}
			printVerdict(command.Root().Writer, run, verdict)
			if verdict.Outcome == soak.Pass {
				return nil
			}
			return &ending{status: verdict.Outcome.ExitStatus()}
		},
	}
}

func reportCommand() *cli.Command {
	return &cli.Command{
		Name:      "report",
		Usage:     "write the report of a run again",
		ArgsUsage: "RUN",
		Action: func(_ context.Context, command *cli.Command) error {
			run, err := openRun(command)
			if err != nil {
				return err
			}
			if err := reports.Write(run); err != nil {
				return broken(err)
			}
			fmt.Fprintln(command.Root().Writer, shorten(reportPath(run)))
			return nil
		},
	}
}

func openRun(command *cli.Command) (*soak.Run, error) {
	path, err := oneArgument(command, "a run directory, such as runs/latest")
	if err != nil {
		return nil, err
	}
	run, err := soak.Open(path)
	if err != nil {
		return nil, &ending{soak.ExitUsage, err}
	}
	return run, nil
}

func plansCommand() *cli.Command {
	return &cli.Command{
		Name:      "plans",
		Usage:     "list the plans, or print one",
		ArgsUsage: "[NAME]",
		Flags:     append(planFlags(), &cli.BoolFlag{Name: "json", Usage: "print the plan of a name, complete"}),
		Action: func(_ context.Context, command *cli.Command) error {
			stdout := command.Root().Writer
			if !command.Bool("json") {
				if command.Args().Present() {
					return usage("soak plans lists all plans; soak plans -json %s prints one", command.Args().First())
				}
				for _, plan := range runner.Plans() {
					fmt.Fprintf(stdout, "%-8s %8s  %s\n", plan.Name, plan.Length(), plan.About)
				}
				return nil
			}
			name, err := oneArgument(command, "the name of a plan with -json")
			if err != nil {
				return err
			}
			plan, err := draftPlan(name, command)
			if err != nil {
				return err
			}
			text, err := json.MarshalIndent(plan, "", "  ")
			if err != nil {
				return broken(err)
			}
			_, err = fmt.Fprintf(stdout, "%s\n", text)
			return err
		},
	}
}

func validateCommand() *cli.Command {
	return &cli.Command{
		Name:      "validate",
		Usage:     "check that a run directory can be judged, or that a plan can be run",
		ArgsUsage: "RUN|PLAN",
		Flags:     planFlags(),
		Action: func(_ context.Context, command *cli.Command) error {
			what, err := oneArgument(command, "a run directory or the name of a plan")
			if err != nil {
				return err
			}
			stdout := command.Root().Writer
			if _, err := os.Stat(what); errors.Is(err, fs.ErrNotExist) {
				plan, err := draftPlan(what, command)
				if err != nil {
					return err
				}
				fmt.Fprintf(stdout, "plan %s with seed %d is sound: %s, %d injections\n", plan.Name, plan.Seed, plan.Length(), len(plan.Injections))
				return nil
			}
			run, err := soak.Open(what)
			if err != nil {
				return &ending{soak.ExitUsage, err}
			}
			contents, err := readAll(run)
			if err != nil {
				return &ending{soak.ExitFail, err}
			}
			fmt.Fprintf(stdout, "run %s is sound: %s\n", run.ID(), contents)
			return nil
		},
	}
}

// readAll reads every file of a run directory that a verdict rests on and
// counts what is in them.
func readAll(run *soak.Run) (string, error) {
	plan, validate := run.Plan(), runner.Validate
	if plan.InRounds() {
		validate = rounds.Validate
	}
	if err := validate(plan); err != nil {
		return "", err
	}
	var events, samples int
	for _, err := range run.Events() {
		if err != nil {
			return "", err
		}
		events++
	}
	for _, err := range run.Samples() {
		if err != nil {
			return "", err
		}
		samples++
	}
	ledger, err := run.ReadLedger()
	if err != nil {
		return "", err
	}
	verdict, err := run.ReadVerdict()
	if err != nil {
		return "", err
	}
	return fmt.Sprintf("%d events, %d samples, %d symbols in the ledger, verdict %s", events, samples, len(ledger.Accounts), verdict.Outcome), nil
}
