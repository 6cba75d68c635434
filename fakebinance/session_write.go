package fakebinance

import (
	"errors"
	"os"
	"strconv"
	"sync/atomic"
	"time"

	"github.com/gorilla/websocket"
)

// write is the session's writer, the only one that writes to its socket. It
// ends after the close frame, when the connection breaks, or when the session
// is dead.
func (s *session) write() {
	nextPing := time.Now().Add(s.rules.pingInterval)
	slowed := false // pings may be stuck in the outbox
	timer := time.NewTimer(s.rules.pingInterval)
	defer timer.Stop()
	for {
		if s.passStall() {
			s.forgivePings()
			nextPing = time.Now().Add(s.rules.pingInterval)
		}
		// Not only when it was waited for here: a stall may also begin and end
		// while a batch is being sent.
		if s.overflowed.Load() && !active(s.stall.Load()) {
			s.endWithReset(EndedByServer, "too slow after a stall")
		}
		if s.isDead() {
			return
		}
		if now := time.Now(); !now.Before(nextPing) {
			s.ping(now)
			nextPing = now.Add(s.rules.pingInterval)
		}
		if slow := active(s.slowBytes.Load()) || active(s.slowFrames.Load()); slow || slowed {
			s.forgivePings()
			slowed = slow
		}
		deadline := s.pongDeadline()
		if !deadline.IsZero() && !time.Now().Before(deadline) {
			s.count(func(r *SessionRecord) { r.PongTimeouts++ })
			s.forgivePings()
			s.endWithFrame(EndedByServer, websocket.ClosePolicyViolation, "Pong timeout")
		}
		b, last := s.out.take()
		if b == nil {
			wait := nextPing
			if !deadline.IsZero() && deadline.Before(wait) {
				wait = deadline
			}
			timer.Reset(time.Until(wait))
			select {
			case <-s.out.wake:
			case <-timer.C:
			case <-s.dead:
			}
			continue
		}
		trades := b.trades
		err := s.send(b)
		b.free()
		if err != nil {
			if errors.Is(err, os.ErrDeadlineExceeded) {
				s.note(EndedByServer, "client stopped reading")
			} else {
				s.endOf(err)
			}
			reset(s.conn)
			return
		}
		s.trades.Add(trades)
		if last {
			leave(s.conn)
			s.conn.SetReadDeadline(time.Now().Add(closeGrace))
			return
		}
	}
}

// send writes a batch, through the faults that act on the session.
func (s *session) send(b *batch) error {
	if fault := s.slowFrames.Load(); active(fault) {
		fault.hold(s, b)
	}
	if s.passStall() {
		s.forgivePings() // they could not be answered
	}
	if fault := s.slowBytes.Load(); active(fault) {
		return fault.send(s, b)
	}
	return s.sendBytes(b.bytes)
}

// sendBytes writes to the socket. A client that takes nothing for as long as
// it may leave a ping unanswered is gone.
func (s *session) sendBytes(p []byte) error {
	if err := s.conn.SetWriteDeadline(time.Now().Add(s.rules.pongTimeout)); err != nil {
		return err
	}
	_, err := s.conn.Write(p)
	return err
}

// pause waits for a while, but not beyond the end of a fault or of the session.
func (s *session) pause(d time.Duration, healed <-chan struct{}) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-healed:
	case <-s.dead:
	}
}

var errDead = errors.New("the session is dead")

// raise raises v to d.
func raise(v *atomic.Int64, d int64) {
	for {
		old := v.Load()
		if old >= d || v.CompareAndSwap(old, d) {
			return
		}
	}
}

func (s *session) isDead() bool {
	select {
	case <-s.dead:
		return true
	default:
		return false
	}
}

// spread is how far apart batches must stay in the outbox.
func (s *session) spread() time.Duration {
	if fault := s.slowFrames.Load(); active(fault) {
		return fault.spread
	}
	return 0
}

// ping puts a ping into the outbox. Its payload is the time, as the exchange's is.
func (s *session) ping(now time.Time) {
	payload := strconv.FormatInt(now.UnixMilli(), 10)
	s.mu.Lock()
	s.record.PingsSent++
	if len(s.pings) < maxPingsOpen {
		s.pings = append(s.pings, openPing{payload, now})
	} else {
		// The newest counts: its answer stands for those before it.
		s.pings[maxPingsOpen-1].payload = payload
	}
	s.mu.Unlock()
	s.put(appendFrame(nil, opPing, []byte(payload)))
}

// pong takes the client's answer to a ping. One that answers no open ping is
// allowed and changes nothing.
func (s *session) pong(payload string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.rules.switches.AnyPong && len(s.pings) > 0 {
		s.pings = nil
		s.record.PongsGot++
		return
	}
	for i := range s.pings {
		if s.pings[i].payload == payload {
			s.pings = append(s.pings[:0], s.pings[i+1:]...)
			s.record.PongsGot++
			return
		}
	}
}

// pongDeadline is when the oldest open ping must have been answered; zero when
// none is open.
func (s *session) pongDeadline() time.Time {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.pings) == 0 {
		return time.Time{}
	}
	return s.pings[0].at.Add(s.rules.pongTimeout)
}

// forgivePings forgets the open pings: the server itself kept the client from
// answering, or has judged it already.
func (s *session) forgivePings() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.pings = nil
}

func closeText(code int, reason string) string {
	if reason == "" {
		return strconv.Itoa(code)
	}
	return strconv.Itoa(code) + " " + reason
}
