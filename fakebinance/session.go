package fakebinance

import (
	"errors"
	"io"
	"net"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/gorilla/websocket"
)

const (
	// closeGrace is how long a session that sent its close frame or its FIN
	// waits for the client to end the connection too.
	closeGrace = time.Second
	// maxClientFrame bounds what a client may send at once. Users found a
	// SUBSCRIBE with some 8 KB to be the longest that was answered.
	maxClientFrame = 8 << 10
	// maxPingsOpen bounds the pings whose payload is remembered: three are
	// open when a client never answers.
	maxPingsOpen = 16
)

// session is one websocket connection. Its reader runs on the goroutine of the
// HTTP request, its writer on one of its own.
type session struct {
	n         int64
	publisher *publisher
	rules     rules
	conn      net.Conn // the writer's
	ws        *websocket.Conn
	out       *outbox
	dead      chan struct{} // closed when the writer is to stop without another word

	// The publisher's.
	streams []string // in the order of subscription
	format  format
	pending *batch // frames of the current round
	tampers []tampering

	breached func() // tells that it broke the limit of frames a second

	cutLater *time.Timer // set by a fault before run, stopped by run

	// What faults do to it; one whose injection has ended is ignored.
	stall      atomic.Pointer[stall]
	slowBytes  atomic.Pointer[trickle]
	slowFrames atomic.Pointer[slowFrames]
	noPong     atomic.Pointer[noPong]
	overflowed atomic.Bool // its outbox ran over while it was stalled

	// The reader's.
	arrivals [clientFramesPerSecond]time.Time // of the last frames, a ring
	oldest   int                              // index of the one to be replaced next
	offended bool                             // the reader has counted a frame too many

	trades    atomic.Int64 // written
	stalledAt atomic.Int64 // Unix nanoseconds, when it was last seen to be held by a stall

	mu     sync.Mutex
	record SessionRecord
	ended  bool
	pings  []openPing // not answered yet, oldest first
}

type openPing struct {
	payload string
	at      time.Time
}

// rules are the times and habits of the exchange that a session needs.
type rules struct {
	pingInterval, pongTimeout time.Duration
	keepAfterError            bool
	switches                  *Switches
}

// run serves the session until it ends. The caller is the reader's goroutine.
func (s *session) run() {
	written := make(chan struct{})
	go func() {
		defer close(written)
		s.write()
	}()
	err := s.read()
	s.endOf(err)
	// A close frame that waits is still written, but not for long: the writer
	// may be held up by a client that has stopped reading.
	grace := time.AfterFunc(closeGrace, func() { bottom(s.conn).Close() })
	if !s.out.closing() {
		s.stop()
	}
	<-written
	grace.Stop()
	s.stop()
	bottom(s.conn).Close()
	s.out.discard()
	if s.cutLater != nil {
		s.cutLater.Stop()
	}
}

// endOf notes why reading or writing came to an end, unless the reason is
// known. The end of the client's connection may show in either first.
func (s *session) endOf(err error) {
	var closed *websocket.CloseError
	switch {
	case errors.As(err, &closed) && closed.Code == websocket.CloseNoStatusReceived:
		s.note(EndedByClient, "close frame")
	case errors.As(err, &closed) && closed.Code != websocket.CloseAbnormalClosure:
		s.note(EndedByClient, "close frame "+closeText(closed.Code, closed.Text))
	case closed != nil, errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, syscall.EPIPE):
		s.note(EndedByClient, "end of connection")
	case errors.Is(err, syscall.ECONNRESET):
		s.note(EndedByClient, "connection reset")
	default:
		s.note(EndedByError, err.Error())
	}
}

// note records who ended the session and why; the first to say so is right.
// It reports whether this was the first.
func (s *session) note(by, reason string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.ended {
		return false
	}
	s.ended = true
	s.record.EndedBy, s.record.Reason = by, reason
	if s.record.During == "" {
		s.record.During = s.fault()
	}
	return true
}

// during notes which fault is about to end the session.
func (s *session) during(kind string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.ended {
		s.record.During = kind
	}
}

// justStalled tells that a stall ended within the last second. What the client
// did meanwhile, giving up included, shows only now.
func (s *session) justStalled() bool {
	at := s.stalledAt.Load()
	return at != 0 && time.Now().Before(time.Unix(0, at).Add(time.Second))
}

// fault is the kind of fault that acts on the session, if any.
func (s *session) fault() string {
	switch {
	case active(s.stall.Load()), s.justStalled():
		return s.stall.Load().fault.Kind
	case active(s.noPong.Load()):
		return s.noPong.Load().fault.Kind
	case active(s.slowBytes.Load()):
		return s.slowBytes.Load().fault.Kind
	case active(s.slowFrames.Load()):
		return KindSlowFrames
	}
	return ""
}

// stop lets the writer stop without another word.
func (s *session) stop() {
	s.mu.Lock()
	defer s.mu.Unlock()
	select {
	case <-s.dead:
	default:
		close(s.dead)
	}
}

// endWithFrame ends the session with a close frame.
func (s *session) endWithFrame(by string, code int, reason string) bool {
	first := s.note(by, closeText(code, reason))
	if first {
		s.out.finish(appendClose(nil, code, reason))
	}
	return first
}

// endWithFIN ends the connection without a close frame.
func (s *session) endWithFIN(by, reason string) bool {
	first := s.note(by, reason)
	if first {
		s.stop()
		halfClose(s.conn)
		s.conn.SetReadDeadline(time.Now().Add(closeGrace))
	}
	return first
}

// endWithReset resets the connection.
func (s *session) endWithReset(by, reason string) bool {
	first := s.note(by, reason)
	if first {
		s.stop()
		reset(s.conn)
	}
	return first
}

// shut ends the session with its server.
func (s *session) shut() {
	s.note(EndedByServer, "server closed")
	s.stop()
	bottom(s.conn).Close()
}

// put puts a frame that is no trade into the outbox.
func (s *session) put(frame []byte) {
	if !s.out.put(frame, s.spread()) {
		s.overflow()
	}
}

// overflow cuts a session that can't keep up. One that is stalled is cut when
// the stall is over: its connection is to stay up as long.
func (s *session) overflow() {
	if active(s.stall.Load()) {
		s.overflowed.Store(true)
		return
	}
	s.endWithReset(EndedByServer, "client too slow")
}

// snapshot is the session as the ledger keeps it.
func (s *session) snapshot() SessionRecord {
	s.mu.Lock()
	defer s.mu.Unlock()
	r := s.record
	r.Trades = s.trades.Load()
	return r
}

func (s *session) count(f func(*SessionRecord)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	f(&s.record)
}
