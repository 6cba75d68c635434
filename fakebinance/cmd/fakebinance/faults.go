package main

import (
	"context"
	"fmt"
	"text/tabwriter"

	"github.com/urfave/cli/v3"

	"steadfeed/fakebinance"
)

// aims is what the list of faults ends with: how to have one.
const aims = `
Below each kind are its settings with their defaults. What a fault is aimed at:
  open                 the sessions that are open when it begins (the default)
  all                  those, and every session that opens while it lasts
  session:7            one session, by its number in /status
  stream:btcusdt@trade as all, of the sessions with that stream
  share:0.3            as all, of three sessions in ten, by lot
One of a kind acts at a time, until "for" is over or it is ended. To begin one, and to end it:
  curl localhost:9444/faults -d '{"kind":"close","target":"all","for":"30s","settings":{"code":1008}}'
  curl -X DELETE localhost:9444/faults/1
`

func faultsCommand() *cli.Command {
	return &cli.Command{
		Name:      "faults",
		Usage:     "list the kinds of fault and their settings",
		ArgsUsage: " ",
		Action: func(_ context.Context, c *cli.Command) error {
			if err := noArguments(c); err != nil {
				return err
			}
			table := tabwriter.NewWriter(c.Root().Writer, 0, 0, 2, ' ', 0)
			for _, kind := range fakebinance.Faults() {
				fmt.Fprintf(table, "%s\t%s\n", kind.Name, kind.About)
				for _, setting := range kind.Settings {
					fmt.Fprintf(table, "  %s=%s\t  %s\n", setting.Name, setting.Default, setting.About)
				}
			}
			if err := table.Flush(); err != nil {
				return err
			}
			_, err := fmt.Fprint(c.Root().Writer, aims)
			return err
		},
	}
}
