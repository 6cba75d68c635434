package kafka

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/twmb/franz-go/pkg/kfake"

	"steadfeed/fakebinance/memnet"
	"steadfeed/streamer/internal/testlog"
)

const (
	heartbeat = 100 * time.Millisecond
	session   = 6 * time.Second
)

// society is a fake broker and the members of a group, in one bubble.
type society struct {
	t       *testing.T
	network *memnet.Network
	cluster *kfake.Cluster
	brokers []string

	mu     sync.Mutex
	owners map[int32][]string // who runs own for a partition, now
}

// member is a process of the group.
type member struct {
	of   *society
	name string
	log  *testlog.Log
	stop context.CancelFunc
	done chan struct{}

	// hold, if set, is called before own returns.
	hold func()
	// fenced, if set, has own resign when it is closed.
	fenced chan struct{}

	mu     sync.Mutex
	away   bool // it reaches no broker
	conns  []net.Conn
	begun  []int32 // partitions, one for each time that own was run
	causes []error // why each ended
}

func newSociety(t *testing.T, partitions int32) *society {
	t.Helper()
	cluster, o, network, _ := virtual(t, partitions)
	return &society{t: t, network: network, cluster: cluster, brokers: o.Brokers, owners: map[int32][]string{}}
}

// join starts a member. An instance id is optional, as is a share.
func (s *society) join(name, instance string, share int) *member {
	return s.joinAs(&member{name: name}, instance, share)
}

func (s *society) joinAs(m *member, instance string, share int) *member {
	m.of, m.log, m.done = s, &testlog.Log{}, make(chan struct{})
	var ctx context.Context
	ctx, m.stop = context.WithCancel(context.Background())
	g := NewGroup(GroupOptions{Connection: Connection{Brokers: s.brokers, Dial: m.dial, Log: slog.New(slog.NewTextHandler(m.log, nil))},
		Topics: []string{topic}, Name: "group", InstanceID: instance, Share: share, SessionTimeout: session, HeartbeatInterval: heartbeat})
	go func() {
		defer close(m.done)
		if err := g.Run(ctx, m.own); err != nil {
			s.t.Errorf("%s: Run = %v", m.name, err)
		}
	}()
	return m
}

func (m *member) dial(ctx context.Context, network, addr string) (net.Conn, error) {
	m.mu.Lock()
	away := m.away
	m.mu.Unlock()
	if away {
		return nil, fmt.Errorf("dial %s: no way there", addr)
	}
	conn, err := m.of.network.Dial(ctx, network, addr)
	if err != nil {
		return nil, err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.conns = append(m.conns, conn)
	return conn, nil
}

// cut takes the member's way to the brokers away, or gives it back.
func (m *member) cut(away bool) {
	m.mu.Lock()
	m.away = away
	conns := m.conns
	m.conns = nil
	m.mu.Unlock()
	for _, conn := range conns {
		conn.Close()
	}
}

// own notes that the member has the partition until ctx ends.
func (m *member) own(ctx context.Context, t *Tenure) {
	s := m.of
	s.mu.Lock()
	s.owners[t.Partition] = append(s.owners[t.Partition], m.name)
	s.mu.Unlock()
	m.mu.Lock()
	m.begun = append(m.begun, t.Partition)
	fenced := m.fenced
	m.mu.Unlock()
	select {
	case <-ctx.Done():
	case <-fenced:
		if !t.Resign() {
			s.t.Error("a tenure that is adrift could not be resigned")
		}
	}
	if m.hold != nil {
		m.hold()
	}
	m.mu.Lock()
	m.causes = append(m.causes, context.Cause(ctx))
	m.mu.Unlock()
	s.mu.Lock()
	defer s.mu.Unlock()
	at := slices.Index(s.owners[t.Partition], m.name)
	s.owners[t.Partition] = slices.Delete(s.owners[t.Partition], at, at+1)
}

// leave ends the member and waits until it is gone.
func (m *member) leave() {
	m.stop()
	<-m.done
}

// has is the partitions that the member has now.
func (m *member) has() (has []int32) {
	m.of.mu.Lock()
	defer m.of.mu.Unlock()
	for partition, names := range m.of.owners {
		if slices.Contains(names, m.name) {
			has = append(has, partition)
		}
	}
	slices.Sort(has)
	return has
}

// times is how often own was run, and why it ended each time that it did.
func (m *member) times() (begun int, causes []error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return len(m.begun), slices.Clone(m.causes)
}

// once waits until it holds and returns how long that took.
func (s *society) once(what string, within time.Duration, holds func() bool) time.Duration {
	s.t.Helper()
	began := time.Now()
	for ; !holds(); time.Sleep(10 * time.Millisecond) {
		if time.Since(began) > within {
			s.mu.Lock()
			defer s.mu.Unlock()
			s.t.Fatalf("not %s within %v; owners are %v", what, within, s.owners)
		}
	}
	return time.Since(began)
}

func (m *member) hasAll(n int) func() bool { return func() bool { return len(m.has()) == n } }

// A member that joins stands by: those that are there keep what they have,
// undisturbed. What a member leaves goes to the other at once, whether it has
// a name or not.
func TestWhoJoinsStandsBy(t *testing.T) {
	f := func(name string) {
		synctest.Test(t, func(t *testing.T) {
			s := newSociety(t, 4)
			a := s.join("a", name, 0)
			s.once("a has all", 10*time.Second, a.hasAll(4))
			b := s.join("b", "", 0)
			time.Sleep(10 * time.Second)
			if has := b.has(); len(has) > 0 {
				t.Errorf("who joined has %v", has)
			}
			if begun, causes := a.times(); begun != 4 || len(causes) != 0 {
				t.Errorf("who was there began %d times and ended %v", begun, causes)
			}
			a.leave()
			if took := s.once("b has all", session, b.hasAll(4)); took > 10*heartbeat {
				t.Errorf("after a left, it took b %v", took)
			}
			b.leave()
		})
	}
	f("")
	f("blue")
}

// A partition that moves is begun by the new member only when the old one has
// finished with it.
func TestMovedPartitionIsFinishedFirst(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSociety(t, 4)
		commit := func() { time.Sleep(3 * time.Second) } // one that takes long
		a := s.joinAs(&member{name: "a", hold: commit}, "", 2)
		s.once("a has all", 10*time.Second, a.hasAll(4))
		b := s.join("b", "", 2)
		for range 1000 {
			time.Sleep(10 * time.Millisecond)
			s.mu.Lock()
			for partition, names := range s.owners {
				if len(names) > 1 {
					t.Fatalf("%v have partition %d", names, partition)
				}
			}
			s.mu.Unlock()
		}
		if x, y := a.has(), b.has(); len(x) != 2 || len(y) != 2 {
			t.Errorf("a has %v and b %v", x, y)
		}
		if _, causes := a.times(); len(causes) != 2 || !errors.Is(causes[0], context.Canceled) || errors.Is(causes[0], ErrLost) {
			t.Errorf("what was given away ended with %v", causes)
		}
		a.leave()
		b.leave()
	})
}

// Of two with one name the older goes on without it, as a standby, and says so.
func TestSecondOfOneName(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSociety(t, 4)
		a := s.join("a", "blue", 0)
		s.once("a has all", 10*time.Second, a.hasAll(4))
		b := s.join("b", "blue", 0)
		s.once("b has all", 2*session, b.hasAll(4))
		time.Sleep(10 * time.Second)
		if has := a.has(); len(has) > 0 {
			t.Errorf("the older one has %v", has)
		}
		if a.log.Count("another process has the same instance id") != 1 {
			t.Error("the older one did not say why, or more than once")
		}
		b.leave()
		s.once("a has all again", session, a.hasAll(4))
		a.leave()
	})
}

// A member that the group has lost goes on with what it has. When it is back,
// what the group leaves it goes on undisturbed; what another has ends as lost.
func TestAdrift(t *testing.T) {
	f := func(name string, another bool) {
		synctest.Test(t, func(t *testing.T) {
			s := newSociety(t, 4)
			a := s.join("a", name, 0)
			s.once("a has all", 10*time.Second, a.hasAll(4))
			var b *member
			if another {
				b = s.join("b", "", 0)
				time.Sleep(5 * time.Second)
			}
			a.cut(true)
			time.Sleep(3 * session)
			if has := a.has(); len(has) != 4 {
				t.Errorf("cut off, it has %v", has)
			}
			if another {
				s.once("b has all", time.Second, b.hasAll(4))
			}
			a.cut(false)
			if another {
				s.once("a stands by", 2*session, a.hasAll(0))
				if _, causes := a.times(); len(causes) != 4 || slices.ContainsFunc(causes, func(err error) bool { return !errors.Is(err, ErrLost) }) {
					t.Errorf("what another has ended with %v", causes)
				}
				if begun, causes := b.times(); begun != 4 || len(causes) != 0 {
					t.Errorf("the other began %d times and ended %v", begun, causes)
				}
				b.leave()
			} else {
				time.Sleep(2 * session)
				if begun, causes := a.times(); begun != 4 || len(causes) != 0 {
					t.Errorf("back again, it began %d times and ended %v", begun, causes)
				}
			}
			a.leave()
		})
	}
	f("", false)
	f("blue", false)
	f("", true)
	f("blue", true)
}

// Who is fenced while adrift resigns. If the group then says that the partition
// is its all the same, it begins anew, and not before it has ended; even if
// that is said while it is about to end.
func TestResignedIsBegunAnew(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSociety(t, 1)
		fenced, ended := make(chan struct{}), make(chan struct{})
		a := s.joinAs(&member{name: "a", fenced: fenced, hold: func() { <-ended }}, "", 0)
		s.once("a has it", 10*time.Second, a.hasAll(1))
		a.cut(true)
		time.Sleep(3 * session)
		a.mu.Lock()
		a.fenced = nil
		a.mu.Unlock()
		close(fenced)
		a.cut(false)
		time.Sleep(2 * session)
		if begun, _ := a.times(); begun != 1 {
			t.Errorf("begun %d times before it had ended", begun)
		}
		close(ended)
		s.once("begun anew", time.Second, func() bool { begun, _ := a.times(); return begun == 2 })
		a.leave()
	})
}

// A member that the group loses for less than a session, because a connection
// breaks, keeps what it has although another stands by.
func TestShortlyAdriftKeepsAll(t *testing.T) {
	f := func(name string, cut time.Duration) {
		synctest.Test(t, func(t *testing.T) {
			s := newSociety(t, 4)
			a := s.join("a", name, 0)
			s.once("a has all", 10*time.Second, a.hasAll(4))
			b := s.join("b", "", 0)
			time.Sleep(5 * time.Second)
			for range 3 {
				a.cut(true)
				time.Sleep(cut)
				a.cut(false)
				time.Sleep(2 * session)
			}
			if begun, causes := a.times(); begun != 4 || len(causes) != 0 {
				t.Errorf("cut off for %v, it began %d times and ended %v", cut, begun, causes)
			}
			if begun, _ := b.times(); begun != 0 {
				t.Errorf("the standby began %d times", begun)
			}
			a.leave()
			b.leave()
		})
	}
	for _, name := range []string{"", "blue"} {
		f(name, 0)
		f(name, time.Second)
		f(name, session-time.Second)
	}
}

// What a member goes on with and is beyond its share goes to one that joined
// while it was away; nothing stays without an owner.
func TestAdriftBeyondItsShare(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSociety(t, 4)
		a := s.join("a", "", 2)
		s.once("a has all", 10*time.Second, a.hasAll(4))
		a.cut(true)
		b := s.join("b", "", 2)
		time.Sleep(time.Second)
		a.cut(false)
		s.once("b has two", 2*session, b.hasAll(2))
		s.once("a has two", session, a.hasAll(2))
		time.Sleep(session)
		if x, y := a.has(), b.has(); len(x) != 2 || len(y) != 2 || slices.Contains(y, x[0]) || slices.Contains(y, x[1]) {
			t.Errorf("a has %v and b %v", x, y)
		}
		a.leave()
		b.leave()
	})
}
