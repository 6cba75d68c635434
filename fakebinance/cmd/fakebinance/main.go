// Command fakebinance runs a fake Binance spot exchange as a process of its
// own, for clients that are not written in Go or are to be tried by hand. In a
// Go test use the package steadfeed/fakebinance itself.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"

	"github.com/urfave/cli/v3"
)

const (
	exitFailed = 1
	exitUsage  = 64
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	// After the first signal the second ends the process at once.
	context.AfterFunc(ctx, stop)
	os.Exit(run(ctx, os.Args, os.Stdout, os.Stderr))
}

// usageError is a mistake on the command line.
type usageError struct{ error }

func usage(format string, arguments ...any) error {
	return usageError{fmt.Errorf(format, arguments...)}
}

// run carries out a command line and returns the exit status. Whatever goes
// wrong is one sentence on stderr.
func run(ctx context.Context, arguments []string, stdout, stderr io.Writer) int {
	err := command(stdout, stderr).Run(ctx, arguments)
	var wrong usageError
	switch {
	case err == nil:
		return 0
	case errors.As(err, &wrong):
		fmt.Fprintf(stderr, "fakebinance: %v (try fakebinance -h)\n", err)
		return exitUsage
	default:
		fmt.Fprintf(stderr, "fakebinance: %v\n", err)
		return exitFailed
	}
}

const description = `Without a command it serves. Trades come from a synthetic market, or from a capture with -capture.
The control API, at the address of -control, begins and ends faults and tells what was published:
GET its / for all that it does. Flags may have one dash or two.

   fakebinance -rate 20 -seed 7                        streams and REST at :9443, control at :9444
   fakebinance -tls -ca-out ca.pem                     wss and https; clients trust ca.pem
   fakebinance -scenario weather.yaml                  trouble on a timetable
   fakebinance faults                                  what trouble there is, and at whom it can be aimed

   curl "localhost:9443/api/v3/historicalTrades?symbol=BTCUSDT&limit=3"
   curl localhost:9444/status
   curl localhost:9444/faults -d '{"kind":"stall","target":"all","for":"30s"}'

It ends with SIGINT or SIGTERM. Exit status: 0, 1 when something failed, 64 for a mistake on the command line.`

func command(stdout, stderr io.Writer) *cli.Command {
	serve := serveCommand(stderr)
	root := &cli.Command{
		Name:                  "fakebinance",
		Usage:                 "a Binance spot exchange for tests: WebSocket, REST and faults on command",
		ArgsUsage:             " ",
		UsageText:             "fakebinance [options]\nfakebinance COMMAND [options]",
		Description:           description,
		Flags:                 serveFlags(), // of its own, so that it shows where they stood
		Before:                flagsLast,
		Action:                serve.Action,
		Commands:              []*cli.Command{serve, healthCommand(), faultsCommand(), recordCommand(stderr), conformCommand(stdout)},
		Writer:                stdout,
		ErrWriter:             stderr,
		HideVersion:           true,
		EnableShellCompletion: false,
	}
	// Errors are reported by run, in one place and one form.
	root.ExitErrHandler = func(context.Context, *cli.Command, error) {}
	for _, c := range append(root.Commands, root) {
		c.OnUsageError = func(_ context.Context, _ *cli.Command, err error, _ bool) error { return usageError{err} }
	}
	return root
}

// flagsLast refuses flags before a command, which would be lost.
func flagsLast(ctx context.Context, c *cli.Command) (context.Context, error) {
	if c.NumFlags() > 0 && c.Args().Present() {
		return ctx, usage("flags come after the command %s", c.Args().First())
	}
	return ctx, nil
}

// noArguments refuses words that are no flags, such as a misspelt command.
func noArguments(c *cli.Command) error {
	if c.Args().Present() {
		return usage("unknown command or argument %q", c.Args().First())
	}
	return nil
}
