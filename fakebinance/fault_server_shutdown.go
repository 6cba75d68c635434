package fakebinance

import (
	"fmt"
	"sync/atomic"
	"time"

	"github.com/gorilla/websocket"
)

var serverShutdownKind = FaultKind{
	Name:  KindServerShutdown,
	About: "announces serverShutdown on the open sessions, and closes those that stay with 1001",
	Settings: []FaultSetting{
		{"notice", "10s", "from the announcement to the close; the exchange promises no time"},
	},
	start: func(i *Injection, s settings) (effect, error) {
		notice, err := s.duration("notice", 0, 24*time.Hour)
		if err != nil {
			return nil, err
		}
		return &serverShutdown{Injection: i, notice: notice}, nil
	},
}

// serverShutdown tells sessions that their server is about to leave, and
// leaves, unless the injection ends before. A session that opens meanwhile is
// on another server, as far as a client can see: it is left alone.
type serverShutdown struct {
	*Injection
	notice time.Duration
	told   atomic.Int64
	closed atomic.Int64
}

func (f *serverShutdown) apply(s *session, opening bool) {
	if opening {
		return
	}
	event := fmt.Sprintf(`{"e":"serverShutdown","E":%d}`, time.Now().UnixMilli())
	if s.format&combined != 0 {
		event = `{"stream":"!serverShutdown","data":` + event + `}`
	}
	f.told.Add(1)
	s.put(appendFrame(nil, opText, []byte(event)))
	time.AfterFunc(f.notice, func() {
		if !active(f) {
			return
		}
		s.during(KindServerShutdown)
		f.closed.Add(1)
		if !s.endWithFrame(EndedByFault, websocket.CloseGoingAway, "") {
			f.closed.Add(-1)
		}
	})
}

func (f *serverShutdown) proof([]*session) (bool, string) {
	n := f.told.Load()
	return n > 0, fmt.Sprintf("%s told of a shutdown, %d closed", plural(n, "session"), f.closed.Load())
}
