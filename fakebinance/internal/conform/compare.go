package conform

import (
	"context"
	"fmt"
	"io"
	"text/tabwriter"
)

// Compared is a rule as the fake and an endpoint gave it.
type Compared struct {
	Case
	Fake, Endpoint string
}

// Same tells that both gave the same.
func (c Compared) Same() bool { return c.Fake == c.Endpoint }

// Compare runs the harmless rules against both, one after the other, and has
// each told as soon as it is known. What could not be asked is an observation
// too, such as "error: dial ...". It ends early with ctx.
func Compare(ctx context.Context, fake, other *Endpoint, tell func(Compared)) error {
	observe := func(c Case, e *Endpoint) string {
		ctx, cancel := context.WithTimeout(ctx, 3*e.Patience)
		defer cancel()
		seen, err := c.Probe(ctx, e)
		if err != nil {
			return "error: " + err.Error()
		}
		return seen
	}
	for _, c := range Cases() {
		if c.Probe == nil {
			continue
		}
		if err := ctx.Err(); err != nil {
			return err
		}
		tell(Compared{c, observe(c, fake), observe(c, other)})
	}
	return nil
}

// Print compares and prints a line for each rule, and below it what differs.
// It returns how many rules were asked, and how many differ.
func Print(ctx context.Context, fake, other *Endpoint, w io.Writer) (asked, differ int, err error) {
	table := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	err = Compare(ctx, fake, other, func(c Compared) {
		asked++
		verdict := "same"
		if !c.Same() {
			verdict = "DIFFERENT"
			differ++
		}
		fmt.Fprintf(table, "%s\t§%s\t%s\t%s\t%s\n", verdict, c.Section, c.Basis, c.Name, c.Rule)
		if !c.Same() {
			_ = table.Flush() // the report's own writer says what fails
			fmt.Fprintf(w, "    fake      %s\n    endpoint  %s\n", c.Fake, c.Endpoint)
		}
	})
	if flushErr := table.Flush(); err == nil {
		err = flushErr
	}
	return asked, differ, err
}
