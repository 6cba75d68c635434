package streamer

import (
	"context"
	"fmt"
	"log/slog"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/procfs"
)

const (
	// memoryEvery is the time between two looks at the process's memory.
	memoryEvery = 30 * time.Second
	// memoryWindow is how many of them the score is made of: an hour.
	memoryWindow = 120
	// memoryLeast is how many there must be for a score at all.
	memoryLeast = 10
	// leakFull is the growth, in bytes an hour, at which the score is full.
	leakFull = 50e6
)

// memory keeps an hour of memory readings and makes a score of them, for
// dashboards: how fast resident memory grows, times how straight. It cannot
// see a leak of 2 MB an hour; a soak test can.
type memory struct {
	read    func() (rss, vms int64, err error)
	log     *slog.Logger
	samples []memorySample // the newest memoryWindow
	rss     prometheus.Gauge
	vms     prometheus.Gauge
	score   prometheus.Gauge
}

type memorySample struct {
	hours float64 // since the first sample of all
	rss   float64 // bytes
}

func newMemory(r prometheus.Registerer, read func() (rss, vms int64, err error), log *slog.Logger) *memory {
	m := &memory{
		read:  read,
		log:   log,
		rss:   prometheus.NewGauge(prometheus.GaugeOpts{Name: "process_memory_rss_bytes", Help: "Resident memory."}),
		vms:   prometheus.NewGauge(prometheus.GaugeOpts{Name: "process_memory_vms_bytes", Help: "Virtual memory."}),
		score: prometheus.NewGauge(prometheus.GaugeOpts{Name: "memory_leak_detection_score", Help: "Growth of resident memory in the last hour, over 50 MB/h at most 1, times R squared; 0 below ten samples or when memory falls."}),
	}
	r.MustRegister(m.rss, m.vms, m.score)
	return m
}

// run reads the memory until ctx ends, or until it cannot be read: on a system
// without /proc there are no such figures.
func (m *memory) run(ctx context.Context) {
	tick := time.NewTicker(memoryEvery)
	defer tick.Stop()
	for began := time.Now(); ; {
		rss, vms, err := m.read()
		if err != nil {
			m.log.Warn("there will be no figures of memory: " + err.Error())
			return
		}
		m.take(time.Since(began), rss, vms)
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

// take adds one reading.
func (m *memory) take(at time.Duration, rss, vms int64) {
	if len(m.samples) == memoryWindow {
		m.samples = append(m.samples[:0], m.samples[1:]...)
	}
	m.samples = append(m.samples, memorySample{at.Hours(), float64(rss)})
	m.rss.Set(float64(rss))
	m.vms.Set(float64(vms))
	m.score.Set(leakScore(m.samples))
}

// leakScore is min(growth in MB/h / 50, 1) * R squared of the line of least
// squares; 0 below memoryLeast samples or when memory falls. It is written out
// because a statistics library is too much to link for one line.
func leakScore(samples []memorySample) float64 {
	n := float64(len(samples))
	if len(samples) < memoryLeast {
		return 0
	}
	var meanX, meanY float64
	for _, s := range samples {
		meanX += s.hours / n
		meanY += s.rss / n
	}
	var xx, xy, yy float64
	for _, s := range samples {
		dx, dy := s.hours-meanX, s.rss-meanY
		xx, xy, yy = xx+dx*dx, xy+dx*dy, yy+dy*dy
	}
	if xy <= 0 || yy == 0 {
		return 0
	}
	growth, straight := xy/xx, xy*xy/(xx*yy)
	return min(growth/leakFull, 1) * straight
}

// readMemory reads this process's memory, in bytes.
func readMemory() (rss, vms int64, err error) {
	self, err := procfs.Self()
	if err != nil {
		return 0, 0, fmt.Errorf("read memory: %w", err)
	}
	stat, err := self.Stat()
	if err != nil {
		return 0, 0, fmt.Errorf("read memory: %w", err)
	}
	return int64(stat.ResidentMemory()), int64(stat.VirtualMemory()), nil
}
