package runner

import (
	"context"
	"errors"
	"fmt"
	"time"

	"steadfeed/fakebinance"
	"steadfeed/soak"
	"steadfeed/soak/internal/testbed"
)

// event records something dated. A run whose events cannot be written cannot
// be judged, so that ends it.
func (r *run) event(kind soak.EventKind, name, text string, fields map[string]string) {
	event := soak.Event{At: time.Now().UTC(), Kind: kind, Name: name, Text: text, Fields: fields}
	if err := r.dir.AppendEvent(event); err != nil {
		r.giveUp(err)
	}
	if r.options.OnEvent != nil {
		r.options.OnEvent(event)
	}
}

func (r *run) failing(fail context.CancelCauseFunc) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.fail = fail
}

func (r *run) giveUp(err error) {
	r.mu.Lock()
	fail := r.fail
	r.mu.Unlock()
	if fail != nil {
		fail(err)
	}
}

// maxSessionEvents bounds the session events of a run: a subject that
// reconnects without end must not fill the disk. The ledger counts them all.
const maxSessionEvents = 10 * soak.MaxSessions

// session records a session that opened or closed.
func (r *run) session(record fakebinance.SessionRecord) {
	if r.sessions.Add(1) > maxSessionEvents {
		return
	}
	name := fmt.Sprintf("session %d", record.N)
	if record.Closed.IsZero() {
		r.event(soak.EventSession, name, fmt.Sprintf("opened with %d streams", record.Streams), nil)
		return
	}
	fields := map[string]string{"ended_by": record.EndedBy}
	if record.During != "" {
		fields["during"] = record.During
	}
	r.event(soak.EventSession, name, fmt.Sprintf("closed by %s after %s: %s",
		record.EndedBy, record.Closed.Sub(record.Opened).Round(time.Millisecond), record.Reason), fields)
}

// finding records a broken guarantee. The auditor counts all; the events show
// as many as the ledger keeps.
func (r *run) finding(f soak.Finding) {
	if r.findings.Add(1) > soak.MaxFindings {
		return
	}
	ids := fmt.Sprint(f.FirstID)
	if f.LastID != f.FirstID {
		ids = fmt.Sprintf("%d to %d", f.FirstID, f.LastID)
	}
	r.event(soak.EventFinding, string(f.Guarantee), fmt.Sprintf("%s %s: %s", f.Symbol, ids, f.Why),
		map[string]string{"symbol": f.Symbol, "during": f.During})
}

// saveProfiles keeps the subject's profiles of this moment. That a subject
// serves none is worth an event and nothing more.
func (r *run) saveProfiles(ctx context.Context, moment string) {
	ctx, cancel := context.WithTimeout(ctx, profileWithin)
	defer cancel()
	if err := r.bed.SaveProfiles(ctx, moment); err != nil {
		r.event(soak.EventHarness, "profiles", fmt.Sprintf("none at the end of %s: %v", moment, err), nil)
	}
}

// recordCourse writes what is known of the run as a whole.
func (r *run) recordCourse() error { return r.dir.WriteCourse(r.course) }

// classify notes why a run ended before its plan did, if it did.
func (r *run) classify(err error) {
	told := map[string]bool{} // what ends the story and what ends a watcher can be one and the same
	for _, cause := range flatten(err) {
		text := reason(cause)
		if told[text] {
			continue
		}
		told[text] = true
		var notReady *testbed.NotReadyError
		switch {
		case errors.As(cause, &notReady):
			r.course.Subject.Exit = text
		case errors.Is(cause, errSubjectDied):
			r.course.Subject.Exit = text
		case errors.Is(cause, errNothingPublished): // the ledger says it
		case errors.Is(cause, context.Canceled):
			r.course.Interrupted = true
		default:
			r.course.Trouble = text
		}
		r.event(soak.EventHarness, "end", "ended early: "+text, nil)
	}
}

// reason is why something ended early, in words.
func reason(cause error) string {
	if errors.Is(cause, context.Canceled) {
		return "interrupted"
	}
	return cause.Error()
}

// flatten lists the errors that were joined into one.
func flatten(err error) []error {
	if err == nil {
		return nil
	}
	joined, isJoined := err.(interface{ Unwrap() []error })
	if !isJoined {
		return []error{err}
	}
	var all []error
	for _, inner := range joined.Unwrap() {
		all = append(all, flatten(inner)...)
	}
	return all
}
