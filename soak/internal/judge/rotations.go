package judge

import (
	"fmt"
	"math"
	"slices"
	"time"

	"steadfeed/soak"
)

// The schedule of a subject's rotations, where its settings say nothing else,
// and how far an instant of it may lie from the exact multiple of the interval.
const (
	rotationSetting  = "STREAMER_ROTATION_INTERVAL"
	rotationInterval = 4 * time.Hour
	rotationJitter   = 0.05
	// rotationTakes is for a rotation to end that began when it was due.
	rotationTakes = 30 * time.Second
)

// successions are the faults that put a new process in the subject's place.
var successions = []string{"kill", "hand-over", "registry-away"}

// lifetime is that of a process of the subject.
type lifetime struct{ from, to time.Time }

func (l lifetime) length() time.Duration { return l.to.Sub(l.from) }

// livesOf is when each process of the subject had sessions: a schedule of
// rotations begins with its process, and an injection may have replaced it.
func livesOf(e *Evidence) (lives []lifetime) {
	born := e.Ledger.Sessions[0].Opened
	for _, in := range e.Plan.Injections {
		if slices.Contains(successions, in.Fault) && in.Began.After(born) {
			lives = append(lives, lifetime{born, in.Began})
			born = openedAfter(e.Ledger.Sessions, in.Began)
		}
	}
	return append(lives, lifetime{born, e.Ledger.Ended})
}

// openedAfter is when the first session after an instant was opened, or the
// instant if there was none. Sessions are in the order in which they were opened.
func openedAfter(sessions []soak.Session, at time.Time) time.Time {
	if i := slices.IndexFunc(sessions, func(s soak.Session) bool { return !s.Opened.Before(at) }); i >= 0 {
		return sessions[i].Opened
	}
	return at
}

// rotations compares the rotations that nothing but the schedule explains with
// the instants of the schedule that lie in the observed time: their number, and
// whether there is one near each instant that no injection disturbs. A timer
// that drifts has nearly the number, and soon none near its instant.
func rotations(e *Evidence, _ soak.Limit) measurement {
	m := measurement{evidence: soak.LedgerFile}
	if len(e.Ledger.Sessions) == 0 || e.Ledger.SessionsOmitted > 0 {
		m.unfit, m.why = true, fmt.Sprintf("%d sessions are known, %d are not", len(e.Ledger.Sessions), e.Ledger.SessionsOmitted)
		return m
	}
	interval := rotationInterval
	if text, set := e.Plan.Subject.Settings[rotationSetting]; set {
		given, err := time.ParseDuration(text)
		if err != nil || given <= 0 {
			m.unfit, m.why = true, fmt.Sprintf("%s is %q", rotationSetting, text)
			return m
		}
		interval = given
	}
	observed := e.Ledger.Ended.Sub(e.Ledger.Sessions[0].Opened)
	var least, most float64
	lives := livesOf(e)
	for _, life := range lives {
		least += max(math.Floor((life.length()-rotationTakes).Seconds()/interval.Seconds()-rotationJitter), 0)
		most += math.Floor(life.length().Seconds()/interval.Seconds() + rotationJitter)
	}
	var own, brought float64
	for _, s := range e.Ledger.Sessions {
		switch {
		case !e.Ledger.Rotated(s):
		case s.During == "":
			own++
		default:
			brought++
		}
	}
	m.value = number(own)
	// One that falls into an injection is counted as brought about by it, and
	// may have been.
	m.missed = own > most || own+brought < least
	m.why = fmt.Sprintf("%g by the schedule of %s in %s, which has %g to %g; %g more during injections", own, interval, span(observed.Seconds()), least, most, brought)
	if missed := passedOver(e, lives, interval); len(missed) > 0 {
		m.missed = true
		m.why += fmt.Sprintf("; none near %d of its undisturbed instants, the first of them %s", len(missed), clock(missed[0]))
	}
	if most == 0 {
		m.unfit = true
	}
	return m
}

// passedOver are the instants of the schedule near which nothing rotated, though
// no injection disturbed.
func passedOver(e *Evidence, lives []lifetime, interval time.Duration) (missed []time.Time) {
	early := time.Duration(rotationJitter * float64(interval))
	late := early + rotationTakes
	for _, life := range lives {
		for at := life.from.Add(interval); !at.Add(late).After(life.to); at = at.Add(interval) {
			from, to := at.Add(-early), at.Add(late)
			near := func(s soak.Session) bool {
				return e.Ledger.Rotated(s) && !s.Closed.Before(from) && !s.Closed.After(to)
			}
			disturbs := func(in soak.Injection) bool {
				over := in.Ended.Add(in.Disturbance.Settle.D())
				return !in.Began.IsZero() && in.Began.Before(to) && (in.Ended.IsZero() || over.After(from))
			}
			if !slices.ContainsFunc(e.Ledger.Sessions, near) && !slices.ContainsFunc(e.Plan.Injections, disturbs) {
				missed = append(missed, at)
			}
		}
	}
	return missed
}
