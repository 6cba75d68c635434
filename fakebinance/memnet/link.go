package memnet

import (
	"net"
	"sync"
	"sync/atomic"
	"time"
)

// Link is a connection as the network sees it: the place to disturb it.
type Link struct {
	network        *Network
	client, server *conn
	open           atomic.Int32 // ends that are not closed
}

func newLink(n *Network, client, server address, latency time.Duration) *Link {
	up, down := newPipe(latency), newPipe(latency)
	l := &Link{network: n}
	l.client = &conn{link: l, in: down, out: up, local: client, remote: server}
	l.server = &conn{link: l, in: up, out: down, local: server, remote: client}
	l.open.Store(2)
	return l
}

// Client returns the address of the end that dialled.
func (l *Link) Client() net.Addr { return l.client.local }

// Server returns the address of the end that was dialled.
func (l *Link) Server() net.Addr { return l.client.remote }

// Reset breaks the connection at both ends at once.
func (l *Link) Reset() {
	l.client.in.cut()
	l.client.out.cut()
	l.network.forget(l)
}

// Stall stops the bytes from the client (up), from the server (down), or both.
// They are kept and arrive after Heal; neither end is told, and the end of the
// connection doesn't get through either.
func (l *Link) Stall(up, down bool) {
	l.client.out.stall(up)
	l.client.in.stall(down)
}

// Heal ends a stall.
func (l *Link) Heal() { l.Stall(false, false) }

// conn is one end of a link.
type conn struct {
	link          *Link
	in, out       *pipe
	local, remote address
	closing       sync.Once
	abort         atomic.Bool // close by a reset
}

func (c *conn) Read(p []byte) (int, error) {
	n, err := c.in.read(p)
	return n, c.wrap("read", err)
}

func (c *conn) Write(p []byte) (int, error) {
	n, err := c.out.write(p)
	return n, c.wrap("write", err)
}

// Close ends both directions: the other end reads what is on its way, then the
// end. After SetLinger(0) it is reset in place of that.
func (c *conn) Close() error {
	err := c.wrap("close", net.ErrClosed)
	c.closing.Do(func() {
		err = nil
		if c.abort.Load() {
			c.out.reset()
		} else {
			c.out.closeWrite()
		}
		c.out.leaveWrite()
		c.in.closeRead()
		if c.link.open.Add(-1) == 0 {
			c.link.network.forget(c.link)
		}
	})
	return err
}

// CloseWrite ends the direction to the other end, as (*net.TCPConn).CloseWrite.
func (c *conn) CloseWrite() error {
	c.out.closeWrite()
	return nil
}

// SetLinger with 0 has Close reset the connection, as (*net.TCPConn).SetLinger.
func (c *conn) SetLinger(sec int) error {
	c.abort.Store(sec == 0)
	return nil
}

func (c *conn) LocalAddr() net.Addr  { return c.local }
func (c *conn) RemoteAddr() net.Addr { return c.remote }

func (c *conn) SetDeadline(t time.Time) error {
	c.in.readDeadline.set(c.in, t)
	c.out.writeDeadline.set(c.out, t)
	return nil
}

func (c *conn) SetReadDeadline(t time.Time) error {
	c.in.readDeadline.set(c.in, t)
	return nil
}

func (c *conn) SetWriteDeadline(t time.Time) error {
	c.out.writeDeadline.set(c.out, t)
	return nil
}

// wrap gives an error the form that the net package gives it. The end of a
// connection stays io.EOF.
func (c *conn) wrap(op string, err error) error {
	if err == nil || isEOF(err) {
		return err
	}
	return &net.OpError{Op: op, Net: "tcp", Source: c.local, Addr: c.remote, Err: err}
}
