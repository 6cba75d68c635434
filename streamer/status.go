package streamer

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/pprof"
	"slices"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus/promhttp"
)

const (
	// stuckAfter is how long the main loop may make no turn, without waiting
	// for Kafka or the registry, before a restart would help.
	stuckAfter = 60 * time.Second
	// ackAfter is how long records may wait for an acknowledgement before this
	// process is not ready.
	ackAfter = 5 * time.Second
	// maxSamples bounds the rejected frames that are kept to be looked at, and
	// maxSample the bytes of each.
	maxSamples = 10
	maxSample  = 512
)

// status answers those who look on: health, readiness, figures, profiles. It
// reads what the pipeline publishes and never waits for it.
type status struct {
	config  *Config
	began   time.Time
	metrics *metrics

	mu       sync.Mutex
	starting string // what the start waits for; empty when it is over
	parts    *parts // nil while starting
	draining bool
	samples  []sampleFrame // the newest rejected frames
	rejected int64
}

// sampleFrame is a frame that was not taken, kept to be looked at.
type sampleFrame struct {
	At    time.Time `json:"at"`
	Why   string    `json:"why"`
	Frame string    `json:"frame"`
}

// waitFor notes what the start is at; "" ends it.
func (s *status) waitFor(what string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.starting = what
}

func (s *status) drain() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.draining = true
}

func (s *status) serve(p *parts) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.parts = p
}

// reject keeps a sample of a frame that was not taken.
func (s *status) reject(why string, frame []byte) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.rejected++
	if len(s.samples) == maxSamples {
		s.samples = append(s.samples[:0], s.samples[1:]...)
	}
	s.samples = append(s.samples, sampleFrame{time.Now().UTC(), why, string(frame[:min(len(frame), maxSample)])})
}

// healthy returns why a restart would help, or "". It never would during a
// drain, which ends by itself, nor while Kafka or the exchange is away.
func (s *status) healthy() string {
	s.mu.Lock()
	p, draining := s.parts, s.draining
	s.mu.Unlock()
	if p == nil || draining {
		return ""
	}
	if turn := time.Unix(p.intake.beat.Load(), 0); time.Since(turn) > stuckAfter {
		return fmt.Sprintf("the main loop made no turn since %s", turn.UTC().Format(time.RFC3339))
	}
	return ""
}

// ready returns why this process does not deliver, or "". A standby does not:
// it is healthy and not ready.
func (s *status) ready() string {
	s.mu.Lock()
	p, starting, draining := s.parts, s.starting, s.draining
	s.mu.Unlock()
	switch {
	case draining:
		return "draining"
	case starting != "":
		return "starting: " + starting
	case p == nil:
		return "starting"
	case !p.feed.Connected():
		return "no session with the exchange"
	case p.registryAway.Load() > 0:
		return "waiting for the schema registry"
	}
	standby := true
	for _, mine := range p.partitions {
		if !mine.wanted.Load() {
			continue
		}
		standby = false
		if len(mine.lanes) == 0 {
			continue
		}
		owner := mine.owner.Load()
		if owner == nil {
			return fmt.Sprintf("taking partition %d of %s", mine.number, mine.topic)
		}
		if waiting := owner.Waiting(); waiting > ackAfter {
			return fmt.Sprintf("Kafka has not answered for %s, and %d records wait for it", waiting.Round(time.Second), owner.InFlight())
		}
	}
	if standby {
		return "standby: the others of group " + s.config.Group + " have all partitions"
	}
	return ""
}

// laneStatus is one symbol's line of /status.
type laneStatus struct {
	Symbol  string `json:"symbol"`
	LastID  int64  `json:"last_id"`  // seen on the stream
	AckedID int64  `json:"acked_id"` // made visible in Kafka by this process
}

// report is the body of /status.
type report struct {
	Version    string        `json:"version"`
	Began      time.Time     `json:"began"`
	Uptime     string        `json:"uptime"`
	Healthy    string        `json:"healthy"` // "yes", or why not
	Ready      string        `json:"ready"`
	Topic      string        `json:"topic"`
	Group      string        `json:"group"`
	Partitions []int32       `json:"partitions"` // that this process writes
	InFlight   int64         `json:"records_in_flight"`
	Symbols    []laneStatus  `json:"symbols"`
	Rejected   int64         `json:"rejected_frames"`
	Samples    []sampleFrame `json:"rejected_samples"`
}

func (s *status) report() report {
	r := report{Version: s.config.Version, Began: s.began.UTC(), Uptime: time.Since(s.began).Round(time.Second).String(),
		Healthy: yes(s.healthy()), Ready: yes(s.ready()), Topic: s.config.Topic, Group: s.config.Group, Partitions: []int32{}, Symbols: []laneStatus{}}
	s.mu.Lock()
	defer s.mu.Unlock()
	r.Rejected, r.Samples = s.rejected, append([]sampleFrame{}, s.samples...)
	if s.parts != nil {
		for _, p := range s.parts.partitions {
			if p.owned() {
				r.Partitions = append(r.Partitions, p.number)
			}
			if owner := p.owner.Load(); owner != nil {
				r.InFlight += owner.InFlight()
			}
		}
		slices.Sort(r.Partitions)
		for _, l := range s.parts.all {
			r.Symbols = append(r.Symbols, laneStatus{l.symbol, l.lastID.Load(), l.ackedID.Load()})
		}
	}
	return r
}

func yes(why string) string {
	if why == "" {
		return "yes"
	}
	return "no: " + why
}

// handler serves everything on the status address.
func (s *status) handler() http.Handler {
	mux := http.NewServeMux()
	answer := func(path string, why func() string) {
		mux.HandleFunc("GET "+path, func(w http.ResponseWriter, _ *http.Request) {
			reason := why()
			if reason != "" {
				w.WriteHeader(http.StatusServiceUnavailable)
			}
			fmt.Fprintln(w, yes(reason))
		})
	}
	answer("/healthz", s.healthy)
	answer("/readyz", s.ready)
	mux.Handle("GET /metrics", promhttp.HandlerFor(s.metrics.registry, promhttp.HandlerOpts{
		DisableCompression: true, // 20 KB are not worth the 2 MB of a gzip writer
	}))
	mux.HandleFunc("GET /status", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		encoder := json.NewEncoder(w)
		encoder.SetIndent("", "  ")
		_ = encoder.Encode(s.report()) // the reader may be gone
	})
	mux.HandleFunc("/debug/pprof/", pprof.Index)
	mux.HandleFunc("/debug/pprof/cmdline", pprof.Cmdline)
	mux.HandleFunc("/debug/pprof/profile", pprof.Profile)
	mux.HandleFunc("/debug/pprof/symbol", pprof.Symbol)
	mux.HandleFunc("/debug/pprof/trace", pprof.Trace)
	return mux
}
