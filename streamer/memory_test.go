package streamer

import (
	"errors"
	"log/slog"
	"math"
	"math/rand/v2"
	"runtime"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

func TestLeakScore(t *testing.T) {
	noise := rand.New(rand.NewPCG(7, 1))
	f := func(name string, samples int, rss func(hours float64) float64, least, most float64) {
		t.Helper()
		m := newMemory(prometheus.NewRegistry(), nil, nil)
		for i := range samples {
			at := time.Duration(i) * memoryEvery
			m.take(at, int64(rss(at.Hours())), 0)
		}
		if len(m.samples) > memoryWindow {
			t.Errorf("%s: %d samples kept, limit %d", name, len(m.samples), memoryWindow)
		}
		if got := leakScore(m.samples); got < least || got > most || math.IsNaN(got) {
			t.Errorf("%s: score %v, want %v to %v", name, got, least, most)
		}
	}
	f("too few", memoryLeast-1, func(h float64) float64 { return 1e9 * h }, 0, 0)
	f("flat", 120, func(float64) float64 { return 50e6 }, 0, 1e-9)
	f("falling", 120, func(h float64) float64 { return 50e6 - 1e6*h }, 0, 0)
	f("25 MB/h in a straight line", 120, func(h float64) float64 { return 50e6 + 25e6*h }, 0.499, 0.501)
	f("beyond full", 120, func(h float64) float64 { return 50e6 + 200e6*h }, 0.999, 1)
	f("only the last hour counts", 360, func(h float64) float64 { return 50e6 + 100e6*min(h, 1) }, 0, 1e-9)
	f("noise", 120, func(float64) float64 { return 50e6 + 5e6*noise.Float64() }, 0, 0.05)
}

func TestMemoryIsReadEachHalfMinute(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := world(t, options{rate: 1, config: func(c *Config) {
			rss := int64(40e6)
			c.Memory = func() (int64, int64, error) {
				rss += 1e6 // 120 MB an hour
				return rss, 2 * rss, nil
			}
		}})
		r.start()
		time.Sleep(10*memoryEvery + time.Second)
		if rss, vms, score := r.metric("process_memory_rss_bytes"), r.metric("process_memory_vms_bytes"), r.metric("memory_leak_detection_score"); rss != 51e6 || vms != 102e6 || score < 0.99 {
			t.Errorf("rss %v, vms %v, score %v; want 51e6, 102e6, 1", rss, vms, score)
		}
		r.finish(10 * time.Second)
	})
}

func TestMemoryThatCannotBeRead(t *testing.T) {
	m := newMemory(prometheus.NewRegistry(), func() (int64, int64, error) { return 0, 0, errors.New("no /proc here") }, slog.New(slog.DiscardHandler))
	m.run(t.Context()) // returns
	if len(m.samples) != 0 {
		t.Error("a sample of nothing")
	}
}

func TestReadMemory(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("only Linux has /proc/self/stat")
	}
	if rss, vms, err := readMemory(); err != nil || rss < 1e6 || vms < rss {
		t.Errorf("readMemory = %d, %d, %v", rss, vms, err)
	}
}
