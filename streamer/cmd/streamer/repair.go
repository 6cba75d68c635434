package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/urfave/cli/v3"

	"steadfeed/streamer"
)

// repairCommand is `streamer repair`. It takes the streamer's own flags too;
// log makes the logger that they ask for.
func repairCommand(c *streamer.Config, status *int, log func() (*slog.Logger, error)) *cli.Command {
	o := streamer.MendOptions{MaxHoles: streamer.MaxHoles}
	var since string
	return &cli.Command{
		Name:            "repair",
		Usage:           "fill holes of any age, from the exchange's history into the topic <topic>.repaired",
		HideHelpCommand: true,
		Description: "Reads the topic and what was repaired before, and says one line about each hole. Only -symbols are looked at.\n" +
			"It may run beside the streamer; -rest-weight-budget is " + fmt.Sprint(streamer.MendBudget) + " here unless set.\n" +
			"Exit status: 0 nothing is missing any more, 1 something is or it could not be found out, 64 a flag is wrong.",
		Flags: []cli.Flag{
			&cli.StringFlag{Name: "since", Usage: "look at records written since then: a time such as 2026-01-31T00:00:00Z, or a duration such as 48h", Destination: &since},
			&cli.IntFlag{Name: "max-holes", Usage: "holes to keep in mind, 1 to 1000000", Value: o.MaxHoles, Destination: &o.MaxHoles},
			&cli.BoolFlag{Name: "dry-run", Usage: "list the holes and fill none", Destination: &o.DryRun},
		},
		OnUsageError: func(_ context.Context, _ *cli.Command, err error, _ bool) error { return err },
		Action: func(ctx context.Context, cmd *cli.Command) error {
			var err error
			if o.Since, err = moment(since, time.Now()); err != nil {
				return err
			}
			if o.MaxHoles < 1 || o.MaxHoles > 1_000_000 {
				return fmt.Errorf("-max-holes %d: must be from 1 to 1000000", o.MaxHoles)
			}
			if !cmd.IsSet("rest-weight-budget") {
				c.RESTBudget = streamer.MendBudget
			}
			if err := settled(c, cmd); err != nil {
				return err
			}
			if c.Log, err = log(); err != nil {
				return err
			}
			ctx, stop := signal.NotifyContext(ctx, syscall.SIGTERM, syscall.SIGINT)
			defer stop()
			whole, err := streamer.Mend(ctx, *c, o, os.Stdout)
			if err == nil && !whole {
				err = errors.New("some trades are still missing")
			}
			if err != nil {
				*status = exitFailed
			}
			return err
		},
	}
}

// moment reads a time, or how long ago it was; nothing is the zero time.
func moment(text string, now time.Time) (time.Time, error) {
	if text == "" {
		return time.Time{}, nil
	}
	if ago, err := time.ParseDuration(text); err == nil && ago > 0 {
		return now.Add(-ago), nil
	}
	at, err := time.Parse(time.RFC3339, text)
	if err != nil || at.After(now) {
		return time.Time{}, fmt.Errorf("-since %q: must be a time in the past such as 2026-01-31T00:00:00Z, or a duration such as 48h", text)
	}
	return at, nil
}
