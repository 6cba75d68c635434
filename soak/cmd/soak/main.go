package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/urfave/cli/v3"

	"steadfeed/soak"
)

func main() {
	os.Exit(run(context.Background(), os.Args, os.Stdout, os.Stderr))
}

// run is the command with its exit status. What goes wrong is one sentence on
// stderr.
func run(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	err := newCommand(stdout, stderr).Run(ctx, args)
	if err == nil {
		return soak.ExitPass
	}
	var ended *ending
	if !errors.As(err, &ended) {
		ended = broken(err)
	}
	if ended.err != nil {
		fmt.Fprintln(stderr, "soak:", ended.err)
	}
	return ended.status
}

// ending is an exit status, with the sentence that explains it unless it has
// been said already.
type ending struct {
	status int
	err    error
}

func (e *ending) Error() string {
	if e.err == nil {
		return fmt.Sprintf("exit status %d", e.status)
	}
	return e.err.Error()
}

func broken(err error) *ending { return &ending{soak.ExitBroken, err} }
func usage(format string, a ...any) *ending {
	return &ending{soak.ExitUsage, fmt.Errorf(format, a...)}
}

func newCommand(stdout, stderr io.Writer) *cli.Command {
	root := &cli.Command{
		Name:  "soak",
		Usage: "run a streamer against a fake exchange for a while, with trouble, and judge it",
		Description: "Exit statuses: 0 pass, 1 fail, 3 inconclusive, 4 the harness could not do its work,\n" +
			"64 wrong usage, 130 interrupted.",
		Commands: []*cli.Command{
			runCommand(), simCommand(), fuzzSimCommand(), sweepCommand(), roundsCommand(), deployCommand(), auditCommand(), judgeCommand(), reportCommand(), plansCommand(), validateCommand(), canariesCommand(),
			benchCommand(), benchExchangeCommand(), benchBackendCommand(), benchAuditCommand(), benchTopicCommand(),
		},
		Action: func(_ context.Context, command *cli.Command) error {
			if name := command.Args().First(); name != "" {
				return usage("unknown command %q: soak help lists them", name)
			}
			return cli.ShowAppHelp(command)
		},
		Writer:    stdout,
		ErrWriter: stderr,
		// Errors are said and turned into a status in one place, run.
		ExitErrHandler: func(context.Context, *cli.Command, error) {},
	}
	for _, command := range append([]*cli.Command{root}, root.Commands...) {
		command.OnUsageError = func(_ context.Context, _ *cli.Command, err error, _ bool) error {
			return usage("%s", strings.ReplaceAll(err.Error(), "\n", " "))
		}
	}
	return root
}

// oneArgument returns the only argument of a command.
func oneArgument(command *cli.Command, what string) (string, error) {
	switch args := command.Args(); args.Len() {
	case 0:
		return "", usage("soak %s needs %s", command.Name, what)
	case 1:
		return args.First(), nil
	default:
		return "", usage("soak %s takes %s and nothing else, given %q as well", command.Name, what, args.Get(1))
	}
}
