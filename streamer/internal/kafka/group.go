package kafka

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"golang.org/x/time/rate"
)

const (
	// leaveTimeout bounds the leaving of the group; after it the brokers find
	// out by themselves, within the session timeout.
	leaveTimeout = 3 * time.Second
	// rejoinPause is the time before a group is joined anew.
	rejoinPause = time.Second
)

// GroupOptions are what a Group needs. All fields but InstanceID are required.
type GroupOptions struct {
	Connection
	Topics []string // whose partitions are shared
	Name   string
	// InstanceID makes a restart under the same name seamless: the partitions
	// are not given to others in between (KIP-345).
	InstanceID        string
	Share             int           // partitions beyond which others may have them; 0: none
	SessionTimeout    time.Duration // without a heartbeat, after which a member is dead
	HeartbeatInterval time.Duration // how soon a member learns of a change
}

// Group shares partitions among the processes of the same group by Kafka's own
// protocol for consumers: each is a member that asks for the topic and fetches
// nothing. It says who should own what and no more; that two never do is the
// Owner's business. So a member that the group has lost, because a broker is
// away or the member was, goes on with what it has until somebody fences it or
// the group, joined again, says otherwise.
type Group struct {
	options GroupOptions
	own     func(ctx context.Context, t *Tenure)

	mu      sync.Mutex // held for the map only
	tenures map[place]*Tenure
}

// place is a partition of a topic.
type place struct {
	topic     string
	partition int32
}

// Tenure is the time for which a partition is ours.
type Tenure struct {
	Topic     string
	Partition int32

	end   context.CancelCauseFunc
	over  chan struct{}
	state atomic.Int32
}

// What the state of a tenure can be.
const (
	held     = iota // ours, says the group
	adrift          // the group has lost this process: it may be somebody else's
	resigned        // given up while adrift
)

// Resign gives the partition up if the group has lost this process, and tells
// whether it did. It is for who is fenced: then the partition may be somebody
// else's, and should be left alone. After it own has to return; if the group
// then says that the partition is ours still, it is run anew.
func (t *Tenure) Resign() bool { return t.state.CompareAndSwap(adrift, resigned) }

// ErrLost is why the time with a partition is over: it has another owner
// already. After a revocation it has not; then the cause is context.Canceled.
var ErrLost = errors.New("the partition was lost")

// NewGroup returns a group that nobody has joined yet.
func NewGroup(o GroupOptions) *Group {
	return &Group{options: o, tenures: map[place]*Tenure{}}
}

// Run is a member of the group until ctx ends. It runs own for each partition
// that is ours, and ends own's context and waits for own when it is ours no
// more. It never gives up.
func (g *Group) Run(ctx context.Context, own func(ctx context.Context, t *Tenure)) error {
	g.own = own
	for name := g.options.InstanceID; ctx.Err() == nil; {
		err := g.member(ctx, name)
		if errors.Is(err, kerr.FencedInstanceID) {
			g.options.Log.Error("another process has the same instance id; this one goes on without a name, as a standby",
				"group", g.options.Name, "instance_id", name)
			name = ""
		} else if err != nil && ctx.Err() == nil {
			g.options.Log.Warn(err.Error(), "group", g.options.Name, "retry_in", rejoinPause)
		}
		if err != nil {
			select {
			case <-ctx.Done():
			case <-time.After(rejoinPause):
			}
		}
	}
	return nil
}

// member is one membership, from joining to leaving.
func (g *Group) member(ctx context.Context, name string) error {
	o := &g.options
	options := []kgo.Opt{
		kgo.ConsumerGroup(o.Name),
		kgo.ConsumeTopics(o.Topics...),
		kgo.DisableAutoCommit(),
		kgo.Balancers(keep{o.Share, g.adrift}),
		kgo.SessionTimeout(o.SessionTimeout),
		kgo.HeartbeatInterval(o.HeartbeatInterval),
		kgo.ConsumeResetOffset(kgo.NewOffset().AtEnd()),
		kgo.OnPartitionsAssigned(func(_ context.Context, client *kgo.Client, which map[string][]int32) {
			if g.begin(ctx, which) {
				client.ForceRebalance()
			}
		}),
		kgo.OnPartitionsRevoked(func(_ context.Context, _ *kgo.Client, which map[string][]int32) { g.revoke(which) }),
		kgo.OnPartitionsLost(func(context.Context, *kgo.Client, map[string][]int32) { g.lose() }),
	}
	if name != "" {
		options = append(options, kgo.InstanceID(name))
	}
	client, err := o.client(options...)
	if err != nil {
		return err
	}
	defer client.Close()
	client.PauseFetchTopics(o.Topics...) // it fetches nothing
	err = g.watch(ctx, client)
	g.leave(ctx, client, name)
	return err
}

// watch waits for the end of the membership.
func (g *Group) watch(ctx context.Context, client *kgo.Client) error {
	say := rate.Sometimes{First: 1, Interval: sameWarningEvery} // it is tried many times a second
	for {
		fetched := client.PollFetches(ctx) // nothing but errors
		if ctx.Err() != nil {
			return nil
		}
		for _, e := range fetched.Errors() {
			if errors.Is(e.Err, kerr.FencedInstanceID) || errors.Is(e.Err, kgo.ErrClientClosed) {
				return fmt.Errorf("member of group %s: %w", g.options.Name, e.Err)
			}
			say.Do(func() { g.options.Log.Warn("group: "+e.Err.Error(), "group", g.options.Name) })
		}
	}
}

// leave ends the membership, so that others need not wait for the session
// timeout. What is ours is finished first.
func (g *Group) leave(ctx context.Context, client *kgo.Client, name string) {
	g.finish(func(place, *Tenure) bool { return true }, context.Canceled)
	bound, cancel := context.WithTimeout(context.WithoutCancel(ctx), leaveTimeout)
	defer cancel()
	err := client.LeaveGroupContext(bound)
	if name != "" && ctx.Err() != nil {
		// A member with a name stays in the group unless it is said so.
		var left kadm.LeaveGroupResponses
		left, err = kadm.NewClient(client).LeaveGroup(bound, kadm.LeaveGroup(g.options.Name).InstanceIDs(name))
		if err == nil {
			err = left.Error()
		}
	}
	if err != nil {
		g.options.Log.Warn("leave the group: "+err.Error(), "group", g.options.Name)
	}
}

// begin runs own for partitions that are ours now. After a loss, which is all
// that are. It tells whether something ended that was said to be ours: then the
// group may be keeping it back until we join again without it.
func (g *Group) begin(ctx context.Context, which map[string][]int32) (lost bool) {
	now := map[place]bool{}
	for topic, partitions := range which {
		for _, partition := range partitions {
			now[place{topic, partition}] = true
		}
	}
	lost = g.finish(func(at place, t *Tenure) bool { return t.state.Load() != held && !now[at] }, ErrLost)
	g.mu.Lock()
	defer g.mu.Unlock()
	for at := range now {
		before := g.tenures[at]
		if before.goesOn() {
			continue
		}
		mine, end := context.WithCancelCause(ctx)
		t := &Tenure{Topic: at.topic, Partition: at.partition, end: end, over: make(chan struct{})}
		g.tenures[at] = t
		go func() { // ends with mine at the latest; finish waits for it
			defer close(t.over)
			if before != nil { // it has resigned
				before.end(ErrLost)
				<-before.over
			}
			g.own(mine, t)
		}()
	}
	return lost
}

// adrift is what we go on with although the group has lost us.
func (g *Group) adrift() (all []place) {
	g.mu.Lock()
	defer g.mu.Unlock()
	for at, t := range g.tenures {
		if t.state.Load() == adrift {
			all = append(all, at)
		}
	}
	return all
}

// goesOn ends being adrift, and tells whether there is anything to go on with.
func (t *Tenure) goesOn() bool {
	return t != nil && (t.state.CompareAndSwap(adrift, held) || t.state.Load() == held)
}

// revoke ends the time with partitions that others are to have.
func (g *Group) revoke(which map[string][]int32) {
	g.finish(func(at place, _ *Tenure) bool { return slices.Contains(which[at.topic], at.partition) }, context.Canceled)
}

// lose notes that the group does not know us any more.
func (g *Group) lose() {
	g.mu.Lock()
	defer g.mu.Unlock()
	for _, t := range g.tenures {
		t.state.CompareAndSwap(held, adrift)
	}
}

// finish ends the time with some partitions and waits until nothing more is
// written to them. It tells whether there were any.
func (g *Group) finish(which func(place, *Tenure) bool, cause error) bool {
	var ending []*Tenure
	g.mu.Lock()
	for at, t := range g.tenures {
		if which(at, t) {
			delete(g.tenures, at)
			t.end(cause)
			ending = append(ending, t)
		}
	}
	g.mu.Unlock()
	for _, t := range ending {
		<-t.over
	}
	return len(ending) > 0
}
