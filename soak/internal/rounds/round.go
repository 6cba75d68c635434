package rounds

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"time"

	"steadfeed/soak"
	"steadfeed/soak/internal/testbed"
)

// kind is one kind of trouble.
type kind struct {
	name  string
	about string
	cast  int           // subjects when a round begins
	nodes int           // brokers that must be ours to take away
	pause time.Duration // how long a due trade may stay invisible
	// trouble is made; when it returns, it is over. evidence says what showed
	// that it took effect; proven is false when nothing did.
	trouble func(ctx context.Context, d *driver, n int, lots *rand.Rand) (evidence string, proven bool, err error)
}

// troubles in the order in which `-kinds all` plays them.
var troubles = []kind{quiet, restart, drain, handover, kill, stop, second, broker, brokerAway}

// Kinds lists the names of the kinds with what each is about.
func Kinds() (names, about []string) {
	for _, k := range troubles {
		names, about = append(names, k.name), append(about, k.about)
	}
	return names, about
}

// choose finds kinds by name and leaves out those for which the Kafka at hand
// has not enough brokers of ours.
func choose(names []string, kafka testbed.Kafka) (kinds []kind, leftOut []string, err error) {
	for _, name := range names {
		i := slices.IndexFunc(troubles, func(k kind) bool { return k.name == name })
		if i < 0 {
			known, _ := Kinds()
			return nil, nil, fmt.Errorf("unknown kind %q: there is %s", name, strings.Join(known, ", "))
		}
		k := troubles[i]
		if has := kafka.Nodes(); has < k.nodes {
			leftOut = append(leftOut, fmt.Sprintf("%s: it needs %d brokers that can be taken away, this Kafka has %d", name, k.nodes, has))
			continue
		}
		kinds = append(kinds, k)
	}
	return kinds, leftOut, nil
}

// First is the kind of the round in which the first subject is started.
const First = "start"

// first is the start of the first subject: not a kind that one can choose, but
// trouble enough to have a window of its own.
var first = kind{
	name: First, pause: brokerPause, // a Kafka that was never used makes its internal topics first
	trouble: func(ctx context.Context, d *driver, _ int, _ *rand.Rand) (string, bool, error) {
		name := d.cast.free()
		_, err := d.cast.start(name, name)
		return "the first subject was started", true, err
	},
}

// Round is one round as it went.
type Round struct {
	Kind      string        `json:"kind"`
	N         int           `json:"n"`
	Pause     soak.Duration `json:"pause"`     // the longest that a due trade was invisible
	Recovered soak.Duration `json:"recovered"` // from the beginning of the trouble until all was well again
	broken
	Evidence string `json:"evidence"`
	Err      string `json:"err,omitempty"`
}

// broken is how many trades a guarantee was broken for.
type broken struct {
	Lost       int64 `json:"lost"`
	Duplicate  int64 `json:"duplicate"`
	Disordered int64 `json:"disordered"`
	Altered    int64 `json:"altered"`
}

func (b broken) minus(other broken) broken {
	return broken{b.Lost - other.Lost, b.Duplicate - other.Duplicate, b.Disordered - other.Disordered, b.Altered - other.Altered}
}

func (b broken) plus(other broken) broken { return b.minus(broken{}.minus(other)) }

// afterwards is how long the effects of a round are still its own: until the
// next begins, as a rule.
const afterwards = time.Second

// play is one round from the muster to its line in the table.
func (d *driver) play(ctx context.Context, k kind, n int) (err error) {
	r := Round{Kind: k.name, N: n}
	name := fmt.Sprintf("%s-%d", k.name, n)
	defer func() {
		if err != nil {
			err = fmt.Errorf("%s: %w", name, err)
		}
	}()
	if k.cast > 0 {
		if err := d.cast.muster(ctx, k.cast); err != nil {
			return fmt.Errorf("before the trouble: %w", err)
		}
	}
	before := d.broken()
	injection := soak.Injection{
		Name: name, Fault: k.name, Kind: k.name, Target: "subjects", Began: time.Now().UTC(),
		At:          soak.Duration(time.Since(d.course.Began)),
		Disturbance: soak.Disturbance{Pause: soak.Duration(k.pause), Reconnects: 3, Settle: soak.Duration(afterwards)},
	}
	d.event(soak.EventInjection, name, "begins")
	d.auditor.Disturb(name, injection.Began)
	injection.Evidence, injection.Proven, err = k.trouble(ctx, d, n, d.lots(k, n))
	if err == nil {
		err = d.cast.settle(ctx)
	}
	if err == nil {
		err = d.visible(ctx, time.Now())
	}
	injection.Ended = time.Now().UTC()
	injection.For = soak.Duration(injection.Ended.Sub(injection.Began))
	d.auditor.Heal(name, injection.Ended, afterwards)
	d.event(soak.EventInjection, name, "over: "+injection.Evidence)

	r.Recovered, r.Evidence = injection.For, injection.Evidence
	r.broken = d.broken().minus(before)
	r.Pause = soak.Duration(d.auditor.Pause(name)) // as of d.broken, also if a trade is still invisible
	if err != nil {
		r.Err = err.Error()
	}
	if err != nil && !blames(err) { // what the subject did not survive took effect
		injection.Err = err.Error()
	}
	d.plan.Injections = append(d.plan.Injections, injection)
	d.result.Rounds = append(d.result.Rounds, r)
	if d.options.OnRound != nil {
		d.options.OnRound(r)
	}
	return err
}

// broken is what is broken at this moment.
func (d *driver) broken() broken {
	now := d.auditor.Now(time.Now())
	return broken{now.Lost, now.Duplicate, now.Disordered, now.Altered}
}

// pause waits for a time that is itself part of the trouble.
func pause(ctx context.Context, wait time.Duration) error {
	timer := time.NewTimer(wait)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// moment waits for a time drawn by lot up to most, so that trouble meets
// transactions in every state.
func moment(ctx context.Context, lots *rand.Rand, most time.Duration) error {
	return pause(ctx, time.Duration(lots.Int64N(int64(most))))
}
