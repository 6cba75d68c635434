package binance

import (
	"errors"
	"math/rand/v2"
	"net/http"
	"strings"
	"time"

	"github.com/gorilla/websocket"
)

const (
	// Backoff after failures in a row: the first limit and the largest.
	backoffFirst = time.Second
	backoffMax   = time.Minute
	// penaltyPause is for clients that were told that they ask too much. New
	// connections of such a one were seen to be closed for about two minutes.
	penaltyPause = 2 * time.Minute
	// lastingPause is for refusals that no client can change soon: a firewall,
	// a country, a path. An operator may.
	lastingPause = time.Minute
	// settledAfter is how long a session must have lived for the next failure
	// to count as the first again. So sessions that work and are cut come back
	// within a second, and ones that end at once come back ever more slowly.
	settledAfter = 10 * time.Second
)

// Names of the close codes that mean something to us (RFC 6455, section 7.4;
// the registry of the IANA has the last two).
const (
	closeGoingAway      = websocket.CloseGoingAway
	closePolicy         = websocket.ClosePolicyViolation
	closeServiceRestart = websocket.CloseServiceRestart
	closeTryAgainLater  = websocket.CloseTryAgainLater
)

// pause decides how long to wait before the next attempt, after failures in a
// row before this one, and why. Either err is why no session opened, or end is
// how one ended. It never says to give up.
//
// The base is a backoff with full jitter below a limit that doubles, so that
// many clients of a server that comes back do not come back at once.
func pause(jitter *rand.Rand, failures int, end EndReason, err error) (time.Duration, string) {
	limit := backoffMax
	if failures < 6 {
		limit = min(backoffMax, backoffFirst<<failures)
	}
	backoff := time.Duration(jitter.Int64N(int64(limit)) + 1)
	var no *refusal
	switch {
	case errors.As(err, &no):
		wait, why := no.pause()
		return max(no.RetryAfter, wait) + backoff, why
	case err != nil:
		// Name, TCP, TLS: whatever it is, another URL may do better.
		return backoff, "no connection"
	}
	switch end.Kind {
	case EndShutdown:
		// The server is gone as it said it would be; the others are there.
		return min(backoff, backoffFirst), "the server has left as it announced"
	case EndBad:
		return backoff, "the new session missed trades"
	case EndNoPong:
		return backoff, "the connection was dead"
	case EndSilent:
		return backoff, "the session was silent"
	case EndRead:
		// The commonest end of all: no close frame.
		return backoff, "the connection broke"
	}
	switch {
	case end.Code == closePolicy && end.Text == "Too many requests":
		return penaltyPause + backoff, "the exchange thinks that we sent too much"
	case end.Code == closePolicy && end.Text == "Pong timeout":
		// Our answer was late, or lost on the way: a new session is the cure.
		return backoff, "the exchange missed our pong"
	case end.Code == closePolicy && strings.Contains(end.Text, "Illegal format"):
		return lastingPause + backoff, "the exchange does not understand the streams that we ask for"
	case end.Code == closePolicy:
		// Seen without a reason, with several causes.
		return backoff, "the exchange refused the session"
	case end.Code == closeTryAgainLater:
		return backoffMax/2 + backoff, "the exchange is overloaded"
	case end.Code == closeGoingAway, end.Code == closeServiceRestart:
		return backoff, "the server went away"
	}
	return backoff, "the exchange closed the session"
}

// pause is the least wait that a refusal of the handshake calls for, if the
// exchange named none, and what it means.
func (r *refusal) pause() (time.Duration, string) {
	switch r.Status {
	case http.StatusTooManyRequests:
		return penaltyPause, "too many connections or requests"
	case http.StatusTeapot:
		return penaltyPause, "this address is banned for a while"
	case http.StatusForbidden:
		return lastingPause, "a firewall of the exchange refuses us"
	case http.StatusUnavailableForLegalReasons:
		return lastingPause, "the exchange does not serve this country"
	}
	if r.Status >= 500 {
		return 0, "the server is in trouble"
	}
	return lastingPause, "the exchange does not understand the request"
}
