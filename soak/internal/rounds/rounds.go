package rounds

import (
	"context"
	"errors"
	"fmt"
	"net"
	"runtime/debug"
	"time"

	"golang.org/x/sync/errgroup"

	"steadfeed/fakebinance"
	"steadfeed/soak"
	"steadfeed/soak/internal/audit"
	"steadfeed/soak/internal/testbed"
)

// Options say what is to be done to whom.
type Options struct {
	Kinds   []string      // of trouble, in this order; see Kinds
	Rounds  int           // of each kind
	Quiet   time.Duration // length of the kind quiet
	Kafka   testbed.Kafka // the caller ends it
	Subject soak.Subject  // name and command
	Rate    float64       // trades per second, of all symbols together
	Symbols int
	Seed    uint64 // of trades and of the moments of trouble
	Out     string // the directory in which run directories are made
	// Deploying: the subject is an image, and what is tried is the script that
	// replaces it; nil: a program.
	Deploying *Deploying

	// Hard ends everything at once when it is cancelled. Nil: never.
	Hard    context.Context
	OnRound func(Round)      // called with each round when it is over
	OnEvent func(soak.Event) // called with each event as it is recorded
}

// Result is what became of it.
type Result struct {
	Run     *soak.Run
	Course  soak.Course // interrupted, or in trouble?
	Rounds  []Round
	Table   []Row
	Quiet   *soak.PhaseLag // from published to visible, without trouble; nil unless asked for
	LeftOut []string       // kinds that this Kafka does not allow, and why
}

// Limits in time.
const (
	// settleWithin is for subjects to take up their work, or to stand by. The
	// slowest thing that they wait for is the session of a dead one, 6 s, and
	// after a broker's restart its own start, on a machine that may be busy.
	settleWithin = 2 * time.Minute
	// recoverWithin is for every due trade to become visible after that.
	recoverWithin = 2 * time.Minute
	// exitWithin is more than a subject's own drain timeout of 30 s, so that one
	// that overstays it is seen to do so.
	exitWithin = 35 * time.Second
	// readOutWithin is for a reader to reach the end of the topic: an hour's
	// trades at 1,000 a second take a minute.
	readOutWithin = 10 * time.Minute
	// watchEvery is how often the auditor is asked how things stand.
	watchEvery = 20 * time.Millisecond
)

// restWeight replaces the exchange's limit of 6,000 a minute. A host restarts
// now and then; these restart for an hour, each time asking for the trades of
// all symbols, and it is not their thrift that is tested here.
const restWeight = 1_000_000

// Run makes the trouble and leaves a run directory with the evidence, to be
// judged. Cancelling ctx ends it early: the subjects drain, and what there is
// is audited. The error is for a directory that cannot be made or written.
func Run(ctx context.Context, options Options) (Result, error) {
	d, err := newDriver(options)
	if err != nil {
		return Result{}, err
	}
	defer d.dir.Close()
	d.classify(d.tell(ctx))
	return d.conclude()
}

// tell is the story from the first subject to the second reading of the topic.
// The error says why it ended early.
func (d *driver) tell(ctx context.Context) (err error) {
	defer recoverAs(&err)
	defer d.lower()
	if err := d.raise(ctx); err != nil {
		return err
	}
	ctx, stop := d.watch(ctx)
	defer stop()
	early := d.troubles(ctx)
	drained := d.drain()
	return errors.Join(early, drained, stop(), d.readAgain())
}

// raise starts the registry and the exchange, which publishes from now on. No
// trade is owed before the first subject listens.
func (d *driver) raise(ctx context.Context) (err error) {
	var listener net.Listener // the exchange's own choice
	if d.options.Deploying == nil {
		d.registry = testbed.NewRegistry()
	} else if listener, err = d.enclose(ctx); err != nil {
		return err
	}
	perSymbol := d.options.Rate / float64(len(d.plan.Symbols))
	d.source, err = fakebinance.NewMarket(fakebinance.MarketOptions{
		Seed: d.options.Seed, Symbols: d.plan.Symbols, Rate: perSymbol, Start: time.Now(),
	})
	if err != nil {
		return err
	}
	d.exchange, err = fakebinance.New(fakebinance.Options{
		Source: d.source, Seed: d.options.Seed, TLS: true, RESTWeightLimit: restWeight, Listener: listener,
	})
	if err != nil {
		return fmt.Errorf("start the exchange: %w", err)
	}
	if err := d.certify(); err != nil {
		return err
	}
	d.exchange.Ledger().OnSession(d.session)
	d.topic.Brokers, d.topic.Registry = d.options.Kafka.Brokers(), d.registry.URL()
	d.auditor = audit.New(audit.Options{
		Ledger: d.exchange.Ledger(), Source: d.source, Symbols: d.plan.Symbols, OnFinding: d.finding,
	})
	d.auditor.Begin(time.Now())
	d.auditor.Phase(phaseRounds, time.Now())
	d.exchange.Start()
	return nil
}

// watch audits the topic beside the story. The context that it returns ends
// when ctx does or when the audit breaks; stop ends the audit and returns what
// went wrong with it. It can be called twice.
func (d *driver) watch(ctx context.Context) (_ context.Context, stop func() error) {
	ctx, fail := context.WithCancelCause(ctx)
	auditing, cancel := context.WithCancel(context.Background())
	var group errgroup.Group
	group.Go(func() (err error) {
		defer func() {
			if err != nil {
				err = fmt.Errorf("audit: %w", err)
				fail(err)
			}
		}()
		defer recoverAs(&err)
		if err := d.topic.Read(auditing, d.auditor); err != nil && auditing.Err() == nil {
			return err
		}
		return nil
	})
	stopped := false
	return ctx, func() error {
		if stopped {
			return nil
		}
		stopped = true
		cancel()
		err := group.Wait()
		fail(nil)
		return err
	}
}

// troubles goes through the kinds, the first start of a subject before them,
// and plays all rounds of each.
func (d *driver) troubles(ctx context.Context) error {
	if err := d.play(ctx, first, 1); err != nil {
		return err
	}
	for _, k := range d.kinds {
		if k.trouble == nil {
			if err := d.quiet(ctx); err != nil {
				return fmt.Errorf("quiet: %w", err)
			}
			continue
		}
		for n := 1; n <= d.options.Rounds; n++ {
			if err := d.play(ctx, k, n); err != nil {
				return err
			}
		}
	}
	return nil
}

// drain ends traffic, waits until every trade is visible, has the subjects end,
// and lets the auditor read what is left. It does not depend on the context of
// the story, which may have been cancelled.
func (d *driver) drain() error {
	d.exchange.StopPublishing()
	ended := time.Now()
	d.auditor.End(ended)
	d.cast.bury()
	var late error
	if len(d.cast.members) > 0 { // else nobody is left to make anything visible
		late = d.visible(d.hard, ended)
	}
	return errors.Join(late, d.cast.dismiss(), d.readOut())
}

// readOut waits until the auditor has read all that the topic was ever given.
func (d *driver) readOut() error {
	ctx, cancel := context.WithTimeout(d.hard, readOutWithin)
	defer cancel()
	end, err := d.end(ctx)
	if err != nil {
		return err
	}
	return d.auditor.ReadTo(ctx, end)
}

// end is where the topic ends when no transaction is open any more.
func (d *driver) end(ctx context.Context) (int64, error) {
	committed, open, err := d.topic.Settled(ctx)
	if open > 0 {
		d.event(soak.EventHarness, "topic", fmt.Sprintf("a transaction that nobody ends is still open: %d records before it, %d that cannot be read", committed, open))
	}
	return committed, err
}

// readAgain audits the topic a second time, as a consumer that comes later.
func (d *driver) readAgain() (err error) {
	second := audit.New(audit.Options{Ledger: d.exchange.Ledger(), Source: d.source, Symbols: d.plan.Symbols})
	ctx, cancel := context.WithTimeout(d.hard, readOutWithin)
	defer cancel()
	end, err := d.end(ctx)
	if err != nil {
		return fmt.Errorf("read the topic again: %w", err)
	}
	reading, stop := context.WithCancel(ctx)
	var group errgroup.Group
	group.Go(func() error { return d.topic.Read(reading, second) })
	unfinished := second.ReadTo(ctx, end)
	stop()
	if err := errors.Join(group.Wait(), unfinished); err != nil {
		return fmt.Errorf("read the topic again: %w", err)
	}
	again := second.Ledger()
	d.again = &again
	return nil
}

// recoverAs turns a panic of the harness into trouble, so that what there is is
// still judged.
func recoverAs(err *error) {
	if panicked := recover(); panicked != nil {
		*err = errors.Join(*err, fmt.Errorf("the harness panicked: %v\n%s", panicked, debug.Stack()))
	}
}
