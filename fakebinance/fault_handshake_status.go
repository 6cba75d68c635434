package fakebinance

import (
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"sync/atomic"
)

var retryAfterSetting = FaultSetting{"retry_after", "", "seconds, in the header Retry-After; empty: no such header"}

var handshakeStatusKind = FaultKind{
	Name:  KindHandshakeStatus,
	About: "answers new connections with an HTTP status in place of a session; those that are open go on",
	Settings: []FaultSetting{
		{"status", "503", "400 to 599, such as 403, 418, 429, 451"},
		retryAfterSetting,
	},
	start: func(i *Injection, s settings) (effect, error) { return newStatusAnswer(i, s, false) },
}

// statusAnswer answers requests for sessions, or those to REST, with a status.
type statusAnswer struct {
	atDoor
	rest       bool
	status     int
	retryAfter string // seconds; empty: no such header
	answered   atomic.Int64
}

func newStatusAnswer(i *Injection, s settings, rest bool) (effect, error) {
	status, err := s.integer("status", 400, 599)
	if err != nil {
		return nil, err
	}
	f := &statusAnswer{atDoor: atDoor{i}, rest: rest, status: status}
	if s.text("retry_after") != "" {
		seconds, err := s.integer("retry_after", 0, 1e6)
		if err != nil {
			return nil, err
		}
		f.retryAfter = strconv.Itoa(seconds)
	}
	return f, nil
}

func isREST(r *http.Request) bool { return strings.HasPrefix(r.URL.Path, "/api/") }

func (f *statusAnswer) meet(w http.ResponseWriter, r *http.Request) bool {
	if isREST(r) != f.rest {
		return false
	}
	if f.retryAfter != "" {
		w.Header().Set("Retry-After", f.retryAfter)
	}
	f.answered.Add(1)
	if f.rest && (f.status == http.StatusTooManyRequests || f.status == http.StatusTeapot) {
		w.Header().Set("Content-Type", "application/json;charset=UTF-8")
		writeRESTError(w, &restError{f.status, -1003, "Too many requests."})
		return true
	}
	// What stands before the exchange answers with a page, not with JSON.
	http.Error(w, "", f.status)
	return true
}

func (f *statusAnswer) proof([]*session) (bool, string) {
	n, what := f.answered.Load(), "connection"
	if f.rest {
		what = "request"
	}
	return n > 0, fmt.Sprintf("%s answered with %d", plural(n, what), f.status)
}
