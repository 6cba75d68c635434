package main

import (
	"context"
	"net"
	"time"

	"github.com/urfave/cli/v3"

	"steadfeed/fakebinance"
)

// healthWithin is how long the exchange that is asked may take.
const healthWithin = 3 * time.Second

// healthCommand is what a container's health check runs: an image from scratch
// has no other program that could ask.
func healthCommand() *cli.Command {
	return &cli.Command{
		Name:      "health",
		Usage:     "ask the exchange whose control API is at that port of this machine, and exit with 0 or 1",
		ArgsUsage: " ",
		Flags:     []cli.Flag{&cli.StringFlag{Name: "control", Value: "127.0.0.1:9444", Usage: "address of its control API"}},
		Action: func(ctx context.Context, c *cli.Command) error {
			if err := noArguments(c); err != nil {
				return err
			}
			_, port, err := net.SplitHostPort(c.String("control"))
			if err != nil {
				return usage("-control %q: %v", c.String("control"), err)
			}
			ctx, cancel := context.WithTimeout(ctx, healthWithin)
			defer cancel()
			_, err = fakebinance.NewClient("http://" + net.JoinHostPort("localhost", port)).Status(ctx)
			return err
		},
	}
}
