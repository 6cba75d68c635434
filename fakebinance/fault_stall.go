package fakebinance

import (
	"fmt"
	"sync/atomic"
	"time"
)

var stallKind = FaultKind{
	Name:  KindStall,
	About: "stops everything on the session, reading included, while TCP stays up; what was held back follows at its end",
	start: func(i *Injection, _ settings) (effect, error) { return &stall{Injection: i}, nil },
}

// stall stops the session's reader and writer where they stand. The reader does
// not see whether the client has gone either, so an abandoned session is
// cleared away when the stall ends.
type stall struct {
	*Injection
	dead string       // deadOut or deadIn: one direction only
	kept atomic.Int64 // reads held back
	left atomic.Int64 // bytes withheld from sessions that ended meanwhile
}

func (f *stall) apply(s *session, _ bool) {
	s.stall.Store(f)
	signal(s.out.wake)
}

func (f *stall) proof(sessions []*session) (bool, string) {
	until := f.ended
	if until.IsZero() {
		until = time.Now()
	}
	if f.speaking() {
		return f.deafProof(until)
	}
	withheld := f.left.Load()
	for _, s := range sessions {
		withheld += s.out.size.Load()
	}
	return withheld > 0, fmt.Sprintf("%s withheld for up to %s", plural(withheld, "byte"), until.Sub(f.began).Round(time.Millisecond))
}
