package soak

import "time"

// Ledger sets what the exchange published against what the topic holds. It is
// what the auditor hands to the judge; it has a fixed size however long the
// run was.
type Ledger struct {
	Source   string    `json:"source"` // which trades: the market and its seed, or the capture
	Began    time.Time `json:"began"`  // traffic
	Ended    time.Time `json:"ended"`
	Accounts []Account `json:"accounts"` // one a symbol, in the order of the plan

	Findings        []Finding `json:"findings"`         // the first of each guarantee and symbol; at most MaxFindings
	FindingsOmitted int64     `json:"findings_omitted"` // found beyond those

	Phases  []PhaseLag `json:"phases"`  // outside disturbance
	Windows []Window   `json:"windows"` // one an injection, in order
	Uptime  Uptime     `json:"uptime"`

	Sessions        []Session `json:"sessions"` // the newest MaxSessions, as the exchange saw them
	SessionsOmitted int64     `json:"sessions_omitted"`

	// Publisher is how late the exchange itself was: what it adds to every
	// lag. A late publisher makes freshness unfit to be judged.
	PublisherLateP99 float64 `json:"publisher_late_p99_seconds"`
	PublisherLateMax float64 `json:"publisher_late_max_seconds"`
	// Largest step of the wall clock against the steady one during the run.
	ClockStep float64 `json:"clock_step_seconds"`

	Reading *Reading `json:"reading,omitempty"` // of an audit of a topic that exists
}

// Reading is how an audit read its topic and what it asked the exchange.
type Reading struct {
	Records    int64              `json:"records"` // committed ones
	Partitions []PartitionReading `json:"partitions"`
	First      time.Time          `json:"first,omitzero"` // when the oldest and the newest record were written, by their own time
	Last       time.Time          `json:"last,omitzero"`

	Unreadable      int64  `json:"unreadable"` // records that are no trades
	UnreadableFirst string `json:"unreadable_first,omitempty"`
	Unwatched       int64  `json:"unwatched"`       // records of symbols beyond those that are remembered
	HolesForgotten  int64  `json:"holes_forgotten"` // counted as lost when there were more than are remembered
	Unfinished      string `json:"unfinished,omitempty"`

	HolesAsked   int64    `json:"holes_asked"`       // settled by the exchange's answer
	HolesUnasked int64    `json:"holes_unasked"`     // counted as lost without one
	Absent       int64    `json:"absent"`            // ids that the exchange does not have either: not lost
	Sampled      int      `json:"sampled"`           // trades drawn to be compared
	Compared     int      `json:"compared"`          // with the exchange's
	Fields       []string `json:"fields,omitempty"`  // that were compared
	Weight       int      `json:"weight"`            // spent on questions
	Trouble      string   `json:"trouble,omitempty"` // why not everything was asked
}

// PartitionReading is how far one partition was read.
type PartitionReading struct {
	Partition int32 `json:"partition"`
	From      int64 `json:"from"` // offset
	Next      int64 `json:"next"` // the offset after the last one read
	End       int64 `json:"end"`  // the last stable offset when the audit began
	Records   int64 `json:"records"`
}

// Bounds of a ledger, so that a run of any length and with any fault stays small.
const (
	MaxFindings = 200
	MaxSessions = 1000
)

// Account is one symbol's line in the ledger.
type Account struct {
	Symbol     string `json:"symbol"`
	FirstID    int64  `json:"first_id"` // the first trade owed: first written to a session of the subject
	LastID     int64  `json:"last_id"`  // the last one published
	Published  int64  `json:"published"`
	Delivered  int64  `json:"delivered"`  // in the topic, each counted once
	Lost       int64  `json:"lost"`       // published, never in the topic
	Duplicate  int64  `json:"duplicate"`  // copies beyond the first
	Disordered int64  `json:"disordered"` // behind a higher id
	Altered    int64  `json:"altered"`    // not what was published, or never published
}

// Guarantee is a promise of the streamer that a finding can break.
type Guarantee string

const (
	Complete Guarantee = "complete" // broken by a lost trade
	Unique   Guarantee = "unique"   // broken by a duplicate
	Ordered  Guarantee = "ordered"  // broken by a disordered trade
	Faithful Guarantee = "faithful" // broken by an altered trade
)

// Finding is one broken guarantee with its evidence.
type Finding struct {
	Guarantee Guarantee `json:"guarantee"`
	Symbol    string    `json:"symbol"`
	FirstID   int64     `json:"first_id"`
	LastID    int64     `json:"last_id"`
	During    string    `json:"during,omitempty"` // the injection it falls in, if any
	Why       string    `json:"why"`              // what was expected and what was seen
}

// PhaseLag is how long trades took from published to visible in one phase,
// outside disturbance, in seconds.
type PhaseLag struct {
	Phase  string  `json:"phase"`
	Trades int64   `json:"trades"`
	P50    float64 `json:"p50_seconds"`
	P99    float64 `json:"p99_seconds"`
	Max    float64 `json:"max_seconds"`
}

// Window is what one injection did to the trades.
type Window struct {
	Injection    string    `json:"injection"`
	Began        time.Time `json:"began"`
	Ended        time.Time `json:"ended"`
	Closed       time.Time `json:"closed"`                // Ended plus the declared settle time, or later if it had not caught up
	Trades       int64     `json:"trades"`                // that became visible within
	Backlog      int64     `json:"backlog"`               // due and not visible when it ended
	LongestPause float64   `json:"longest_pause_seconds"` // longest time that a due trade stayed invisible
	CatchUp      float64   `json:"catch_up_seconds"`      // from its end until trades were fresh again (lag under a second)
	CaughtUp     bool      `json:"caught_up"`
	CutShort     string    `json:"cut_short,omitempty"` // the injection that began before it had caught up
}

// Uptime counts seconds. Bad is the time outside disturbance in which some
// due trade was not visible within five seconds.
type Uptime struct {
	Seconds   int64 `json:"seconds"`
	Disturbed int64 `json:"disturbed"`
	Bad       int64 `json:"bad"`
}
