package rounds

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"slices"
	"time"

	"steadfeed/soak"
)

// File is what a run directory has of the rounds beside the other files: each
// round, and the table.
const File = "rounds.json"

// Row is one kind's line in the table.
type Row struct {
	Kind   string `json:"kind"`
	Rounds int    `json:"rounds"`
	broken
	PauseMin soak.Duration `json:"pause_min"`
	PauseP50 soak.Duration `json:"pause_p50"`
	PauseP99 soak.Duration `json:"pause_p99"`
	PauseMax soak.Duration `json:"pause_max"`
}

// after is the row for what no round accounts for: what was broken between
// rounds, or found by the end of the audit or by the second reader.
const after = "elsewhere"

// tabulate sums the rounds up by kind, in the order in which they were played.
// total is what was broken in all.
func tabulate(rounds []Round, total broken) []Row {
	var rows []Row
	var sum broken
	for _, r := range rounds {
		i := slices.IndexFunc(rows, func(row Row) bool { return row.Kind == r.Kind })
		if i < 0 {
			i = len(rows)
			rows = append(rows, Row{Kind: r.Kind})
		}
		rows[i].Rounds++
		rows[i].broken = rows[i].plus(r.broken)
		sum = sum.plus(r.broken)
	}
	for i := range rows {
		var pauses []soak.Duration
		for _, r := range rounds {
			if r.Kind == rows[i].Kind {
				pauses = append(pauses, r.Pause)
			}
		}
		slices.Sort(pauses)
		rows[i].PauseMin, rows[i].PauseMax = pauses[0], pauses[len(pauses)-1]
		rows[i].PauseP50, rows[i].PauseP99 = quantile(pauses, 0.5), quantile(pauses, 0.99)
	}
	if rest := total.minus(sum); rest != (broken{}) {
		rows = append(rows, Row{Kind: after, broken: rest})
	}
	return rows
}

// quantile is the value that a share q does not exceed, of sorted ones.
func quantile(sorted []soak.Duration, q float64) soak.Duration {
	return sorted[max(int(math.Ceil(q*float64(len(sorted))))-1, 0)]
}

// conclude closes the books, whatever became of the story.
func (d *driver) conclude() (Result, error) {
	d.course.Ended = time.Now().UTC()
	d.result.Run = d.dir
	var problems []error
	var total broken
	if d.auditor != nil {
		ledger := d.auditor.Ledger()
		if d.again != nil {
			ledger = worst(ledger, *d.again)
		}
		for _, a := range ledger.Accounts {
			total = total.plus(broken{a.Lost, a.Duplicate, a.Disordered, a.Altered})
		}
		for _, p := range ledger.Phases {
			if p.Phase == phaseQuiet {
				d.result.Quiet = &p
			}
		}
		problems = append(problems, d.dir.WriteLedger(ledger))
	}
	d.result.Course, d.result.Table = d.course, tabulate(d.result.Rounds, total)
	d.plan.Phases = []soak.Phase{{Name: phaseRounds, For: soak.Duration(d.course.Ended.Sub(d.course.Began)), Chaos: true}}
	problems = append(problems, d.dir.WritePlan(d.plan), d.dir.WriteCourse(d.course), d.dir.WriteFile(File, func(w io.Writer) error {
		out := json.NewEncoder(w)
		out.SetIndent("", "  ")
		return out.Encode(struct {
			Table   []Row          `json:"table"`
			Quiet   *soak.PhaseLag `json:"quiet,omitempty"`
			LeftOut []string       `json:"left_out,omitempty"`
			Rounds  []Round        `json:"rounds"`
		}{d.result.Table, d.result.Quiet, d.result.LeftOut, d.result.Rounds})
	}))
	return d.result, errors.Join(problems...)
}

// worst joins the accounts of the two readers: what either of them found is
// found. They differ only when the topic changed between the readings, or when
// one reader is at fault.
func worst(live, again soak.Ledger) soak.Ledger {
	for i := range live.Accounts {
		a := &live.Accounts[i]
		j := slices.IndexFunc(again.Accounts, func(b soak.Account) bool { return b.Symbol == a.Symbol })
		if j < 0 {
			continue
		}
		b := again.Accounts[j]
		if a.Delivered == b.Delivered && a.Lost == b.Lost && a.Duplicate == b.Duplicate && a.Disordered == b.Disordered && a.Altered == b.Altered {
			continue
		}
		why := fmt.Sprintf("as it was written %d delivered, %d lost, %d duplicate, %d disordered, %d altered; read again %d, %d, %d, %d, %d",
			a.Delivered, a.Lost, a.Duplicate, a.Disordered, a.Altered, b.Delivered, b.Lost, b.Duplicate, b.Disordered, b.Altered)
		a.Delivered = min(a.Delivered, b.Delivered)
		a.Lost, a.Duplicate = max(a.Lost, b.Lost), max(a.Duplicate, b.Duplicate)
		a.Disordered, a.Altered = max(a.Disordered, b.Disordered), max(a.Altered, b.Altered)
		live.Findings = append(live.Findings, soak.Finding{
			Guarantee: soak.Faithful, Symbol: a.Symbol, FirstID: a.FirstID, LastID: a.LastID, Why: "the topic reads differently: " + why,
		})
		if len(live.Findings) > soak.MaxFindings {
			live.Findings = live.Findings[:soak.MaxFindings]
			live.FindingsOmitted++
		}
	}
	return live
}
