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
	lone atomic.Int64 // sessions that ended meanwhile, with something withheld or nothing
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
	if n := f.lone.Load(); withheld == 0 && n > 0 {
		// In a quiet market nothing may be due before a client has heard too little.
		return true, plural(n, "session") + " ended with the direction dead, before anything was to be withheld"
	}
	return withheld > 0, fmt.Sprintf("%s withheld for up to %s", plural(withheld, "byte"), until.Sub(f.began).Round(time.Millisecond))
}
