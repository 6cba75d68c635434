package fakebinance

import (
	"net"
	"net/http"
	"strconv"
	"sync"
	"time"
)

// maxAddresses bounds the addresses whose conduct is remembered: a test has a
// handful. Full, the one that was heard of least recently is forgotten.
const maxAddresses = 4096

// addresses remembers how each client address has behaved: the exchange limits
// connects, request weight and breaches by address, not by session.
type addresses struct {
	rules *Switches
	limit int // request weight a minute

	mu    sync.Mutex
	known map[string]*address
	most  int // request weight of one address in one minute, so far
}

type address struct {
	heard    time.Time
	connects []time.Time // of the last 5 minutes, at most as many as are allowed
	breaches []time.Time // sessions ended for too many requests, likewise
	shunned  time.Time   // until then new sessions are closed

	minute int64 // number of the window of used
	used   int   // request weight
	over   int   // requests refused in a row of windows
	bans   int   // so far
	banned time.Time
}

// hostOf is the address of a client without its port.
func hostOf(remote string) string {
	host, _, err := net.SplitHostPort(remote)
	if err != nil {
		return remote
	}
	return host
}

// of returns what is known of an address. The caller holds mu.
func (a *addresses) of(host string, now time.Time) *address {
	known := a.known[host]
	if known == nil {
		if len(a.known) >= maxAddresses {
			var oldest string
			for other, entry := range a.known {
				if oldest == "" || entry.heard.Before(a.known[oldest].heard) {
					oldest = other
				}
			}
			delete(a.known, oldest)
		}
		known = new(address)
		a.known[host] = known
	}
	known.heard = now
	return known
}

// recent leaves out of times, oldest first, what is before since.
func recent(times []time.Time, since time.Time) []time.Time {
	i := 0
	for i < len(times) && !times[i].After(since) {
		i++
	}
	return times[i:]
}

// welcome is how an attempt to open a session is met.
type welcome struct {
	status  int           // other than 0: the handshake is refused with it
	wait    time.Duration // for Retry-After
	shunned bool          // closed at once
}

// connect counts an attempt to open a session.
func (a *addresses) connect(host string) welcome {
	a.mu.Lock()
	defer a.mu.Unlock()
	now := time.Now()
	from := a.of(host, now)
	if a.rules.BanStreams && now.Before(from.banned) {
		return welcome{status: http.StatusForbidden, wait: from.banned.Sub(now)}
	}
	if a.rules.Connects >= 0 {
		window := a.rules.compressed(connectWindow)
		from.connects = recent(from.connects, now.Add(-window))
		if len(from.connects) >= a.rules.Connects {
			return welcome{status: a.rules.ConnectStatus, wait: from.connects[0].Add(window).Sub(now)}
		}
		from.connects = append(from.connects, now)
	}
	return welcome{shunned: now.Before(from.shunned)}
}

// breach counts a session that was ended for too many requests.
func (a *addresses) breach(host string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.rules.Penalty < 0 {
		return
	}
	now := time.Now()
	from := a.of(host, now)
	from.breaches = append(recent(from.breaches, now.Add(-a.rules.compressed(connectWindow))), now)
	if len(from.breaches) > a.rules.Penalty {
		from.breaches = nil
		from.shunned = now.Add(a.rules.compressed(penaltyTime))
	}
}

// bill is the account of one REST request.
type bill struct {
	used   int           // weight in this minute
	status int           // 0, 429 or 418
	wait   time.Duration // for Retry-After
	until  time.Time     // end of the ban
}

// spend adds the cost of a request. Windows begin with the minutes of the clock.
func (a *addresses) spend(host string, cost int) bill {
	a.mu.Lock()
	defer a.mu.Unlock()
	now := time.Now()
	from := a.of(host, now)
	window := a.rules.compressed(time.Minute).Nanoseconds()
	if minute := now.UnixNano() / window; minute != from.minute {
		from.minute, from.used, from.over = minute, 0, 0
	}
	from.used += cost
	a.most = max(a.most, from.used)
	b := bill{used: from.used}
	if !now.Before(from.banned) && from.used <= a.limit {
		return b
	}
	if !now.Before(from.banned) {
		from.over++
		if a.rules.Ban < 0 || from.over <= a.rules.Ban+1 {
			b.status, b.wait = http.StatusTooManyRequests, time.Unix(0, (from.minute+1)*window).Sub(now)
			return b
		}
		length := min(leastBan<<min(from.bans, 20), mostBan)
		from.bans++
		from.over = 0
		from.banned = now.Add(a.rules.compressed(length))
	}
	b.status, b.until, b.wait = http.StatusTeapot, from.banned, from.banned.Sub(now)
	return b
}

// retryAfter is a wait as the header has it: whole seconds, and never too early.
func retryAfter(wait time.Duration) string {
	return strconv.FormatInt(int64((wait+time.Second-1)/time.Second), 10)
}

// MostRESTWeight is the most request weight that one address asked for within
// one minute of the clock so far, refused requests included.
func (s *Server) MostRESTWeight() int {
	s.addresses.mu.Lock()
	defer s.addresses.mu.Unlock()
	return s.addresses.most
}
