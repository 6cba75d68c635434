package fakebinance

import (
	"fmt"
	"sync/atomic"
	"time"
)

var pingFloodKind = FaultKind{
	Name:  KindPingFlood,
	About: "sends pings all along; a client that answers each is over its limit of frames",
	Settings: []FaultSetting{
		{"per_second", "20", "to each session; 5 answers a second are allowed"},
	},
	start: func(i *Injection, s settings) (effect, error) {
		rate, err := s.integer("per_second", 1, 1000)
		return &pingFlood{Injection: i, every: time.Second / time.Duration(max(rate, 1))}, err
	},
}

// pingFlood pings each session until it or the fault ends.
type pingFlood struct {
	*Injection
	every time.Duration
	sent  atomic.Int64
}

func (f *pingFlood) apply(s *session, _ bool) { f.next(s) }

// next pings and comes back later.
func (f *pingFlood) next(s *session) {
	if f.over() || s.isDead() || s.out.closing() {
		return
	}
	s.ping(time.Now())
	f.sent.Add(1)
	time.AfterFunc(f.every, func() { f.next(s) })
}

func (f *pingFlood) proof([]*session) (bool, string) {
	n := f.sent.Load()
	return n > 0, fmt.Sprintf("%s sent, one each %s", plural(n, "ping"), f.every)
}
