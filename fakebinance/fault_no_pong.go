package fakebinance

import "sync/atomic"

var noPongKind = FaultKind{
	Name:  KindNoPong,
	About: "stops answering the client's pings; everything else goes on",
	start: func(i *Injection, _ settings) (effect, error) { return &noPong{Injection: i}, nil },
}

// noPong leaves the client's pings without an answer, or without the right one.
type noPong struct {
	*Injection
	wrong string // payload of a pong; empty: none
	pings atomic.Int64
}

func (f *noPong) apply(s *session, _ bool) { s.noPong.Store(f) }

// answer takes a ping in place of the session. It runs on the session's reader.
func (f *noPong) answer(s *session) {
	f.pings.Add(1)
	if f.wrong != "" {
		s.put(appendFrame(nil, opPong, []byte(f.wrong)))
	}
}

func (f *noPong) proof([]*session) (bool, string) {
	pings, how := f.pings.Load(), " left unanswered"
	if f.wrong != "" {
		how = " answered wrongly"
	}
	return pings > 0, plural(pings, "client ping") + how
}
