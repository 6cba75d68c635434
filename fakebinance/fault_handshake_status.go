package fakebinance

import (
	"fmt"
	"net/http"
	"strconv"
	"sync/atomic"
)

var handshakeStatusKind = FaultKind{
	Name:  KindHandshakeStatus,
	About: "answers new connections with an HTTP status in place of a session; those that are open go on",
	Settings: []FaultSetting{
		{"status", "503", "400 to 599, such as 403, 418, 429, 451"},
		{"retry_after", "", "seconds, in the header Retry-After; empty: no such header"},
	},
	start: func(i *Injection, s settings) (effect, error) {
		status, err := s.integer("status", 400, 599)
		if err != nil {
			return nil, err
		}
		f := &handshakeStatus{Injection: i, status: status}
		if s.text("retry_after") != "" {
			if f.retryAfter, err = s.integer("retry_after", 0, 1e6); err != nil {
				return nil, err
			}
			f.retry = true
		}
		return f, nil
	},
}

// handshakeStatus refuses sessions. It is aimed at none of those that are open.
type handshakeStatus struct {
	*Injection
	status     int
	retry      bool
	retryAfter int // seconds
	refused    atomic.Int64
}

func (f *handshakeStatus) begin()               { f.server.refusing.Store(f) }
func (f *handshakeStatus) heal()                {}
func (f *handshakeStatus) apply(*session, bool) {}

// answer refuses a request for a session.
func (f *handshakeStatus) answer(w http.ResponseWriter) {
	if f.retry {
		w.Header().Set("Retry-After", strconv.Itoa(f.retryAfter))
	}
	http.Error(w, "", f.status)
	f.refused.Add(1)
}

func (f *handshakeStatus) proof([]*session) (bool, string) {
	n := f.refused.Load()
	return n > 0, fmt.Sprintf("%s answered with %d", plural(n, "connection"), f.status)
}
