package stack

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/moby/moby/api/types/container"
	"github.com/moby/moby/client"
)

const (
	// usageAge is how old a reading may be: the engine sends one each second.
	usageAge = 3 * time.Second
	// usageAgain is the time between two attempts to have the engine send them.
	usageAgain = time.Second
)

// Usage is what the container's control group has used.
type Usage struct {
	ResidentBytes int64   // anonymous memory and mapped files, as RSS counts
	CPUSeconds    float64 // since the container began
	Threads       int
	HeldBack      uint64 // times, since the container began, that it wanted more of a CPU than it may use
}

// usageFeed is the newest reading. To ask the engine for one takes 0.6 s and
// more, as long as it takes to make the next, and with a sample each second a
// tenth to a third of them came too late; so it sends them as it makes them.
type usageFeed struct {
	first chan struct{} // closed with the first reading

	mu     sync.Mutex // never held while waiting
	newest Usage
	at     time.Time
	err    error // why there is no newer one
}

// Usage is the newest reading; it waits for the first.
func (c *Container) Usage(ctx context.Context) (Usage, error) {
	f := &c.usage
	select {
	case <-f.first:
	case <-ctx.Done():
		f.mu.Lock()
		defer f.mu.Unlock()
		return Usage{}, fmt.Errorf("read the statistics of %s: %w", c.name, errors.Join(context.Cause(ctx), f.err))
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if age := time.Since(f.at); age > usageAge {
		return Usage{}, errors.Join(fmt.Errorf("the newest statistics of %s are %s old", c.name, age.Round(time.Second)), f.err)
	}
	return f.newest, nil
}

// UsageNow asks the engine for a reading of its own, of this moment; it takes a
// second or two.
func (c *Container) UsageNow(ctx context.Context) (Usage, error) {
	ctx, cancel := context.WithTimeout(ctx, askWithin)
	defer cancel()
	answer, err := c.engine.ContainerStats(ctx, c.id, client.ContainerStatsOptions{})
	if err != nil {
		return Usage{}, fmt.Errorf("read the statistics of %s: %w", c.name, err)
	}
	defer answer.Body.Close()
	var stats container.StatsResponse
	if err := json.NewDecoder(answer.Body).Decode(&stats); err != nil {
		return Usage{}, fmt.Errorf("read the statistics of %s: %w", c.name, err)
	}
	return usageOf(stats)
}

// watchUsage keeps the newest reading until ctx ends.
func (c *Container) watchUsage(ctx context.Context) {
	for {
		err := c.readUsage(ctx)
		c.usage.mu.Lock()
		c.usage.err = err
		c.usage.mu.Unlock()
		select {
		case <-ctx.Done():
			return
		case <-time.After(usageAgain):
		}
	}
}

// readUsage reads what the engine sends until it ends.
func (c *Container) readUsage(ctx context.Context) error {
	answer, err := c.engine.ContainerStats(ctx, c.id, client.ContainerStatsOptions{Stream: true})
	if err != nil {
		return err
	}
	defer answer.Body.Close()
	for readings := json.NewDecoder(answer.Body); ; {
		var stats container.StatsResponse
		if err := readings.Decode(&stats); err != nil {
			return err
		}
		usage, err := usageOf(stats)
		if err != nil {
			return err
		}
		c.usage.take(usage)
	}
}

func (f *usageFeed) take(usage Usage) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.at.IsZero() {
		close(f.first)
	}
	f.newest, f.at, f.err = usage, time.Now(), nil
}

// usageOf finds resident memory under the names of both versions of control
// groups. A container that has ended has none.
func usageOf(stats container.StatsResponse) (Usage, error) {
	memory := stats.MemoryStats.Stats
	resident := memory["anon"] + memory["file_mapped"] // control groups, version 2
	if resident == 0 {
		resident = memory["rss"] + memory["mapped_file"] // and 1
	}
	if resident == 0 {
		return Usage{}, errors.New("the engine says nothing of its memory")
	}
	return Usage{
		ResidentBytes: int64(resident),
		CPUSeconds:    float64(stats.CPUStats.CPUUsage.TotalUsage) / 1e9,
		Threads:       int(stats.PidsStats.Current),
		HeldBack:      stats.CPUStats.ThrottlingData.ThrottledPeriods,
	}, nil
}
