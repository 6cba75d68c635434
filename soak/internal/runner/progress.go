package runner

import (
	"time"

	"steadfeed/soak"
	"steadfeed/soak/internal/audit"
)

// Progress is a run at a moment, for the person who looks on.
type Progress struct {
	Plan    string
	Seed    uint64
	Subject string

	Phase     string
	Phases    int // of the plan, and which of them this is
	PhaseN    int
	Elapsed   time.Duration // since the first phase began
	Remaining time.Duration // of the phases; a drain follows

	Rate      float64 // trades that became visible per second, lately
	Published int64
	Delivered int64
	Behind    int64
	LagP50    time.Duration
	LagMax    time.Duration
	RSSBytes  int64

	Active     string // the injection in progress
	Injections int    // over
	Planned    int    // in all
	Findings   int64
}

// look takes in the auditor's figures and makes of everything what is shown.
func (r *run) look(now time.Time, totals audit.Totals) Progress {
	r.mu.Lock()
	defer r.mu.Unlock()
	s := &r.scene
	s.totals, s.at = totals, now
	s.lagMax = max(s.lagMax, totals.LagMax)
	rate := s.rate(totals.Delivered, r.every())
	p := Progress{
		Plan: r.plan.Name, Seed: r.plan.Seed, Subject: r.plan.Subject.Name,
		Phase: s.phase, Phases: len(r.plan.Phases),
		Elapsed: now.Sub(s.begins),
		Rate:    rate, Published: totals.Published, Delivered: totals.Delivered, Behind: totals.Behind,
		LagP50: totals.LagP50, LagMax: totals.LagMax, RSSBytes: s.sample.RSSBytes,
		Active: s.active, Injections: s.injections, Planned: len(r.plan.Injections), Findings: totals.Findings,
	}
	p.Remaining = max(0, r.plan.Length()-p.Elapsed)
	for i, phase := range r.plan.Phases {
		if phase.Name == s.phase {
			p.PhaseN = i + 1
		}
	}
	if s.phase == soak.PhaseDrain {
		p.Remaining = 0
	}
	return p
}

// rate notes what was delivered by now and returns the mean over the last
// ticks.
func (s *scene) rate(delivered int64, tick time.Duration) float64 {
	oldest := s.delivered[s.ticks%rateTicks]
	span := min(s.ticks, rateTicks)
	s.delivered[s.ticks%rateTicks] = delivered
	s.ticks++
	if span == 0 {
		return 0
	}
	if span < rateTicks {
		oldest = s.delivered[0]
	}
	return float64(delivered-oldest) / (time.Duration(span) * tick).Seconds()
}
