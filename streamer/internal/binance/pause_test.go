package binance

import (
	"errors"
	"math/rand/v2"
	"testing"
	"time"
)

func TestPause(t *testing.T) {
	closed := func(code int, text string) EndReason { return EndReason{Kind: EndClosed, Code: code, Text: text} }
	refused := func(status int, after time.Duration) error { return &refusal{Status: status, RetryAfter: after} }
	broken := errors.New("connection refused")
	f := func(failures int, end EndReason, err error, low, high time.Duration, want string) {
		t.Helper()
		jitter := rand.New(rand.NewPCG(1, 2))
		for range 1000 {
			if d, why := pause(jitter, failures, end, err); d <= low || d > high || why != want {
				t.Fatalf("after %d failures and %v, %v: %v (%s), want %v to %v (%s)", failures, end, err, d, why, low, high, want)
			}
		}
	}
	none := EndReason{}
	for failures, high := range []time.Duration{1, 2, 4, 8, 16, 32, 60, 60} {
		f(failures, none, broken, 0, high*time.Second, "no connection")
	}
	f(1<<40, none, broken, 0, time.Minute, "no connection")
	f(0, none, refused(429, 0), 2*time.Minute, 121*time.Second, "too many connections or requests")
	f(0, none, refused(429, 5*time.Minute), 5*time.Minute, 301*time.Second, "too many connections or requests")
	f(0, none, refused(418, 3*24*time.Hour), 72*time.Hour, 72*time.Hour+time.Second, "this address is banned for a while")
	f(0, none, refused(418, time.Second), 2*time.Minute, 121*time.Second, "this address is banned for a while")
	f(0, none, refused(403, 0), time.Minute, 61*time.Second, "a firewall of the exchange refuses us")
	f(2, none, refused(451, 0), time.Minute, 64*time.Second, "the exchange does not serve this country")
	f(0, none, refused(503, 7*time.Second), 7*time.Second, 8*time.Second, "the server is in trouble")
	f(0, none, refused(504, 0), 0, time.Second, "the server is in trouble")
	f(0, none, refused(404, 0), time.Minute, 61*time.Second, "the exchange does not understand the request")
	f(0, closed(1008, "Too many requests"), nil, 2*time.Minute, 121*time.Second, "the exchange thinks that we sent too much")
	f(0, closed(1008, "Pong timeout"), nil, 0, time.Second, "the exchange missed our pong")
	f(0, closed(1008, `{"code":-1,"msg":"Illegal format ws or stream"}`), nil, time.Minute, 61*time.Second, "the exchange does not understand the streams that we ask for")
	f(0, closed(1008, ""), nil, 0, time.Second, "the exchange refused the session")
	f(0, closed(1001, ""), nil, 0, time.Second, "the server went away")
	f(0, closed(1012, ""), nil, 0, time.Second, "the server went away")
	f(0, closed(1013, ""), nil, 30*time.Second, 31*time.Second, "the exchange is overloaded")
	f(0, closed(1000, ""), nil, 0, time.Second, "the exchange closed the session")
	f(0, closed(4711, "what"), nil, 0, time.Second, "the exchange closed the session")
	f(3, EndReason{Kind: EndShutdown, Code: 1001}, nil, 0, time.Second, "the server has left as it announced")
	f(0, EndReason{Kind: EndNoPong}, nil, 0, time.Second, "the connection was dead")
	f(0, EndReason{Kind: EndSilent}, nil, 0, time.Second, "the session was silent")
	f(0, EndReason{Kind: EndRead, Cause: broken}, nil, 0, time.Second, "the connection broke")
	f(0, EndReason{Kind: EndBad}, nil, 0, time.Second, "the new session missed trades")
}
