package main

import (
	"os"
	"strings"
	"testing"

	"github.com/urfave/cli/v3"
)

// The manual names every flag of the command and of its subcommands.
func TestReadmeNamesEveryFlag(t *testing.T) {
	manual, err := os.ReadFile("../../README.md")
	if err != nil {
		t.Fatal(err)
	}
	var look func(c *cli.Command)
	look = func(c *cli.Command) {
		for _, flag := range c.Flags {
			switch name := flag.Names()[0]; name {
			case "help", "version":
			default:
				if !strings.Contains(string(manual), "`-"+name+"`") && !strings.Contains(string(manual), "streamer "+c.Name+" -"+name) {
					t.Errorf("README.md does not name `-%s` of %s", name, c.Name)
				}
			}
		}
		for _, sub := range c.Commands {
			look(sub)
		}
	}
	var status int
	look(command(&status))
}
