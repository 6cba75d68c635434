package main

import (
	"context"
	"fmt"
	"text/tabwriter"

	"github.com/urfave/cli/v3"

	"steadfeed/fakebinance"
)

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
			return table.Flush()
		},
	}
}
