package judge

import (
	"errors"
	"io/fs"
	"time"

	"steadfeed/soak"
)

// Evidence is all that a verdict rests on.
type Evidence struct {
	Run         string
	Plan        soak.Plan // its injections with what became of them
	Ledger      soak.Ledger
	Samples     []soak.Sample
	Subject     soak.SubjectBuild
	Alerts      *soak.Alerts // nil: nobody watched for them
	Began       time.Time
	Ended       time.Time
	Interrupted bool   // by a person; what there is was drained and audited
	Trouble     string // of the harness: what it did not see proves nothing
}

// Load reads the evidence of a run directory. What the run did not get as far
// as writing is trouble, not an error: an unfinished run has a verdict too.
func Load(run *soak.Run) (Evidence, error) {
	e := Evidence{Run: run.ID(), Plan: run.Plan()}
	course, err := run.ReadCourse()
	switch {
	case errors.Is(err, fs.ErrNotExist):
		e.Trouble = "the run ended before its subject was started"
	case err != nil:
		return Evidence{}, err
	}
	e.Subject, e.Began, e.Ended, e.Interrupted = course.Subject, course.Began, course.Ended, course.Interrupted
	e.Alerts = course.Alerts
	if course.Trouble != "" {
		e.Trouble = course.Trouble
	}
	e.Ledger, err = run.ReadLedger()
	switch {
	case errors.Is(err, fs.ErrNotExist):
		if e.Trouble == "" {
			e.Trouble = "the run ended before its trades were audited"
		}
	case err != nil:
		return Evidence{}, err
	}
	for sample, err := range run.Samples() {
		if err != nil {
			return Evidence{}, err
		}
		sample.Counters = nil // most of a sample's size, and no criterion rests on them
		e.Samples = append(e.Samples, sample)
	}
	if e.Ended.IsZero() && len(e.Samples) > 0 {
		e.Ended = e.Samples[len(e.Samples)-1].At
	}
	return e, nil
}

// blind tells whether what was not seen proves nothing: the harness was in
// trouble, or a person who interrupted the run did not wait for the drain.
func (e *Evidence) blind() bool {
	return e.Trouble != "" || e.Interrupted && e.Subject.Exit != cleanExit
}

// published is the number of trades that the topic was owed.
func (e *Evidence) published() int64 { return e.delivery().Published }

func (e *Evidence) delivery() (d soak.Delivery) {
	for _, a := range e.Ledger.Accounts {
		d.Published += a.Published
		d.Delivered += a.Delivered
		d.Lost += a.Lost
		d.Duplicate += a.Duplicate
		d.Disordered += a.Disordered
		d.Altered += a.Altered
	}
	return d
}

// traffic is how long trades were published.
func (e *Evidence) traffic() time.Duration { return e.Ledger.Ended.Sub(e.Ledger.Began) }

// injection finds an injection of the plan by its name.
func (e *Evidence) injection(name string) (soak.Injection, bool) {
	for _, in := range e.Plan.Injections {
		if in.Name == name {
			return in, true
		}
	}
	return soak.Injection{}, false
}

// phase finds the figures of a phase; those of the first, if it came twice.
func (e *Evidence) phase(name string) (soak.PhaseLag, bool) {
	for _, p := range e.Ledger.Phases {
		if p.Phase == name && p.Trades > 0 {
			return p, true
		}
	}
	return soak.PhaseLag{}, false
}
