package fakebinance

import (
	"fmt"
	"sync/atomic"
	"time"
)

var pingStormKind = FaultKind{
	Name:  KindPingStorm,
	About: "sends many pings at once; a client that answers each is over its limit of frames",
	Settings: []FaultSetting{
		{"pings", "50", "to each session, when it begins or the session opens"},
	},
	start: func(i *Injection, s settings) (effect, error) {
		pings, err := s.integer("pings", 1, 10000)
		if err != nil {
			return nil, err
		}
		return &pingStorm{Injection: i, pings: pings}, nil
	},
}

// pingStorm sends pings with payloads of their own, so that it shows which one
// was answered.
type pingStorm struct {
	*Injection
	pings int
	sent  atomic.Int64
}

func (f *pingStorm) apply(s *session, _ bool) {
	now := time.Now()
	for n := range f.pings {
		s.ping(now.Add(time.Duration(n) * time.Millisecond))
	}
	f.sent.Add(int64(f.pings))
}

func (f *pingStorm) proof(sessions []*session) (bool, string) {
	n := f.sent.Load()
	return n > 0, fmt.Sprintf("%s sent; %s of %d still open", plural(n, "ping"), plural(int64(len(sessions)), "session"), f.met)
}
