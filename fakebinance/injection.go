package fakebinance

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"time"
)

// maxInjections is how many injections the server remembers for its control
// API. All that act are among them: there is at most one of each kind.
const maxInjections = 256

// Injection is a fault that has begun.
type Injection struct {
	n      int
	fault  Fault
	aim    aim
	server *Server
	draw   *rand.Rand // the publisher's
	began  time.Time
	done   chan struct{}
	effect effect
	timer  *time.Timer // nil: until End

	mu       sync.Mutex
	targets  []*session // those that are still open
	met      int        // sessions it was ever applied to
	ended    time.Time
	evidence Evidence // when ended
}

// Begin starts a fault now. It returns an error when there is no such kind or
// setting, when one of the kind acts already, or when the server is closed.
func (s *Server) Begin(f Fault) (*Injection, error) {
	injection, err := s.prepare(f)
	if err != nil {
		return nil, err
	}
	f = injection.fault
	if err := s.faults.enter(injection); err != nil {
		return nil, err
	}
	// By its number, so that the same schedule draws the same again.
	injection.draw = newRand(s.options.Seed, "fault "+f.Kind, int64(injection.n))
	asked := s.publisher.ask(func() {
		injection.mu.Lock()
		injection.began = time.Now()
		injection.mu.Unlock()
		if l, ok := injection.effect.(lasting); ok {
			l.begin()
		}
		for _, session := range s.publisher.byNumber() { // in one order, as lots are drawn
			injection.apply(session, false)
		}
		if injection.aim.later {
			s.publisher.injections = append(s.publisher.injections, injection)
		}
	})
	if !asked {
		s.faults.remove(injection)
		return nil, fmt.Errorf("fault %s: %w", f.Kind, errClosed)
	}
	s.options.Logger.Info("fault began", "fault", f.Kind, "injection", injection.n, "target", f.Target, "for", f.For)
	if f.For > 0 {
		injection.mu.Lock()
		injection.timer = time.AfterFunc(f.For, func() { injection.End() })
		injection.mu.Unlock()
	}
	return injection, nil
}

// Check tells what Begin would refuse, and begins nothing.
func (s *Server) Check(f Fault) error {
	_, err := s.prepare(f)
	return err
}

// prepare makes an injection that has not begun.
func (s *Server) prepare(f Fault) (*Injection, error) {
	kind, err := f.kind()
	if err != nil {
		return nil, err
	}
	injection := &Injection{fault: f, server: s, done: make(chan struct{})}
	if injection.aim, err = readAim(f.Target); err != nil {
		return nil, err
	}
	if injection.effect, err = kind.start(injection, settings{kind, f.Settings}); err != nil {
		return nil, err
	}
	return injection, nil
}

var (
	errClosed = errors.New("the server is closed")
	errActing = errors.New("one of this kind has not ended; give it a time to last, or end it")
)

// apply begins with a session. It runs on the publisher's goroutine.
func (i *Injection) apply(s *session, opening bool) {
	if !s.out.closing() && i.meets(s) {
		i.mu.Lock()
		i.targets = append(i.targets, s)
		i.met++
		i.mu.Unlock()
		i.effect.apply(s, opening)
	}
}

// forget lets go of a session that has ended, so that an injection that lasts
// for days and all of its sessions stay small.
func (i *Injection) forget(s *session) {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.targets = slices.DeleteFunc(i.targets, func(o *session) bool { return o == s })
	if e, ok := i.effect.(interface{ gone(*session) }); ok {
		e.gone(s)
	}
}

// End heals what the fault disturbed and returns the evidence. Calling it
// again changes nothing.
func (i *Injection) End() Evidence {
	i.mu.Lock()
	if i.ended.IsZero() {
		i.ended = time.Now()
		i.evidence = i.see()
		if i.timer != nil {
			i.timer.Stop()
		}
		// From here on every session ignores it.
		close(i.done)
		i.targets = nil
		i.mu.Unlock()
		i.server.publisher.ask(func() {
			p := i.server.publisher
			p.injections = slices.DeleteFunc(p.injections, func(o *Injection) bool { return o == i })
			if l, ok := i.effect.(lasting); ok {
				l.heal()
			}
		})
		i.server.options.Logger.Info("fault ended", "fault", i.fault.Kind, "injection", i.n, "proven", i.evidence.Proven, "evidence", i.evidence.Text)
		return i.evidence
	}
	defer i.mu.Unlock()
	return i.evidence
}

// Done is closed when the injection has ended.
func (i *Injection) Done() <-chan struct{} { return i.done }

// Evidence returns what was seen so far.
func (i *Injection) Evidence() Evidence {
	i.mu.Lock()
	defer i.mu.Unlock()
	if !i.ended.IsZero() {
		return i.evidence
	}
	return i.see()
}

// see collects the evidence; the caller holds mu.
func (i *Injection) see() Evidence {
	e := Evidence{Began: i.began, Ended: i.ended, Sessions: i.met}
	if _, aimless := i.effect.(aimless); i.met == 0 && !aimless {
		e.Text = "no session was there to be disturbed"
		return e
	}
	e.Proven, e.Text = i.effect.proof(i.targets)
	return e
}

// Fault returns what was begun.
func (i *Injection) Fault() Fault { return i.fault }

// over tells that the injection has ended.
func (i *Injection) over() bool {
	select {
	case <-i.done:
		return true
	default:
		return false
	}
}

// acting is what effects on sessions have in common: the injection behind them.
type acting interface {
	comparable
	over() bool
}

// active tells whether e is there and its injection has not ended.
func active[E acting](e E) bool {
	var none E
	return e != none && !e.over()
}

// injections are the newest of a server, by number.
type injections struct {
	mu    sync.Mutex
	count int
	kept  []*Injection
}

func (all *injections) enter(i *Injection) error {
	all.mu.Lock()
	defer all.mu.Unlock()
	for _, other := range all.kept {
		if other.fault.Kind == i.fault.Kind && !other.over() {
			return fmt.Errorf("fault %s: injection %d: %w", i.fault.Kind, other.n, errActing)
		}
	}
	if len(all.kept) == maxInjections {
		// Few of them act, so one that has ended is always found.
		at := slices.IndexFunc(all.kept, func(o *Injection) bool { return o.over() })
		all.kept = slices.Delete(all.kept, at, at+1)
	}
	all.count++
	i.n = all.count
	all.kept = append(all.kept, i)
	return nil
}

func (all *injections) remove(i *Injection) {
	all.mu.Lock()
	defer all.mu.Unlock()
	all.kept = slices.DeleteFunc(all.kept, func(o *Injection) bool { return o == i })
}

func (all *injections) get(n int) *Injection {
	all.mu.Lock()
	defer all.mu.Unlock()
	for _, i := range all.kept {
		if i.n == n {
			return i
		}
	}
	return nil
}

func (all *injections) list() []*Injection {
	all.mu.Lock()
	defer all.mu.Unlock()
	return slices.Clone(all.kept)
}

func (all *injections) active() []*Injection {
	return slices.DeleteFunc(all.list(), func(i *Injection) bool { return i.over() })
}
