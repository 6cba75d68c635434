package main

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"
	"testing/synctest"
	"time"

	"steadfeed/soak"
	"steadfeed/soak/internal/runner"
)

// sweeping is a crash sweep: the scenario once for each write of the subject
// and each kind of trap.
type sweeping struct {
	plan  soak.Plan
	out   string // where the schedules of those that fail are written
	share float64
	part  int // of parts
	parts int
}

// run does the sweep in one process, a bubble after another, and returns the
// exit status.
func (s sweeping) run(t *testing.T, watch *clockWatch) int {
	n, verdict := s.one(t, watch, soak.Trap{})
	if verdict.Outcome != soak.Pass {
		fmt.Printf("without a trap: %s\n", verdict.Why)
		return soak.ExitBroken
	}
	fmt.Printf("%d writes, %d kinds of trap, seed %d\n", n, len(soak.Traps), s.plan.Seed)
	lots := rand.New(rand.NewPCG(s.plan.Seed, 0))
	began, ran, failed := time.Now(), 0, 0
	for i := int64(1); i <= n; i++ {
		for k, kind := range soak.Traps {
			// All parts draw the same lots and take turns.
			if lots.Float64() >= s.share || (int(i)*len(soak.Traps)+k)%s.parts != s.part {
				continue
			}
			trap := soak.Trap{Kind: kind, At: i}
			_, verdict := s.one(t, watch, trap)
			ran++
			if verdict.Outcome != soak.Pass {
				failed++
				fmt.Printf("%s at write %d: %s: %s\n", kind, i, verdict.Why, s.keep(trap))
			}
		}
	}
	fmt.Printf("%d runs of %d: %d failed, %s\n", ran, int(n)*len(soak.Traps), failed, time.Since(began).Round(time.Second))
	if failed > 0 {
		return soak.ExitFail
	}
	return soak.ExitPass
}

// one runs the scenario with a trap and returns how often the subject wrote.
func (s sweeping) one(t *testing.T, watch *clockWatch, trap soak.Trap) (writes int64, verdict soak.Verdict) {
	plan := s.plan
	plan.Trap = &trap
	dir, err := os.MkdirTemp("", "sweep-")
	if err != nil {
		return 0, soak.Verdict{Outcome: soak.Inconclusive, Why: err.Error()}
	}
	defer os.RemoveAll(dir)
	var result runner.Result
	synctest.Test(t, func(*testing.T) {
		virtual := inMemory(subject)
		result, err = simulate(plan, dir, watch, virtual)
		writes = virtual.Writes()
	})
	if err != nil {
		return writes, soak.Verdict{Outcome: soak.Inconclusive, Why: err.Error()}
	}
	verdict = result.Verdict
	if ledger, err := result.Run.ReadLedger(); err == nil && beganLater(trap, verdict, ledger) {
		verdict.Outcome = soak.Pass
	}
	return writes, verdict
}

// beganLater tells whether all that is missing are the first trades of symbols,
// in a run whose subject was killed: it died before a trade of the symbol was
// visible. Nobody can know that it has ever run, and its successor begins with
// the first trade that it sees, as any first start does.
func beganLater(trap soak.Trap, verdict soak.Verdict, ledger soak.Ledger) bool {
	if trap.Kind != soak.TrapDieBefore && trap.Kind != soak.TrapDieAfter || verdict.Outcome != soak.Fail {
		return false
	}
	first := map[string]int64{}
	for _, account := range ledger.Accounts {
		if account.Duplicate+account.Disordered+account.Altered > 0 {
			return false
		}
		first[account.Symbol] = account.FirstID
	}
	for _, finding := range verdict.Findings {
		if finding.Guarantee != soak.Complete || finding.FirstID != first[finding.Symbol] {
			return false
		}
	}
	return len(verdict.Findings) > 0
}

// keep writes the schedule of a run that failed and returns where.
func (s sweeping) keep(trap soak.Trap) string {
	plan := s.plan
	plan.Trap = &trap
	path := filepath.Join(s.out, fmt.Sprintf("schedule-sweep-%s-%d.json", trap.Kind, trap.At))
	text, err := json.MarshalIndent(plan, "", "  ")
	if err == nil {
		err = os.MkdirAll(s.out, 0o755)
	}
	if err == nil {
		err = os.WriteFile(path, text, 0o644)
	}
	if err != nil {
		return err.Error()
	}
	return path
}
