package binance

import (
	"sync"
	"time"
)

const (
	// breakerFailures in a row open a breaker.
	breakerFailures = 3
	// breakerRest is how long an open breaker keeps attempts away from its URL.
	breakerRest = 30 * time.Second
	// breakerSuccesses in a row close a breaker that is half-open.
	breakerSuccesses = 2
)

// breaker keeps attempts away from a URL that fails, for a while. It is closed
// (all is well), open (nothing is tried) or half-open (tried, and not trusted
// yet). It reads no clock.
type breaker struct {
	failures  int       // in a row, while closed
	openedAt  time.Time // zero while closed
	successes int       // in a row, while half-open
}

// admits tells whether the URL may be tried at now.
func (b *breaker) admits(now time.Time) bool {
	return b.openedAt.IsZero() || now.Sub(b.openedAt) >= breakerRest
}

// succeeded notes that the URL served. One success is not trusted: a server
// that comes back often leaves again. A session that was begun before the
// breaker opened and delivers now proves nothing about later ones.
func (b *breaker) succeeded(now time.Time) {
	b.failures = 0
	if b.openedAt.IsZero() || !b.admits(now) {
		return
	}
	if b.successes++; b.successes >= breakerSuccesses {
		*b = breaker{}
	}
}

// failed notes that an attempt or a session failed. While the breaker is open
// this does not prolong its rest: it is one of those that were under way.
func (b *breaker) failed(now time.Time) {
	switch {
	case !b.openedAt.IsZero() && b.admits(now):
		*b = breaker{openedAt: now}
	case b.openedAt.IsZero():
		if b.failures++; b.failures >= breakerFailures {
			*b = breaker{openedAt: now}
		}
	}
}

// endpoints are the URLs of the stream servers, best first, each behind a
// breaker. All groups share them: what one learns the others need not.
type endpoints struct {
	urls []string

	mu       sync.Mutex
	breakers []breaker
}

func newEndpoints(urls []string) *endpoints {
	return &endpoints{urls: urls, breakers: make([]breaker, len(urls))}
}

// choose returns the position of the URL to try at now: the first that admits,
// else the one whose breaker opened longest ago. There is always one: giving
// up would be worse than an attempt in vain.
func (e *endpoints) choose(now time.Time) int {
	e.mu.Lock()
	defer e.mu.Unlock()
	oldest := 0
	for i := range e.breakers {
		if e.breakers[i].admits(now) {
			return i
		}
		if e.breakers[i].openedAt.Before(e.breakers[oldest].openedAt) {
			oldest = i
		}
	}
	return oldest
}

func (e *endpoints) succeeded(i int) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.breakers[i].succeeded(time.Now())
}

func (e *endpoints) failed(i int) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.breakers[i].failed(time.Now())
}
