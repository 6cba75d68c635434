package stack

import (
	"context"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/moby/moby/api/types/container"
)

// A reading is waited for once, then the newest is there at once, until it is
// too old to be one of this moment.
func TestUsageIsTheNewest(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := &Container{name: "streamer", usage: usageFeed{first: make(chan struct{})}}
		within := func(wait time.Duration) (Usage, error) {
			ctx, cancel := context.WithTimeout(t.Context(), wait)
			defer cancel()
			return c.Usage(ctx)
		}
		if _, err := within(time.Second); err == nil {
			t.Error("a reading before there was one")
		}
		go func() {
			time.Sleep(time.Second)
			c.usage.take(Usage{ResidentBytes: 1})
			c.usage.take(Usage{ResidentBytes: 2})
		}()
		began := time.Now()
		if got, err := within(time.Minute); err != nil || got.ResidentBytes != 1 && got.ResidentBytes != 2 || time.Since(began) != time.Second {
			t.Errorf("the first: %+v, %v after %s", got, err, time.Since(began))
		}
		synctest.Wait()
		time.Sleep(usageAge)
		if got, err := within(time.Second); err != nil || got.ResidentBytes != 2 {
			t.Errorf("the newest: %+v, %v", got, err)
		}
		time.Sleep(time.Second)
		if got, err := within(time.Second); err == nil || !strings.Contains(err.Error(), "4s old") {
			t.Errorf("an old one: %+v, %v", got, err)
		}
	})
}

// Resident memory is found under the names of both versions of control groups.
func TestUsageOf(t *testing.T) {
	f := func(want int64, memory map[string]uint64) {
		t.Helper()
		usage, err := usageOf(container.StatsResponse{MemoryStats: container.MemoryStats{Stats: memory}})
		if (err != nil) != (want == 0) || usage.ResidentBytes != want {
			t.Errorf("%v: %+v, %v; want %d", memory, usage, err, want)
		}
	}
	f(30, map[string]uint64{"anon": 20, "file_mapped": 10, "file": 500})
	f(30, map[string]uint64{"rss": 20, "mapped_file": 10, "cache": 500})
	f(0, nil)
}
