package main

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/urfave/cli/v3"

	"steadfeed/streamer"
)

// checkCommand is `streamer check`. It takes the streamer's own flags too.
func checkCommand(c *streamer.Config, status *int) *cli.Command {
	timeout := 30 * time.Second
	return &cli.Command{
		Name:            "check",
		Usage:           "try everything that a start needs, and say one line about each",
		HideHelpCommand: true,
		Description: "Nothing is changed: no topic created, no schema registered, no record written.\n" +
			"Exit status: 0 nothing failed, 1 something did, 64 a flag is wrong.",
		Flags: []cli.Flag{
			&cli.DurationFlag{Name: "timeout", Usage: "for all of it, 1s to 10m", Value: timeout, Destination: &timeout},
		},
		OnUsageError: func(_ context.Context, _ *cli.Command, err error, _ bool) error { return err },
		Action: func(ctx context.Context, cmd *cli.Command) error {
			if err := settled(c, cmd); err != nil {
				return err
			}
			if timeout < time.Second || timeout > 10*time.Minute {
				return fmt.Errorf("-timeout %v: must be from 1s to 10m", timeout)
			}
			ctx, stop := signal.NotifyContext(ctx, syscall.SIGTERM, syscall.SIGINT)
			defer stop()
			ctx, cancel := context.WithTimeout(ctx, timeout)
			defer cancel()
			if !streamer.Check(ctx, *c, os.Stdout) {
				*status = exitFailed
				return errors.New("the check failed")
			}
			return nil
		},
	}
}

// settled judges and completes the settings of a subcommand.
func settled(c *streamer.Config, cmd *cli.Command) error {
	if cmd.Args().Present() {
		return fmt.Errorf("unexpected argument %q", cmd.Args().First())
	}
	c.Proxy, c.Seed = http.ProxyFromEnvironment, rand.Uint64()
	return c.Validate()
}
