package fakebinance

import (
	"bufio"
	"bytes"
	"crypto/tls"
	"fmt"
	"net"
	"net/http"
	"time"
)

// wire stands between gorilla's websocket.Conn and the connection of a
// session. Gorilla reads through it; what gorilla would write (its answer to a
// close frame or to a broken one) goes into the outbox like everything else,
// so that the session's writer is the only one that writes to the socket.
type wire struct {
	net.Conn
	session *session // nil until the upgrade is done
	agreed  string   // extension, in place of what gorilla would answer; "": none
}

// hijackWire has the upgrade done on a wire.
type hijackWire struct {
	http.ResponseWriter
	agreed string
	wire   *wire
}

// Hijack takes the connection from net/http and puts the wire around it.
func (h *hijackWire) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	conn, buffered, err := http.NewResponseController(h.ResponseWriter).Hijack()
	if err != nil {
		return nil, nil, err
	}
	h.wire = &wire{Conn: conn, agreed: h.agreed}
	return h.wire, buffered, nil
}

// Read waits while the session is stalled, before and after it reads: what
// came in meanwhile is seen only when the stall has ended.
func (w *wire) Read(p []byte) (int, error) {
	if w.session == nil {
		return w.Conn.Read(p)
	}
	w.session.passStall(reading)
	n, err := w.Conn.Read(p)
	w.session.passStall(gotten)
	return n, err
}

// Write takes one whole frame; gorilla writes control frames so.
func (w *wire) Write(p []byte) (int, error) {
	if w.session == nil {
		return len(p), w.answer(p)
	}
	if p[0]&0x0f == opClose {
		w.session.out.finish(p)
	} else {
		w.session.put(p)
	}
	return len(p), nil
}

// answer writes the answer to the upgrade, with the extension that was agreed
// to: gorilla always names the same parameters, whatever was offered.
func (w *wire) answer(p []byte) error {
	if w.agreed != "" {
		before, rest, found := bytes.Cut(p, []byte(extensionsHeader+": "))
		_, after, _ := bytes.Cut(rest, []byte("\r\n"))
		if found {
			p = fmt.Appendf(nil, "%s%s: %s\r\n%s", before, extensionsHeader, w.agreed, after)
		}
	}
	_, err := w.Conn.Write(p)
	return err
}

// SetWriteDeadline has no effect on a session: its writer sets its own.
func (w *wire) SetWriteDeadline(t time.Time) error {
	if w.session == nil {
		return w.Conn.SetWriteDeadline(t)
	}
	return nil
}

// bottom returns the connection below TLS.
func bottom(c net.Conn) net.Conn {
	for {
		upper, ok := c.(interface{ NetConn() net.Conn })
		if !ok {
			return c
		}
		c = upper.NetConn()
	}
}

// reset ends a connection so that the peer sees it reset: what waits in the
// kernel is thrown away.
func reset(c net.Conn) {
	c = bottom(c)
	if l, ok := c.(interface{ SetLinger(sec int) error }); ok {
		_ = l.SetLinger(0) // of a connection that is over already there is nothing to reset
	}
	_ = c.Close()
}

// leave ends our direction of a connection in order: where there is TLS with
// its closing alert, then with a FIN.
func leave(c net.Conn) {
	if secure, ok := c.(*tls.Conn); ok {
		// The FIN that follows says the same to whoever misses the alert.
		_ = secure.CloseWrite()
	}
	halfClose(c)
}

// halfClose ends our direction of a connection with a FIN and, where there is
// TLS, without a word.
func halfClose(c net.Conn) {
	c = bottom(c)
	if h, ok := c.(interface{ CloseWrite() error }); ok {
		_ = h.CloseWrite() // fails when the peer was faster
		return
	}
	_ = c.Close()
}
