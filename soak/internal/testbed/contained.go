package testbed

import (
	"context"
	"fmt"
	"os"
	"time"

	"steadfeed/soak/internal/testbed/stack"
)

// Contained is a subject in a container of the stack.
type Contained struct {
	*stack.Container
	logPath string
}

var _ Process = (*Contained)(nil)

// Reading implements Process: what the container's control group says. It
// keeps no account of descriptors and of virtual memory.
func (c *Contained) Reading(ctx context.Context) (Reading, error) {
	usage, err := c.Usage(ctx)
	if err != nil {
		return Reading{}, err
	}
	return Reading{RSSBytes: usage.ResidentBytes, CPUSeconds: usage.CPUSeconds, Threads: usage.Threads}, nil
}

// Terminate implements Process.
func (c *Contained) Terminate(within time.Duration) Exit {
	err := c.Stop(within)
	select {
	case <-c.Exited():
	default:
		return Exit{Code: -1, Text: fmt.Sprintf("not seen to end: %v", err), Forced: true}
	}
	exit := c.Exit()
	exit.Forced = exit.Code == killedStatus
	c.saveLog()
	return exit
}

// Kill implements Process.
func (c *Contained) Kill() {
	_ = c.Container.Kill() // what is left is removed with the stack
	c.saveLog()
}

// killedStatus is the exit status of a container that SIGKILL ended.
const killedStatus = 128 + 9

// Exit implements Process.
func (c *Contained) Exit() Exit {
	code, err := c.Code()
	switch {
	case err != nil:
		return Exit{Code: -1, Text: "lost sight of: " + err.Error()}
	case code == killedStatus:
		return Exit{Code: code, Text: "signal: killed (by the harness, or for want of memory)"}
	default:
		return Exit{Code: code, Text: fmt.Sprintf("exit status %d", code)}
	}
}

// Tail implements Process.
func (c *Contained) Tail() []string { return c.Container.Tail(tailLines) }

// saveLog keeps what the container printed, since removing it takes that away.
// A run can live without.
func (c *Contained) saveLog() {
	f, err := os.Create(c.logPath)
	if err != nil {
		return
	}
	defer f.Close()
	if err := c.WriteLog(f); err != nil {
		fmt.Fprintln(f, err)
	}
}
