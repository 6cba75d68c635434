package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/signal"
	"syscall"

	"github.com/urfave/cli/v3"
	"golang.org/x/sync/errgroup"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, stop) // the second signal ends at once
	command := &cli.Command{
		Name:      "canary",
		Usage:     "a small streamer that is wrong on purpose, to test the soak harness",
		ArgsUsage: "[" + flawList() + "]",
		Flags: []cli.Flag{
			&cli.Int64Flag{Name: "at", Value: 2000, Usage: "which trade the flaw touches, counted from the start over all symbols"},
			&cli.FloatFlag{Name: "per-hour", Value: 10, Usage: "`MB` that leak and leak-offheap retain in an hour"},
			&cli.IntFlag{Name: "most", Value: hoardMB, Usage: "`MB` after which no leak retains any more"},
			&cli.IntFlag{Name: "patience", Value: 10, Usage: "how many reconnects gives-up makes"},
			&cli.IntFlag{Name: "per-reconnect", Value: 256, Usage: "`KiB` that leak-per-reconnect retains each time"},
		},
		Action: run,
	}
	if err := command.Run(ctx, os.Args); err != nil {
		fmt.Fprintln(os.Stderr, "canary:", err)
		os.Exit(1)
	}
}

// run carries trades until a signal, then drains.
func run(ctx context.Context, command *cli.Command) error {
	if command.Args().Len() > 1 {
		return fmt.Errorf("one flaw at most, given %d", command.Args().Len())
	}
	kind, err := parseFlaw(command.Args().First())
	if err != nil {
		return err
	}
	settings, err := readSettings()
	if err != nil {
		return err
	}
	log := slog.New(slog.NewJSONHandler(os.Stdout, nil))
	figures := newFigures()
	topic, err := openTopic(ctx, kind, settings, figures)
	if err != nil {
		return err
	}
	defer topic.close()
	next, err := topic.resume(ctx)
	if err != nil {
		return err
	}
	flaw := newFlaw(kind, command.Int64("at"), log, topic.produce)
	feed, err := newFeed(kind, settings, figures, log, next, flaw.pass)
	if err != nil {
		return err
	}
	if !(command.Float("per-hour") >= 0) || command.Int("per-reconnect") < 0 {
		return fmt.Errorf("-per-hour %g, -per-reconnect %d: neither may be negative", command.Float("per-hour"), command.Int("per-reconnect"))
	}
	if most := command.Int("most"); most < 0 || most > hoardMB {
		return fmt.Errorf("-most %d: 0 to %d is possible", most, hoardMB)
	}
	feed.patience = command.Int("patience")
	feed.hoard = &hoard{ctx: ctx, kind: kind, perHour: command.Float("per-hour") * megabyte, perTime: command.Int("per-reconnect") * kibibyte, most: command.Int("most") * megabyte}
	log.Info("canary sings", "flaw", kind, "at", command.Int64("at"), "symbols", settings.symbols, "resumes", next)

	group, ctx := errgroup.WithContext(ctx)
	group.Go(func() error { return serve(ctx, settings.http, figures) })
	group.Go(func() error { return topic.watch(ctx) })
	group.Go(func() error { return feed.hoard.run(ctx) })
	group.Go(func() error { return feed.run(ctx) })
	switch err := group.Wait(); {
	case errors.Is(err, errReplaced):
		log.Info("ends: another copy writes now")
		return nil
	case err != nil:
		return err
	}
	flaw.flush()
	log.Info("drains", "within", settings.drainTimeout)
	return topic.drain(settings.drainTimeout)
}
