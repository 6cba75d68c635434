package fakebinance

import "sync/atomic"

var noPongKind = FaultKind{
	Name:  KindNoPong,
	About: "stops answering the client's pings; everything else goes on",
	start: func(i *Injection, _ settings) (effect, error) { return &noPong{Injection: i}, nil },
}

// noPong leaves the client's pings without an answer.
type noPong struct {
	*Injection
	pings atomic.Int64
}

func (f *noPong) apply(s *session, _ bool) { s.noPong.Store(f) }

// unanswered counts a ping. It runs on the session's reader.
func (f *noPong) unanswered() { f.pings.Add(1) }

func (f *noPong) proof([]*session) (bool, string) {
	pings := f.pings.Load()
	return pings > 0, plural(pings, "client ping") + " left unanswered"
}
