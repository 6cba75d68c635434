package testbed

import (
	"context"
	"fmt"
	"os"

	"github.com/shirou/gopsutil/v3/process"
)

// Reading is what the operating system says about a process.
type Reading struct {
	RSSBytes   int64
	VMSBytes   int64
	CPUSeconds float64 // user and system time since it began
	Threads    int
	OpenFiles  int
}

// Reading implements Process.
func (p *Local) Reading(ctx context.Context) (Reading, error) {
	return readProcess(ctx, p.PID())
}

// OwnReading is the reading of the harness itself.
func OwnReading(ctx context.Context) (Reading, error) {
	return readProcess(ctx, os.Getpid())
}

func readProcess(ctx context.Context, pid int) (Reading, error) {
	proc, err := process.NewProcessWithContext(ctx, int32(pid))
	if err != nil {
		return Reading{}, fmt.Errorf("look at process %d: %w", pid, err)
	}
	memory, err := proc.MemoryInfoWithContext(ctx)
	if err != nil {
		return Reading{}, fmt.Errorf("read memory of process %d: %w", pid, err)
	}
	cpu, err := proc.TimesWithContext(ctx)
	if err != nil {
		return Reading{}, fmt.Errorf("read CPU time of process %d: %w", pid, err)
	}
	reading := Reading{
		RSSBytes:   int64(memory.RSS),
		VMSBytes:   int64(memory.VMS),
		CPUSeconds: cpu.User + cpu.System,
	}
	// Threads and descriptors are not to be had on every system or for every
	// user; a zero says so and costs the run nothing.
	if threads, err := proc.NumThreadsWithContext(ctx); err == nil {
		reading.Threads = int(threads)
	}
	if files, err := proc.NumFDsWithContext(ctx); err == nil {
		reading.OpenFiles = int(files)
	}
	return reading, nil
}
