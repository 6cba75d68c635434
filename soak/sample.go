package soak

import "time"

// Sample is one reading of the subject, taken from outside it, beside the
// figures of the exchange and the topic at the same moment.
type Sample struct {
	At      time.Time `json:"at"`
	Subject string    `json:"subject"`
	Phase   string    `json:"phase"`

	// From the operating system.
	RSSBytes   int64   `json:"rss_bytes"`
	VMSBytes   int64   `json:"vms_bytes"`
	CPUSeconds float64 `json:"cpu_seconds"` // user and system time since the process began
	Threads    int     `json:"threads"`
	OpenFiles  int     `json:"open_files"`

	// From the subject's /metrics; zero when it did not answer, and then
	// MetricsErr says why.
	HeapLiveBytes int64              `json:"heap_live_bytes,omitempty"`
	Goroutines    int                `json:"goroutines,omitempty"`
	Counters      map[string]float64 `json:"counters,omitempty"` // by metric name, summed over its labels
	MetricsErr    string             `json:"metrics_err,omitempty"`

	// From the ledger and the auditor.
	Published int64   `json:"published"` // trades so far
	Delivered int64   `json:"delivered"` // visible in the topic so far, each counted once
	Behind    int64   `json:"behind"`    // due and not yet visible
	LagP50    float64 `json:"lag_p50_seconds"`
	LagMax    float64 `json:"lag_max_seconds"` // of the trades that became visible since the last sample
	Findings  int64   `json:"findings"`        // broken guarantees so far

	// The harness itself, for the observer's share.
	HarnessRSSBytes   int64   `json:"harness_rss_bytes"`
	HarnessCPUSeconds float64 `json:"harness_cpu_seconds"`
}

// EventKind names what an event is about.
type EventKind string

const (
	EventPhase     EventKind = "phase"     // a phase began
	EventInjection EventKind = "injection" // an injection began or ended
	EventSession   EventKind = "session"   // a session opened or closed, as the exchange saw it
	EventSubject   EventKind = "subject"   // the subject started, became ready, drained, exited
	EventAlert     EventKind = "alert"     // an alert began or ceased to fire
	EventFinding   EventKind = "finding"   // a guarantee was broken
	EventHarness   EventKind = "harness"   // what the harness itself has to say, such as an interrupt
)

// Event is something dated.
type Event struct {
	At     time.Time         `json:"at"`
	Kind   EventKind         `json:"kind"`
	Name   string            `json:"name"` // of the phase, injection, session or subject
	Text   string            `json:"text"` // one sentence
	Fields map[string]string `json:"fields,omitempty"`
}
