package soak

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"iter"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// What a run directory holds. The two NDJSON files grow while the run lasts;
// every other file is replaced as a whole, so that a reader sees the old one
// or the new one and never half of one.
const (
	PlanFile    = "plan.json"      // the plan, at the end with what became of its injections
	CourseFile  = "course.json"    // how the run itself went: subject, times, interruption
	EventsFile  = "events.ndjson"  // one Event a line
	SamplesFile = "samples.ndjson" // one Sample a line
	LedgerFile  = "ledger.json"    // published against delivered
	VerdictFile = "verdict.json"   // the judgement; VerdictJSONSchema describes it
	JUnitFile   = "junit.xml"      // the checks, for continuous integration
	SummaryFile = "summary.md"     // the verdict on a page
	ReportFile  = "report.html"    // the verdict with its charts
	LogsDir     = "logs"           // output of the processes, one file each
	ProfilesDir = "profiles"       // pprof profiles of the subject
	Latest      = "latest"         // beside the run directories: a symbolic link to the newest
)

// stampLayout makes directory names that sort by time and need no quoting.
const stampLayout = "20060102T150405Z"

// maxNamesakes bounds how many runs of one plan and seed can begin within the
// same second; more than a few is a loop that starts runs by mistake.
const maxNamesakes = 100

// Course is what the harness knows about the run as a whole. It is written
// when the subject has started and again at the end; a run that was killed in
// between still says what it tested.
type Course struct {
	Subject     SubjectBuild `json:"subject"`
	Began       time.Time    `json:"began"`
	Ended       time.Time    `json:"ended,omitzero"`
	Interrupted bool         `json:"interrupted,omitempty"`
	Alerts      *Alerts      `json:"alerts,omitempty"`  // nil: nobody watched for them
	Trouble     string       `json:"trouble,omitempty"` // why the harness itself could not do its work
}

// Run is a run directory. The Append and Write methods may be called from
// several goroutines, except WritePlan.
type Run struct {
	dir     string
	plan    Plan
	events  *os.File // nil when the run was opened for reading
	samples *os.File
}

// Create makes the directory of a new run below root, which is made if it does
// not exist, and points root/latest at it. The name of the directory is the
// time in UTC, the plan and the seed.
func Create(root string, plan Plan, now time.Time) (*Run, error) {
	if plan.Name == "" || strings.ContainsAny(plan.Name, `/\`) {
		return nil, fmt.Errorf("create run directory: plan name %q cannot be part of a directory name", plan.Name)
	}
	root, err := filepath.Abs(root)
	if err != nil {
		return nil, fmt.Errorf("create run directory: %w", err)
	}
	if err := os.MkdirAll(root, 0o755); err != nil {
		return nil, fmt.Errorf("create run directory: %w", err)
	}
	name := fmt.Sprintf("%s-%s-%d", now.UTC().Format(stampLayout), plan.Name, plan.Seed)
	dir, err := makeUnique(filepath.Join(root, name))
	if err != nil {
		return nil, fmt.Errorf("create run directory: %w", err)
	}
	for _, sub := range []string{LogsDir, ProfilesDir} {
		if err := os.Mkdir(filepath.Join(dir, sub), 0o755); err != nil {
			return nil, fmt.Errorf("create run directory: %w", err)
		}
	}
	r := &Run{dir: dir}
	if err := r.WritePlan(plan); err != nil {
		return nil, err
	}
	if r.events, err = openAppend(r.path(EventsFile)); err != nil {
		return nil, err
	}
	if r.samples, err = openAppend(r.path(SamplesFile)); err != nil {
		r.events.Close()
		return nil, err
	}
	if err := pointLatest(root, filepath.Base(dir)); err != nil {
		r.Close()
		return nil, err
	}
	return r, nil
}

// Open opens a run directory, or a symbolic link to one such as runs/latest,
// for reading and for writing the files that follow from the evidence
// (verdict, report). Events and samples cannot be appended to it.
func Open(path string) (*Run, error) {
	dir, err := filepath.EvalSymlinks(path)
	if err != nil {
		return nil, fmt.Errorf("open run: %w", err)
	}
	if dir, err = filepath.Abs(dir); err != nil {
		return nil, fmt.Errorf("open run: %w", err)
	}
	r := &Run{dir: dir}
	if err := r.readJSON(PlanFile, &r.plan); err != nil {
		if errors.Is(err, fs.ErrNotExist) {
			return nil, fmt.Errorf("open run: %s has no %s, so it is not a run directory: %w", dir, PlanFile, fs.ErrNotExist)
		}
		return nil, err
	}
	return r, nil
}

// Close ends appending. The run can still be read.
func (r *Run) Close() error {
	var errs []error
	for _, f := range []*os.File{r.events, r.samples} {
		if f != nil {
			errs = append(errs, f.Close())
		}
	}
	r.events, r.samples = nil, nil
	return errors.Join(errs...)
}

// ID is the name of the directory, by which people refer to the run.
func (r *Run) ID() string { return filepath.Base(r.dir) }

// Dir is the absolute path of the directory.
func (r *Run) Dir() string { return r.dir }

// Plan is the plan as last written.
func (r *Run) Plan() Plan { return r.plan }

// ReadPlan reads a plan from a file, such as the plan.json of a run, to be run
// again: what became of its injections is left out.
func ReadPlan(path string) (plan Plan, err error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return plan, fmt.Errorf("read plan: %w", err)
	}
	if err := json.Unmarshal(text, &plan); err != nil {
		return plan, fmt.Errorf("read plan %s: %w", path, err)
	}
	for i := range plan.Injections {
		in := &plan.Injections[i]
		in.Began, in.Ended, in.Proven, in.Evidence, in.Err = time.Time{}, time.Time{}, false, "", ""
	}
	return plan, nil
}

// AppendEvent adds one line to the events. It is in the file, though not yet
// on the disk, when AppendEvent returns.
func (r *Run) AppendEvent(e Event) error { return appendLine(r.events, EventsFile, e) }

// AppendSample adds one line to the samples, as AppendEvent does.
func (r *Run) AppendSample(s Sample) error { return appendLine(r.samples, SamplesFile, s) }

// Events reads the events in the order in which they were written. A last line
// that was torn by a crash is left out; any other line that cannot be read
// ends the sequence with its error. No file means no events.
func (r *Run) Events() iter.Seq2[Event, error] { return readLines[Event](r.path(EventsFile)) }

// Samples reads the samples, as Events does.
func (r *Run) Samples() iter.Seq2[Sample, error] { return readLines[Sample](r.path(SamplesFile)) }

// WritePlan replaces the plan: at the end of a run it holds what became of the
// injections.
func (r *Run) WritePlan(plan Plan) error {
	if err := r.writeJSON(PlanFile, plan); err != nil {
		return err
	}
	r.plan = plan
	return nil
}

// WriteCourse replaces the course.
func (r *Run) WriteCourse(c Course) error { return r.writeJSON(CourseFile, c) }

// ReadCourse reads the course; the error is fs.ErrNotExist when the run did
// not get as far as starting its subject.
func (r *Run) ReadCourse() (c Course, err error) { return c, r.readJSON(CourseFile, &c) }

// WriteLedger replaces the ledger.
func (r *Run) WriteLedger(l Ledger) error { return r.writeJSON(LedgerFile, l) }

// ReadLedger reads the ledger; the error is fs.ErrNotExist when the run did
// not get as far as its audit.
func (r *Run) ReadLedger() (l Ledger, err error) { return l, r.readJSON(LedgerFile, &l) }

// WriteVerdict replaces the verdict.
func (r *Run) WriteVerdict(v Verdict) error { return r.writeJSON(VerdictFile, v) }

// ReadVerdict reads the verdict; the error is fs.ErrNotExist when the run has
// not been judged.
func (r *Run) ReadVerdict() (v Verdict, err error) { return v, r.readJSON(VerdictFile, &v) }

func (r *Run) path(name string) string { return filepath.Join(r.dir, name) }

func (r *Run) readJSON(name string, v any) error {
	text, err := os.ReadFile(r.path(name))
	if err != nil {
		return fmt.Errorf("read run %s: %w", r.ID(), err)
	}
	if err := json.Unmarshal(text, v); err != nil {
		return fmt.Errorf("read run %s: %s: %w", r.ID(), name, err)
	}
	return nil
}

// makeUnique makes the directory path, or path-2, path-3 and so on.
func makeUnique(path string) (string, error) {
	dir := path
	for n := 2; ; n++ {
		err := os.Mkdir(dir, 0o755)
		if err == nil {
			return dir, nil
		}
		if !errors.Is(err, fs.ErrExist) || n > maxNamesakes {
			return "", err
		}
		dir = fmt.Sprintf("%s-%d", path, n)
	}
}

// pointLatest makes root/latest lead to name. The link is relative, so that
// the whole tree can be moved or copied.
func pointLatest(root, name string) error {
	fresh := filepath.Join(root, "."+Latest+"-"+name)
	if err := os.Symlink(name, fresh); err != nil {
		return fmt.Errorf("point %s at %s: %w", Latest, name, err)
	}
	if err := os.Rename(fresh, filepath.Join(root, Latest)); err != nil {
		os.Remove(fresh)
		return fmt.Errorf("point %s at %s: %w", Latest, name, err)
	}
	return nil
}
