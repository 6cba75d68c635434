package fakebinance

import (
	"fmt"
	"time"
)

// live has a session end when its time is over, and told before if the switch
// says so; what it returns has the session forgotten.
func (s *Server) live(opened *session) (end func()) {
	rules := &s.options.Switches
	if rules.Life < 0 {
		return func() {}
	}
	var notice *time.Timer
	if rules.LifeNotice > 0 {
		notice = time.AfterFunc(max(0, rules.Life-rules.LifeNotice), func() {
			s.publisher.ask(func() { opened.put(appendFrame(nil, opText, opened.shutdownEvent())) })
		})
	}
	life := time.AfterFunc(rules.Life, func() {
		const reason = "end of its life"
		if rules.LifeCode == -1 {
			opened.endWithFIN(EndedByServer, reason)
		} else {
			opened.endWithFrame(EndedByServer, rules.LifeCode, "")
		}
	})
	return func() {
		life.Stop()
		if notice != nil {
			notice.Stop()
		}
	}
}

// shutdownEvent is serverShutdown as it comes on the session. It is called on
// the publisher's goroutine.
func (s *session) shutdownEvent() []byte {
	event := fmt.Appendf(nil, `{"e":"serverShutdown","E":%d}`, time.Now().UnixMilli())
	if s.format&combined != 0 {
		event = fmt.Appendf(nil, `{"stream":"!serverShutdown","data":%s}`, event)
	}
	return event
}
