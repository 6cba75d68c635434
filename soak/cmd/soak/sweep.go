package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"sync"

	"github.com/urfave/cli/v3"

	"steadfeed/soak"
)

func sweepCommand() *cli.Command {
	return &cli.Command{
		Name:  "sweep",
		Usage: "two minutes in virtual time, once for each write of the streamer: it dies before it or after it, the answer is late, the connection is cut",
		Description: "Random kills miss the moments that last a millisecond; here each has its turn. What fails is written to a file that\n" +
			"`soak sim -schedule FILE` runs again.",
		ArgsUsage: " ",
		Flags: []cli.Flag{
			&cli.Uint64Flag{Name: "seed", HideDefault: true, Usage: "of traffic and of the share (default: drawn by lot and printed)"},
			&cli.FloatFlag{Name: "share", Value: 1, Usage: "run only this share of all, by lot"},
			&cli.IntFlag{Name: "at-once", Value: 2, Usage: "parts side by side; each keeps one core busy"},
			&cli.StringFlag{Name: "out", Value: "runs", Usage: "directory for the schedules of what fails"},
		},
		Action: func(ctx context.Context, command *cli.Command) error {
			parts, share := command.Int("at-once"), command.Float("share")
			switch {
			case command.Args().Present():
				return usage("unexpected argument %q", command.Args().First())
			case parts < 1 || parts > 64:
				return usage("-at-once %d: 1 to 64", parts)
			case share <= 0 || share > 1:
				return usage("-share %g: above 0, at most 1", share)
			}
			seed := seedOf(command)
			return sweep(ctx, parts, share, seed, command.String("out"))
		},
	}
}

// sweep runs the parts of a sweep and ends as the worst of them.
func sweep(ctx context.Context, parts int, share float64, seed uint64, out string) error {
	program, err := beside(simulator)
	if err != nil {
		return broken(err)
	}
	ctx, _, stop := interrupts(ctx)
	defer stop()
	statuses := make([]int, parts)
	var running sync.WaitGroup
	for part := range parts {
		running.Go(func() {
			child := exec.CommandContext(ctx, program, "-plan", "sweep", "-sweep", "-seed", fmt.Sprint(seed), "-share", fmt.Sprint(share),
				"-part", fmt.Sprint(part), "-parts", fmt.Sprint(parts), "-out", out)
			child.Stdout, child.Stderr = os.Stdout, os.Stderr
			var exit *exec.ExitError
			switch err := child.Run(); {
			case errors.As(err, &exit):
				statuses[part] = exit.ExitCode()
			case err != nil:
				statuses[part] = soak.ExitBroken
			}
		})
	}
	running.Wait()
	switch {
	case ctx.Err() != nil:
		return &ending{status: soak.ExitInterrupted}
	default:
		for _, status := range statuses {
			if status != soak.ExitPass && status != soak.ExitFail {
				return broken(fmt.Errorf("a part of the sweep ended with status %d", status))
			}
		}
		for _, status := range statuses {
			if status == soak.ExitFail {
				return &ending{status: soak.ExitFail}
			}
		}
		return nil
	}
}
