package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"text/tabwriter"
	"time"

	"github.com/urfave/cli/v3"

	"steadfeed/soak"
	"steadfeed/soak/internal/runner"
)

func faultsCommand() *cli.Command {
	return &cli.Command{
		Name:  "faults",
		Usage: "the streamer under each fault of the exchange, one by one, in virtual time: a table",
		Description: "Each fault has a run of its own, audited as every run: the streamer's core, the exchange, Kafka and the registry in one\n" +
			"process (" + simulator + "). Good is: every trade that anybody could have is there once, in order and unaltered, and the ids of\n" +
			"every other are declared lost in the streamer's log, no more and no less. Exit status 1 when one is not good.",
		ArgsUsage: " ",
		Flags: []cli.Flag{
			&cli.StringFlag{Name: "only", Usage: "those whose name contains this"},
			&cli.Uint64Flag{Name: "seed", HideDefault: true, Usage: "of traffic and faults; the same seed repeats them (default: drawn by lot and printed)"},
			&cli.StringFlag{Name: "out", Value: "runs", Usage: "directory in which the run directories are made"},
		},
		Action: func(ctx context.Context, command *cli.Command) error {
			if command.Args().Present() {
				return usage("unexpected argument %q", command.Args().First())
			}
			seed := seedOf(command)
			return tabulateFaults(ctx, []string{"-faults", "-only", command.String("only"), "-seed", fmt.Sprint(seed), "-out", command.String("out")},
				seed, command.Root().Writer)
		},
	}
}

// tabulateFaults has the simulator do the faults, shows each as it is done, and
// prints the table.
func tabulateFaults(ctx context.Context, args []string, seed uint64, stdout io.Writer) error {
	program, err := beside(simulator)
	if err != nil {
		return broken(err)
	}
	child := exec.CommandContext(ctx, program, args...)
	child.Stderr = os.Stderr
	dirs, err := child.StdoutPipe()
	if err != nil {
		return broken(err)
	}
	if err := child.Start(); err != nil {
		return broken(fmt.Errorf("run %s: %w", program, err))
	}
	began := time.Now()
	var rows []runner.Single
	var problems []error
	for lines := bufio.NewScanner(dirs); lines.Scan(); {
		row, err := readSingle(lines.Text())
		if err != nil {
			problems = append(problems, err)
			continue
		}
		rows = append(rows, row)
		fmt.Fprintf(os.Stderr, "%-40s %s\n", row.Case, row.Evidence)
	}
	problems = append(problems, child.Wait())
	bad := printFaults(stdout, rows)
	fmt.Fprintf(stdout, "\n%d faults, seed %d, %s; %d not good\n", len(rows), seed, time.Since(began).Round(time.Second), bad)
	switch err := errors.Join(problems...); {
	case err != nil:
		return broken(err)
	case len(rows) == 0:
		return usage("no fault has that in its name")
	case bad > 0:
		return &ending{status: soak.ExitFail}
	}
	return nil
}

func readSingle(dir string) (runner.Single, error) {
	run, err := soak.Open(dir)
	if err != nil {
		return runner.Single{}, err
	}
	defer run.Close()
	return runner.ReadSingle(run)
}

// printFaults prints the table and returns how many are not good.
func printFaults(out io.Writer, rows []runner.Single) (bad int) {
	table := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(table, "fault\tdetected after\tby\tlongest pause\trepaired after its end\ttrades\tlost\tdeclared\tduplicate\tdisordered\taltered\t")
	for _, s := range rows {
		detected, repaired, remark := "-", s.Repaired.String(), ""
		if s.Detected >= 0 {
			detected = s.Detected.Round(time.Millisecond).String()
		}
		if !s.CaughtUp {
			repaired = "never"
		}
		if !s.Good() {
			bad++
			remark = "NOT GOOD: " + why(s)
		}
		fmt.Fprintf(table, "%s\t%s\t%s\t%s\t%s\t%d\t%d\t%d\t%d\t%d\t%d\t%s\n", s.Case, detected, s.By, s.Pause, repaired,
			s.Published, s.Lost, s.Declared, s.Duplicate, s.Disordered, s.Altered, remark)
	}
	table.Flush()
	return bad
}

func why(s runner.Single) string {
	switch {
	case s.Trouble != "":
		return s.Trouble
	case !s.Proven:
		return "not proven: " + s.Evidence
	case s.Lost != s.Declared:
		return "what is lost and what is declared lost are not the same"
	case s.Avoidable && s.Lost > 0:
		return "lost, though REST has them"
	case !s.CaughtUp:
		return "trades did not become fresh again"
	default:
		return "broken guarantees"
	}
}
