package soak

import (
	"slices"
	"strings"
	"time"
)

// Session is one connection of the subject as the exchange saw it.
type Session struct {
	N            int64     `json:"n"`
	Opened       time.Time `json:"opened"`
	Closed       time.Time `json:"closed,omitzero"`
	EndedBy      string    `json:"ended_by,omitempty"` // client, server, fault or error
	Reason       string    `json:"reason,omitempty"`
	During       string    `json:"during,omitempty"` // the injection in whose window it ended
	Streams      int       `json:"streams"`
	Trades       int64     `json:"trades"` // written to it
	PingsSent    int64     `json:"pings_sent"`
	PongsGot     int64     `json:"pongs_got"`
	ClientPings  int64     `json:"client_pings"`
	PongsSent    int64     `json:"pongs_sent"`
	PongTimeouts int64     `json:"pong_timeouts"` // of the server's pings
}

// EndedEarly tells whether a session ended while there was traffic. The last ones
// end because the subject is asked to.
func (l *Ledger) EndedEarly(s Session) bool {
	return !s.Closed.IsZero() && (l.Ended.IsZero() || s.Closed.Before(l.Ended))
}

// Rotated tells whether a session ended as a make-before-break rotation ends:
// by the subject, with the normal close code (RFC 6455, 1000), while a younger
// session with as many streams was open.
func (l *Ledger) Rotated(s Session) bool {
	return l.EndedEarly(s) && s.EndedBy == "client" && strings.HasPrefix(s.Reason, "close frame 1000") &&
		l.succeeded(s, func(closed time.Time) bool { return closed.After(s.Closed) })
}

// Reconnected tells whether the end of a session cost the subject a reconnect. A
// rotation does not, nor does a fault that ends a session that was being
// replaced, and perhaps its successor in the same instant: who has lost two has
// to come back once.
func (l *Ledger) Reconnected(s Session) bool {
	bereft := s.EndedBy == "fault" && l.succeeded(s, func(closed time.Time) bool { return !closed.Before(s.Closed) })
	return l.EndedEarly(s) && !l.Rotated(s) && !bereft
}

// succeeded tells whether a younger session with as many streams was there when
// one ended; there says it of the time at which the younger one was closed.
func (l *Ledger) succeeded(s Session, there func(closed time.Time) bool) bool {
	return slices.ContainsFunc(l.Sessions, func(other Session) bool {
		return other.N > s.N && other.Streams >= s.Streams && other.Opened.Before(s.Closed) &&
			(other.Closed.IsZero() || there(other.Closed))
	})
}
