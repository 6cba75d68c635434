package fakebinance

import (
	"net"
	"net/http"
	"slices"
	"sync"
)

// Some faults act on connections and requests rather than on sessions. They
// stand at the door: the listener, and the beginning of every request.

// aimless is an effect that needs no session to disturb somebody.
type aimless interface{ aimless() }

// greeting is a fault that meets a connection before anything is read from it.
type greeting interface {
	over() bool
	// greet returns the connection as the server is to have it, or nil when
	// there is none any more.
	greet(net.Conn) net.Conn
}

// meeting is a fault that meets a request.
type meeting interface {
	over() bool
	// meet may change the request, and reports whether it has answered it.
	meet(w http.ResponseWriter, r *http.Request) bool
}

// atDoor is what the faults at the door have in common.
type atDoor struct{ *Injection }

func (f atDoor) aimless()             {}
func (f atDoor) apply(*session, bool) {}
func (f atDoor) begin()               { f.server.door.add(f.effect) }
func (f atDoor) heal()                { f.server.door.remove(f.effect) }

// door has the faults at the door; there is at most one of each kind.
type door struct {
	mu     sync.Mutex // never held while waiting
	faults []effect
}

func (d *door) add(f effect) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.faults = append(slices.Clone(d.faults), f)
}

func (d *door) remove(f effect) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.faults = slices.DeleteFunc(slices.Clone(d.faults), func(o effect) bool { return o == f })
}

func (d *door) all() []effect {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.faults
}

// meet has the faults meet a request and reports whether one has answered it.
func (d *door) meet(w http.ResponseWriter, r *http.Request) bool {
	for _, f := range d.all() {
		if m, ok := f.(meeting); ok && !m.over() && m.meet(w, r) {
			return true
		}
	}
	return false
}

// doorListener has the faults greet each connection.
type doorListener struct {
	net.Listener
	door *door
}

// Accept implements net.Listener.
func (l doorListener) Accept() (net.Conn, error) {
	for {
		conn, err := l.Listener.Accept()
		if err != nil {
			return nil, err
		}
		for _, f := range l.door.all() {
			if g, ok := f.(greeting); ok && !g.over() && conn != nil {
				conn = g.greet(conn)
			}
		}
		if conn != nil {
			return conn, nil
		}
	}
}

// overlaid is a connection through which a fault reads or writes.
type overlaid struct{ net.Conn }

// NetConn returns the connection below, as that of tls.Conn does.
func (c overlaid) NetConn() net.Conn { return c.Conn }
