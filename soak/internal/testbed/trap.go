package testbed

import (
	"context"
	"net"
	"sync/atomic"
	"time"

	"steadfeed/fakebinance/memnet"
	"steadfeed/soak"
)

// trapDelay is longer than any client here waits for an answer.
const trapDelay = 45 * time.Second

// trap watches what the subject of a virtual run writes to anybody (Kafka,
// registry, REST, sessions) and does one thing at one of these moments. Writes
// are counted over all lives of the subject.
type trap struct {
	soak.Trap
	network *memnet.Network
	replace func(*Called) // sees to one that has died, in the background
	writes  atomic.Int64
}

// write writes for the subject.
func (t *trap) write(o *owned, p []byte) (int, error) {
	if t == nil || t.writes.Add(1) != t.At {
		return o.Conn.Write(p)
	}
	switch t.Kind {
	case soak.TrapDieBefore:
		o.by.die()
		t.replace(o.by)
		return 0, errDead
	case soak.TrapDieAfter:
		n, err := o.Conn.Write(p)
		o.by.die() // whatever the answer is, nobody is there to read it
		t.replace(o.by)
		return n, err
	case soak.TrapDelay:
		if link := t.link(o.Conn); link != nil {
			link.Stall(false, true)
			time.AfterFunc(trapDelay, link.Heal)
		}
		return o.Conn.Write(p)
	default: // soak.TrapCut
		n, _ := o.Conn.Write(p[:len(p)/2]) // what matters is that it was not all
		if link := t.link(o.Conn); link != nil {
			link.Reset()
		}
		return n, errDead
	}
}

// link is the one that a connection of the subject is an end of.
func (t *trap) link(conn net.Conn) *memnet.Link {
	for _, link := range t.network.Links() {
		if link.Client().String() == conn.LocalAddr().String() {
			return link
		}
	}
	return nil
}

// setTrap lays the plan's trap, if it has one.
func (b *Testbed) setTrap() {
	if b.plan.Trap == nil {
		return
	}
	b.virtual.trap = &trap{Trap: *b.plan.Trap, network: b.virtual.Network, replace: func(dead *Called) {
		b.replacing.Go(func() {
			if b.Subject() != Process(dead) {
				dead.Kill() // it was draining, beside the one that has taken over
				return
			}
			_ = b.Replace(context.Background()) // without a subject, trades will be missing
		})
	}}
}

// Writes is how often the subject of a plan with a trap has written so far.
func (v *Virtual) Writes() int64 {
	if v.trap == nil {
		return 0
	}
	return v.trap.writes.Load()
}
