package fakebinance

import (
	"net"
	"sync"
	"sync/atomic"
)

var muteKind = FaultKind{
	Name:  KindMute,
	About: "accepts new connections and says nothing, not even in the TLS handshake; those that are open go on",
	start: func(i *Injection, _ settings) (effect, error) { return &mute{atDoor: atDoor{i}}, nil },
}

// mute leaves what a client says unread until the fault ends.
type mute struct {
	atDoor
	met atomic.Int64
}

func (f *mute) greet(conn net.Conn) net.Conn {
	f.met.Add(1)
	return &muted{overlaid: overlaid{conn}, by: f, closed: make(chan struct{})}
}

func (f *mute) proof([]*session) (bool, string) {
	n := f.met.Load()
	return n > 0, plural(n, "connection") + " accepted without a word"
}

type muted struct {
	overlaid
	by     *mute
	closed chan struct{}
	once   sync.Once
}

// Read waits until the fault or the connection ends.
func (c *muted) Read(p []byte) (int, error) {
	select {
	case <-c.by.Done():
	case <-c.closed:
	}
	return c.Conn.Read(p)
}

func (c *muted) Close() error {
	c.once.Do(func() { close(c.closed) })
	return c.Conn.Close()
}
