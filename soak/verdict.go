package soak

import "time"

// Outcome is what a check or a whole run came to.
type Outcome string

const (
	Pass         Outcome = "pass"
	Fail         Outcome = "fail"
	Inconclusive Outcome = "inconclusive"
)

// ExitStatus is what a command that ended with this outcome exits with.
func (o Outcome) ExitStatus() int {
	switch o {
	case Pass:
		return ExitPass
	case Fail:
		return ExitFail
	default:
		return ExitInconclusive
	}
}

// Exit statuses of the soak command. 2 is left out on purpose: it is what a
// panicking Go program exits with.
const (
	ExitPass         = 0
	ExitFail         = 1
	ExitInconclusive = 3
	ExitBroken       = 4 // the harness itself could not do its work
	ExitUsage        = 64
	ExitInterrupted  = 130
)

// VerdictSchema identifies the layout of verdict.json. Fields are added, never
// renamed or removed, while it stays the same.
const VerdictSchema = "steadfeed/verdict/v1"

// Verdict is the judgement of a run; it is written as verdict.json.
type Verdict struct {
	Schema     string       `json:"schema"`
	Run        string       `json:"run"`
	Plan       string       `json:"plan"`
	Seed       uint64       `json:"seed"`
	Subject    SubjectBuild `json:"subject"`
	Began      time.Time    `json:"began"`
	Ended      time.Time    `json:"ended"`
	Outcome    Outcome      `json:"outcome"`
	Why        string       `json:"why"`
	Claims     []string     `json:"claims"`
	NotClaimed []string     `json:"not_claimed"`
	Delivery   Delivery     `json:"delivery"`
	Checks     []Check      `json:"checks"`
	Injections []Injection  `json:"injections"`
	Findings   []Finding    `json:"findings"`
	Power      []string     `json:"power"`              // what this run could have missed
	Criteria   string       `json:"criteria,omitempty"` // that were chosen; empty: CriteriaSeed
	Other      *Opinion     `json:"other,omitempty"`    // what the others say, where they differ
}

// Opinion is what a run comes to by the set of criteria that was not chosen. It
// is information: outcome and exit status are those of the chosen one.
type Opinion struct {
	Criteria string  `json:"criteria"`
	Outcome  Outcome `json:"outcome"`
	Checks   []Check `json:"checks"` // those that the chosen set has not, or with another limit
}

// SubjectBuild says what was tested.
type SubjectBuild struct {
	Name    string `json:"name"`
	Command string `json:"command"`
	Version string `json:"version"` // from its build information
	SHA256  string `json:"sha256"`  // of the program file
	Exit    string `json:"exit"`    // how it ended, such as "exit status 0"
}

// Delivery is the sum of all accounts.
type Delivery struct {
	Published  int64 `json:"published"`
	Delivered  int64 `json:"delivered"`
	Lost       int64 `json:"lost"`
	Duplicate  int64 `json:"duplicate"`
	Disordered int64 `json:"disordered"`
	Altered    int64 `json:"altered"`
}

// Check is one criterion applied to one run.
type Check struct {
	ID       string   `json:"id"`
	Role     Role     `json:"role"`
	Limit    string   `json:"limit"` // as a reader says it, such as "< 1 s"
	Observed *float64 `json:"observed"`
	Unit     string   `json:"unit,omitempty"`
	Low      *float64 `json:"low,omitempty"` // of the interval around Observed, where there is one
	High     *float64 `json:"high,omitempty"`
	Outcome  Outcome  `json:"outcome,omitempty"` // empty when not claimed
	Why      string   `json:"why,omitempty"`
	Evidence string   `json:"evidence,omitempty"` // where in the run directory to look
	Trend    *Trend   `json:"trend,omitempty"`    // of memory.trend: the lines that it rests on
}

// Trend is what was found in memory over time, enough to draw it.
type Trend struct {
	Cut   time.Time   `json:"cut"` // nothing before it was judged
	Block Duration    `json:"block"`
	Lines []TrendLine `json:"lines"`
}

// TrendLine is a straight line with steps through the blocks of a figure.
type TrendLine struct {
	Figure  string       `json:"figure"` // FigureRSS or FigureLive
	From    time.Time    `json:"from"`
	To      time.Time    `json:"to"`
	Level   float64      `json:"level_bytes"` // at From
	PerHour float64      `json:"per_hour_bytes"`
	Half    float64      `json:"half_bytes"` // half the width of the interval of PerHour
	Shifts  []TrendShift `json:"shifts"`     // in order of time
}

// TrendShift is a level that changed at once.
type TrendShift struct {
	At    time.Time `json:"at"`
	Bytes float64   `json:"bytes"`
}

// Figures of a trend.
const (
	FigureRSS  = "rss"
	FigureLive = "live heap"
)

// At is the height of the line at a time, in bytes, and how far its interval
// reaches to either side of it.
func (l TrendLine) At(t time.Time) (bytes, half float64) {
	hours := t.Sub(l.From).Hours()
	bytes = l.Level + l.PerHour*hours
	for _, s := range l.Shifts {
		if !t.Before(s.At) {
			bytes += s.Bytes
		}
	}
	return bytes, l.Half * hours
}
