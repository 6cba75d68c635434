package fakebinance

import (
	"errors"
	"fmt"
	"net"
	"sync/atomic"
	"syscall"
)

var tlsCutKind = FaultKind{
	Name:  KindTLSCut,
	About: "resets new connections in the middle of the TLS handshake",
	Settings: []FaultSetting{
		{"bytes", "100", "of the server's part that are sent before; a whole one has more than 500"},
	},
	start: func(i *Injection, s settings) (effect, error) {
		if i.server.authority == nil {
			return nil, fmt.Errorf("fault %s: the server serves no TLS", i.fault.Kind)
		}
		bytes, err := s.integer("bytes", 0, 500)
		return &tlsCut{atDoor: atDoor{i}, bytes: bytes}, err
	},
}

// tlsCut lets the beginning of a handshake through.
type tlsCut struct {
	atDoor
	bytes int
	cut   atomic.Int64
}

func (f *tlsCut) greet(conn net.Conn) net.Conn { return &cutShort{overlaid{conn}, f, f.bytes} }

func (f *tlsCut) proof([]*session) (bool, string) {
	n := f.cut.Load()
	return n > 0, fmt.Sprintf("%s cut %d bytes into the handshake", plural(n, "connection"), f.bytes)
}

type cutShort struct {
	overlaid
	by   *tlsCut
	left int
}

// Write sends what is left and cuts. A connection that was greeted is cut even
// if the fault ends meanwhile: it met it.
func (c *cutShort) Write(p []byte) (int, error) {
	if c.left < 0 {
		return 0, syscall.ECONNRESET
	}
	n, err := c.Conn.Write(p[:min(len(p), c.left)])
	if c.left -= n; err != nil || n == len(p) {
		return n, err
	}
	c.left = -1
	c.by.cut.Add(1)
	// A FIN, not a reset: that would overtake the bytes that were sent.
	halfClose(c.Conn)
	return n, errors.Join(syscall.ECONNRESET, c.Conn.Close())
}
