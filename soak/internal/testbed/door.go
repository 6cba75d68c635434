package testbed

import (
	"fmt"
	"net"
	"sync"
)

// door is a listener that can be shut, with everybody who came in thrown out,
// and opened again at the same address. While it is shut the system refuses
// connections, as it does for a process that is gone.
type door struct {
	name     string // of who is behind it, for errors
	listener func(network, address string) (net.Listener, error)

	mu      sync.Mutex // never held while waiting
	address string
	inner   net.Listener // nil while shut
	opened  chan struct{}
	inside  map[net.Conn]struct{}
	closed  bool
}

// listen is a kfake.ListenFn.
func (d *door) listen(network, address string) (net.Listener, error) {
	inner, err := d.listener(network, address)
	if err != nil {
		return nil, err
	}
	d.inner, d.address = inner, inner.Addr().String()
	d.opened, d.inside = make(chan struct{}), make(map[net.Conn]struct{})
	close(d.opened)
	return d, nil
}

func (d *door) shut() error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.inner == nil {
		return nil
	}
	inner := d.inner
	d.inner, d.opened = nil, make(chan struct{})
	for conn := range d.inside {
		_ = conn.Close() // its reader says what matters
	}
	clear(d.inside)
	if err := inner.Close(); err != nil {
		return fmt.Errorf("take %s at %s away: %w", d.name, d.address, err)
	}
	return nil
}

func (d *door) open() error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.inner != nil || d.closed {
		return nil
	}
	inner, err := d.listener("tcp", d.address)
	if err != nil {
		return fmt.Errorf("bring %s at %s back: %w", d.name, d.address, err)
	}
	d.inner = inner
	close(d.opened)
	return nil
}

// Accept implements net.Listener. While the door is shut it waits.
func (d *door) Accept() (net.Conn, error) {
	for {
		d.mu.Lock()
		inner, opened, closed := d.inner, d.opened, d.closed
		d.mu.Unlock()
		if closed {
			return nil, net.ErrClosed
		}
		if inner == nil {
			<-opened // by open or Close
			continue
		}
		conn, err := inner.Accept()
		if err == nil {
			if d.admit(inner, conn) {
				return &visit{conn, d}, nil
			}
			_ = conn.Close() // came in while the door was being shut
			continue
		}
		d.mu.Lock()
		same := d.inner == inner
		d.mu.Unlock()
		if same {
			return nil, err
		}
	}
}

func (d *door) admit(by net.Listener, conn net.Conn) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.inner != by {
		return false
	}
	d.inside[conn] = struct{}{}
	return true
}

// Close implements net.Listener.
func (d *door) Close() error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.closed {
		return nil
	}
	d.closed = true
	if d.inner == nil {
		close(d.opened)
		return nil
	}
	inner := d.inner
	d.inner = nil
	return inner.Close()
}

// Addr implements net.Listener; it is the same while the door is shut.
func (d *door) Addr() net.Addr {
	address, err := net.ResolveTCPAddr("tcp", d.address)
	if err != nil {
		panic(err) // it is what a listener called itself
	}
	return address
}

// visit is a connection that the door knows of.
type visit struct {
	net.Conn
	door *door
}

// Close implements net.Conn.
func (v *visit) Close() error {
	v.door.mu.Lock()
	delete(v.door.inside, v.Conn)
	v.door.mu.Unlock()
	return v.Conn.Close()
}
