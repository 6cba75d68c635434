package rounds

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"time"

	"steadfeed/fakebinance"
	"steadfeed/soak"
	"steadfeed/soak/internal/audit"
	"steadfeed/soak/internal/testbed"
	"steadfeed/streamer/schema"
)

// driver is the state of a test in progress. It belongs to the goroutine that
// tells the story; sessions and findings, which others report, only go through
// event.
type driver struct {
	options  Options
	kinds    []kind
	hard     context.Context
	plan     soak.Plan
	dir      *soak.Run
	registry registry
	source   *fakebinance.Market
	exchange *fakebinance.Server
	topic    audit.Topic
	auditor  *audit.Auditor
	again    *soak.Ledger // of the second reader
	cast     cast
	course   soak.Course
	result   Result

	mu     sync.Mutex // of the events; never held while waiting
	failed error      // the first event that could not be written
}

// registry is a schema registry in this process.
type registry interface {
	URL() string
	Close()
}

// Errors that are the subject's own, so that the verdict is that it failed.
var (
	errDied       = errors.New("ended by itself")
	errUnsettled  = errors.New("the subjects did not settle")
	errInvisible  = errors.New("not every due trade became visible")
	errUncleanEnd = errors.New("did not drain and end well")
)

func newDriver(options Options) (*driver, error) {
	kinds, leftOut := deployments, []string(nil)
	if options.Deploying == nil {
		var err error
		if kinds, leftOut, err = choose(options.Kinds, options.Kafka); err != nil {
			return nil, err
		}
	}
	d := &driver{options: options, kinds: kinds, hard: options.Hard, plan: draft(options)}
	if d.hard == nil {
		d.hard = context.Background()
	}
	d.result.LeftOut = leftOut
	var err error
	if d.dir, err = soak.Create(options.Out, d.plan, time.Now()); err != nil {
		return nil, err
	}
	d.cast = cast{driver: d}
	// A topic and a group that nobody used before: a real Kafka outlives tests.
	d.plan.Subject.Settings["STREAMER_TOPIC"] = schema.Topic + "." + d.dir.ID()
	d.plan.Subject.Settings["STREAMER_GROUP"] = d.dir.ID()
	d.topic = audit.Topic{Topic: d.plan.Subject.Settings["STREAMER_TOPIC"], Keep: true}
	d.course.Began = time.Now().UTC()
	if options.Deploying == nil {
		d.course.Subject = testbed.Describe(d.plan.Subject)
	} else if d.course.Subject, err = testbed.DescribeImage(context.Background(), d.plan.Subject); err != nil {
		return nil, err
	}
	return d, d.dir.WriteCourse(d.course)
}

// lots draws what a round leaves to chance. It does not depend on what other
// rounds drew.
func (d *driver) lots(k kind, n int) *rand.Rand {
	seed := d.options.Seed
	for _, c := range k.name {
		seed = seed*31 + uint64(c)
	}
	return rand.New(rand.NewPCG(seed, uint64(n)))
}

// visible waits until every trade that was due at a moment is visible.
func (d *driver) visible(ctx context.Context, due time.Time) error {
	late := time.NewTimer(recoverWithin)
	defer late.Stop()
	ticker := time.NewTicker(watchEvery)
	defer ticker.Stop()
	for {
		now := d.auditor.Now(time.Now())
		if !now.VisibleTo.Before(due) {
			return nil
		}
		if err := d.cast.alive(); err != nil {
			return err
		}
		select {
		case <-ticker.C:
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-late.C:
			return fmt.Errorf("%w within %s: the oldest was due at %s, %d are behind",
				errInvisible, recoverWithin, now.VisibleTo.UTC().Format(time.RFC3339Nano), now.Behind)
		}
	}
}

// event records something dated.
func (d *driver) event(kind soak.EventKind, name, text string) {
	event := soak.Event{At: time.Now().UTC(), Kind: kind, Name: name, Text: text}
	if err := d.dir.AppendEvent(event); err != nil {
		d.mu.Lock()
		if d.failed == nil {
			d.failed = err
		}
		d.mu.Unlock()
	}
	if d.options.OnEvent != nil {
		d.options.OnEvent(event)
	}
}

func (d *driver) finding(f soak.Finding) {
	d.event(soak.EventFinding, string(f.Guarantee), fmt.Sprintf("%s %d to %d: %s", f.Symbol, f.FirstID, f.LastID, f.Why))
}

func (d *driver) session(r fakebinance.SessionRecord) {
	text := "opened"
	if !r.Closed.IsZero() {
		text = fmt.Sprintf("ended by %s: %s", r.EndedBy, r.Reason)
	}
	d.event(soak.EventSession, fmt.Sprint(r.N), text)
}

// classify says whose fault it is that the story ended early.
func (d *driver) classify(err error) {
	d.mu.Lock()
	err = errors.Join(err, d.failed)
	d.mu.Unlock()
	switch {
	case err == nil:
	case blames(err):
		d.course.Subject.Exit = strings.ReplaceAll(err.Error(), "\n", "; ")
	case errors.Is(err, context.Canceled):
		d.course.Interrupted = true
	default:
		d.course.Trouble = err.Error()
	}
	if err != nil {
		d.event(soak.EventHarness, "rounds", "ended early: "+err.Error())
	}
}

// blames tells whether an error is the subject's own fault.
func blames(err error) bool {
	return slices.ContainsFunc([]error{errDied, errUnsettled, errInvisible, errUncleanEnd, errNotDeployed}, func(e error) bool { return errors.Is(err, e) })
}

// lower stops whatever runs.
func (d *driver) lower() {
	d.cast.kill()
	if d.options.Deploying != nil {
		if err := RemoveDeployed(context.Background()); err != nil {
			d.event(soak.EventHarness, "containers", fmt.Sprintf("close: %v", err))
		}
	}
	if d.exchange != nil {
		if err := d.exchange.Close(); err != nil {
			d.event(soak.EventHarness, "exchange", fmt.Sprintf("close: %v", err))
		}
	}
	if d.registry != nil {
		d.registry.Close()
	}
}
