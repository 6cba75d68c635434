package binance

import (
	"context"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"time"
)

// maxSessions is how many sessions of a group can be open at once: the current
// one, a fresh one, and one that was given up and is ending, with room to spare.
const maxSessions = 4

// never is a time that does not come while anybody waits.
const never = 365 * 24 * time.Hour

// carrier keeps one group's session open, and replaces it. All of its state is
// touched by one goroutine, run; dials, sessions and examinations run beside it
// and report through channels that always have room.
type carrier struct {
	group
	feed   *Feed
	index  int
	jitter *rand.Rand
	pools  [2]chan *Batch // one for each of two sessions that are open at once

	suspected   chan struct{} // holds a token when a stream is suspected to be silent
	overlapping atomic.Bool   // two sessions are open

	running sync.WaitGroup
	dialled chan opening
	noticed chan *session // whose server announced that it leaves
	ended   chan *session
	judged  chan verdict

	current *session // which carries the group; nil: none
	fresh   *session // which is to take its place; nil: none
	dialing bool

	failures  int            // of attempts and short sessions in a row
	retries   int            // of the rotation that is wanted
	notBefore time.Time      // no attempt before it
	wanted    RotationReason // a rotation is to be made; empty: none
	start     time.Time      // of the schedule
	tick      int64          // number of the next instant of the schedule
	tickAt    time.Time      // when that is
	suspectAt time.Time      // of the newest rotation for a silent stream

	// Of fresh:
	examineAt   time.Time // when the exchange is to be asked about it; zero: it was
	completeAt  time.Time // when it was known to be complete; zero: not yet
	examination context.CancelFunc
}

func newCarrier(f *Feed, index int, g group) *carrier {
	c := &carrier{group: g, feed: f, index: index, jitter: rand.New(rand.NewPCG(f.options.Seed, uint64(index))),
		suspected: make(chan struct{}, 1), dialled: make(chan opening, 1), noticed: make(chan *session, maxSessions),
		ended: make(chan *session, maxSessions), judged: make(chan verdict, 1)}
	for i := range c.pools {
		c.pools[i] = make(chan *Batch, batchesPerSession)
		for range batchesPerSession {
			c.pools[i] <- &Batch{Trades: make([]Trade, 0, batchSize), home: c.pools[i]}
		}
	}
	return c
}

// run keeps a session open until ctx ends, and returns when all is closed. It
// never gives up.
func (c *carrier) run(ctx context.Context, start time.Time) {
	defer func() {
		c.running.Wait()
		select {
		case o := <-c.dialled:
			if o.session != nil {
				o.session.conn.Close() // opened too late to be run
			}
		default:
		}
	}()
	c.start = start
	c.schedule(start)
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		var complete <-chan struct{}
		if c.fresh != nil && c.completeAt.IsZero() {
			complete = c.fresh.complete
		}
		timer.Reset(time.Until(c.wake()))
		select {
		case <-ctx.Done():
			if c.current != nil {
				c.feed.opened(-1)
			}
			return
		case <-timer.C:
		case o := <-c.dialled:
			c.began(ctx, o)
		case s := <-c.ended:
			c.lost(s)
		case s := <-c.noticed:
			s.log.Warn("the server announced that it leaves")
			if s == c.current {
				c.want(RotationShutdown)
			}
		case <-c.suspected:
			c.suspect()
		case <-complete:
			c.completeAt = time.Now()
		case v := <-c.judged:
			c.judge(v)
		}
		c.step(ctx)
	}
}

// schedule finds the next instant of the schedule after now.
func (c *carrier) schedule(now time.Time) {
	o := &c.feed.options
	if o.RotationInterval == 0 {
		c.tickAt = now.Add(never)
		return
	}
	for c.tick == 0 || !c.tickAt.After(now) {
		c.tick++
		c.tickAt = scheduled(c.start, o.RotationInterval, o.Seed, c.index, c.tick)
	}
}

// wake is when step has something to do that nobody reports.
func (c *carrier) wake() time.Time {
	switch {
	case c.replacing():
		return time.Now().Add(never)
	case c.fresh != nil && !c.completeAt.IsZero():
		return c.completeAt.Add(c.feed.options.overlap())
	case c.fresh != nil && !c.examineAt.IsZero():
		return c.examineAt
	case c.fresh != nil || c.dialing:
		return time.Now().Add(never)
	case c.current == nil || c.wanted != "":
		return c.notBefore
	}
	if limit := c.current.opened.Add(ageLimit); limit.Before(c.tickAt) {
		return limit
	}
	return c.tickAt
}

// replacing tells that one of two sessions is ending; its end decides.
func (c *carrier) replacing() bool {
	return c.fresh != nil && (c.current.ended.Load() != nil || c.fresh.ended.Load() != nil)
}

// step does what is due.
func (c *carrier) step(ctx context.Context) {
	now := time.Now()
	switch {
	case c.replacing():
	case c.fresh != nil && !c.completeAt.IsZero():
		if !now.Before(c.completeAt.Add(c.feed.options.overlap())) {
			c.current.leave(EndRotation)
		}
	case c.fresh != nil:
		if !c.examineAt.IsZero() && !now.Before(c.examineAt) {
			c.examine(ctx)
		}
	case c.dialing:
	case c.current == nil:
		if !now.Before(c.notBefore) {
			c.dial(ctx)
		}
	default:
		if !now.Before(c.tickAt) {
			c.schedule(now)
			c.want(RotationScheduled)
		} else if now.Sub(c.current.opened) >= ageLimit {
			c.want(RotationAge)
		}
		if c.wanted != "" && !now.Before(c.notBefore) {
			c.dial(ctx)
		}
	}
}

// want has the current session replaced, unless that is under way. A server
// that leaves does not wait until a delay is over.
func (c *carrier) want(reason RotationReason) {
	if c.wanted == "" || reason == RotationShutdown && c.fresh == nil && !c.dialing {
		c.wanted, c.retries, c.notBefore = reason, 0, time.Time{}
	}
}

func (c *carrier) suspect() {
	if now := time.Now(); c.current != nil && c.wanted == "" && now.Sub(c.suspectAt) >= suspicionPause {
		c.suspectAt = now
		c.want(RotationSilent)
	}
}

// dial begins to open a session.
func (c *carrier) dial(ctx context.Context) {
	c.dialing = true
	pool := c.pools[0]
	if c.current != nil && c.current.free == (<-chan *Batch)(pool) {
		pool = c.pools[1]
	}
	c.running.Go(func() { c.dialled <- c.feed.dial(ctx, c.group, pool) })
}

// began takes what came of a dial.
func (c *carrier) began(ctx context.Context, o opening) {
	c.dialing = false
	if o.err != nil {
		if ctx.Err() == nil {
			c.feed.endpoints.failed(o.endpoint)
			c.feed.options.Metrics.ConnectionErrors.Inc()
			c.wait("no session: "+o.err.Error(), o.endpoint, EndReason{}, o.err)
		}
		return
	}
	s := o.session
	ctx, s.cancel = context.WithCancel(ctx)
	s.onNotice = func() {
		select {
		case c.noticed <- s:
		case <-ctx.Done():
		}
	}
	c.running.Go(func() {
		s.run(ctx)
		c.ended <- s
	})
	if c.current == nil {
		c.current = s
		c.feed.opened(1)
		return
	}
	c.fresh = s
	c.examineAt, c.completeAt = s.opened.Add(c.feed.options.patience()), time.Time{}
	c.overlapping.Store(true)
}

// examine has the exchange say whether fresh misses anything.
func (c *carrier) examine(ctx context.Context) {
	c.examineAt = time.Time{}
	ctx, c.examination = context.WithCancel(ctx)
	s := c.fresh
	c.running.Go(func() {
		if v, err := c.feed.examine(ctx, s); err == nil {
			select {
			case c.judged <- v:
			case <-ctx.Done():
			}
		}
	})
}

// judge takes what the exchange said about fresh.
func (c *carrier) judge(v verdict) {
	switch {
	case v.session != c.fresh || !c.completeAt.IsZero():
	case v.missed == "":
		c.completeAt = time.Now()
	default:
		c.fresh.log.Warn("the new session misses trades, the old one stays", "symbol", v.missed)
		c.fresh.leave(EndBad)
	}
}

// lost takes the end of a session.
func (c *carrier) lost(s *session) {
	reason, lived := *s.ended.Load(), time.Since(s.opened)
	o := &c.feed.options
	o.Metrics.Lifetime.Observe(lived.Seconds())
	takesOver := s == c.current && c.fresh != nil && c.fresh.ended.Load() == nil
	announced := reason.Kind == EndShutdown
	if !reason.Kind.ours() && !(announced && takesOver) {
		o.Metrics.Reconnects.WithLabelValues(string(reason.Kind)).Inc()
	}
	if !reason.Kind.ours() && !announced {
		c.feed.endpoints.failed(s.endpoint)
	}
	if lived >= settledAfter {
		c.failures = 0
	}
	about := []any{"session", s.number, "lived", lived.Round(time.Millisecond)}
	switch {
	case takesOver:
		o.Log.Info("session replaced: "+reason.String(), append(about, "reason", c.wanted, "by", c.fresh.number)...)
		o.Metrics.Rotations.WithLabelValues(string(c.wanted)).Inc()
		c.current, c.wanted, c.failures, c.notBefore = c.fresh, "", 0, time.Time{}
		c.forgetFresh()
		if c.current.leaving.Load() {
			c.want(RotationShutdown)
		}
	case s == c.current:
		c.current = nil
		c.feed.opened(-1)
		c.forgetFresh() // if there is one, it is ending too
		if c.wanted != RotationScheduled {
			c.wanted = "" // the next session is what it was wanted for
		}
		c.wait("session ended: "+reason.String(), s.endpoint, reason, nil, about...)
	case s == c.fresh:
		c.forgetFresh()
		c.wait("new session ended: "+reason.String(), s.endpoint, reason, nil, about...)
	}
}

// forgetFresh makes room for another new session.
func (c *carrier) forgetFresh() {
	if c.examination != nil {
		c.examination()
		c.examination = nil
	}
	c.fresh = nil
	c.overlapping.Store(false)
}

// wait puts off the next attempt after a failure, and says why.
func (c *carrier) wait(what string, endpoint int, end EndReason, err error, more ...any) {
	o := &c.feed.options
	delay, why := pause(c.jitter, c.failures, end, err)
	c.failures++
	if c.current != nil { // a rotation, which has time
		delay = max(delay, min(rotationRetryFirst<<min(c.retries, 10), rotationRetryMax))
		c.retries++
	}
	c.notBefore = time.Now().Add(delay)
	o.Metrics.ReconnectDelay.Set(delay.Seconds())
	more = append(more, "url", o.URLs[endpoint], "why", why, "retry_in", delay)
	if end.Code != 0 {
		more = append(more, "code", end.Code, "reason", end.Text)
	}
	o.Log.Warn(what, more...)
}
