package memnet

import (
	"context"
	"fmt"
	"net"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"
)

const (
	// bufferBytes is what one direction of a link holds before writes wait,
	// about what the sockets of a real connection do.
	bufferBytes = 256 << 10
	// backlog is how many connections may wait to be accepted.
	backlog = 128
	// firstPort is the first of the ports that are given out, as on Linux.
	firstPort = 32768
)

// Network is a set of addresses. Make it with New; it needs no closing once
// its listeners and connections are closed.
type Network struct {
	mu        sync.Mutex
	listeners map[string]*listener
	links     []*Link
	latency   time.Duration
	nextPort  int
}

// New makes an empty network.
func New() *Network {
	return &Network{listeners: make(map[string]*listener), nextPort: firstPort}
}

// SetLatency has bytes on connections dialled from now on arrive so much later
// than they were written, in each direction. An odd value keeps timers of both
// ends from firing at one instant.
func (n *Network) SetLatency(d time.Duration) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.latency = d
}

// Listen listens at an address such as "127.0.0.1:9443"; with port 0 a free
// port is chosen. It returns an error when the address is taken.
func (n *Network) Listen(addr string) (net.Listener, error) {
	host, port, err := net.SplitHostPort(addr)
	if err != nil {
		return nil, fmt.Errorf("listen %s: %w", addr, err)
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	if port == "0" {
		addr = net.JoinHostPort(host, strconv.Itoa(n.nextPort))
		n.nextPort++
	}
	if n.listeners[addr] != nil {
		return nil, &net.OpError{Op: "listen", Net: "tcp", Addr: address(addr), Err: syscall.EADDRINUSE}
	}
	l := &listener{network: n, addr: address(addr), incoming: make(chan *conn, backlog), closed: make(chan struct{})}
	n.listeners[addr] = l
	return l, nil
}

// Dial connects to a listener. Its signature is that of net.Dialer.DialContext;
// network is "tcp". localhost is 127.0.0.1, and the only name. Without a
// listener the connection is refused.
func (n *Network) Dial(ctx context.Context, network, addr string) (net.Conn, error) {
	if port, is := strings.CutPrefix(addr, "localhost:"); is {
		addr = net.JoinHostPort("127.0.0.1", port)
	}
	n.mu.Lock()
	l := n.listeners[addr]
	local := address(net.JoinHostPort("127.0.0.1", strconv.Itoa(n.nextPort)))
	n.nextPort++
	latency := n.latency
	n.mu.Unlock()
	refused := func(err error) error {
		return &net.OpError{Op: "dial", Net: network, Addr: address(addr), Err: err}
	}
	if l == nil {
		return nil, refused(syscall.ECONNREFUSED)
	}
	if latency > 0 {
		wait := time.NewTimer(2 * latency) // there and back
		defer wait.Stop()
		select {
		case <-wait.C:
		case <-ctx.Done():
			return nil, refused(ctx.Err())
		}
	}
	link := newLink(n, local, l.addr, latency)
	n.mu.Lock()
	n.links = append(n.links, link)
	n.mu.Unlock()
	select {
	case l.incoming <- link.server:
		return link.client, nil
	case <-l.closed:
		n.forget(link)
		return nil, refused(syscall.ECONNREFUSED)
	case <-ctx.Done():
		n.forget(link)
		return nil, refused(ctx.Err())
	}
}

// Links returns the open connections, oldest first.
func (n *Network) Links() []*Link {
	n.mu.Lock()
	defer n.mu.Unlock()
	return slices.Clone(n.links)
}

func (n *Network) forget(link *Link) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.links = slices.DeleteFunc(n.links, func(l *Link) bool { return l == link })
}

type listener struct {
	network  *Network
	addr     address
	incoming chan *conn
	closing  sync.Once
	closed   chan struct{}
}

func (l *listener) Accept() (net.Conn, error) {
	select {
	case c := <-l.incoming:
		return c, nil
	case <-l.closed:
		return nil, &net.OpError{Op: "accept", Net: "tcp", Addr: l.addr, Err: net.ErrClosed}
	}
}

// Close refuses further connections and resets those that nobody accepted.
func (l *listener) Close() error {
	err := error(net.ErrClosed)
	l.closing.Do(func() {
		err = nil
		l.network.mu.Lock()
		delete(l.network.listeners, string(l.addr))
		l.network.mu.Unlock()
		close(l.closed)
		for {
			select {
			case c := <-l.incoming:
				c.link.Reset()
			default:
				return
			}
		}
	})
	return err
}

func (l *listener) Addr() net.Addr { return l.addr }

type address string

func (address) Network() string  { return "tcp" }
func (a address) String() string { return string(a) }
