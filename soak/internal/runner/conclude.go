package runner

import (
	"errors"
	"io"
	"time"

	"steadfeed/soak"
	"steadfeed/soak/internal/judge"
)

// conclude closes the books of a run, whatever became of it, and judges it.
func (r *run) conclude() (Result, error) {
	r.course.Ended = time.Now().UTC()
	r.course.Alerts = r.alerts
	var problems []error
	if r.auditor != nil {
		problems = append(problems, r.dir.WriteLedger(r.auditor.Ledger()))
	}
	problems = append(problems, r.dir.WritePlan(r.plan), r.recordCourse())
	verdict, err := Judge(r.dir)
	problems = append(problems, err)
	return Result{Run: r.dir, Course: r.course, Verdict: verdict}, errors.Join(problems...)
}

// Judge makes the verdict of a run from what its directory holds, and writes
// it for machines, for continuous integration and for people.
func Judge(dir *soak.Run) (soak.Verdict, error) { return JudgeBy(dir, dir.Plan().Criteria) }

// JudgeBy is Judge by a set of criteria, whatever the plan says.
func JudgeBy(dir *soak.Run, criteria string) (soak.Verdict, error) {
	evidence, err := judge.Load(dir)
	if err != nil {
		return soak.Verdict{}, err
	}
	evidence.Plan.Criteria = criteria
	verdict := judge.Judge(evidence)
	return verdict, errors.Join(
		dir.WriteVerdict(verdict),
		dir.WriteFile(soak.JUnitFile, func(w io.Writer) error { return judge.JUnit(w, verdict) }),
		dir.WriteFile(soak.SummaryFile, func(w io.Writer) error { return judge.Summary(w, verdict) }),
	)
}
