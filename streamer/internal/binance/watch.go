package binance

import (
	"context"
	"fmt"
	"strconv"
	"time"

	"github.com/gorilla/websocket"
)

const (
	// frameSpacing is the least time between frames that we send on a session.
	// The exchange closes one on which more than 5 come within any second, pongs
	// included (Binance: web-socket-streams.md); one in 250 ms was seen to hold.
	frameSpacing = 250 * time.Millisecond
	// frameTimeout bounds the sending of a frame. A few bytes always fit into
	// the socket's buffer unless the peer has been dead for long.
	frameTimeout = 5 * time.Second
	// goodbyeTimeout bounds the courtesy of a close frame and its answer on a
	// session that we end though it works.
	goodbyeTimeout = 250 * time.Millisecond
)

// ping notes a ping of the server. Only the newest is answered: an older one is
// answered by it, and a storm of them must not make us send too much.
func (s *session) ping(payload string) error {
	s.live()
	s.owed.Store(&payload)
	select {
	case s.pinged <- struct{}{}:
	default:
	}
	return nil
}

// pong notes an answer to the ping of the same number.
func (s *session) pong(payload string) error {
	s.live()
	if n, err := strconv.ParseInt(payload, 10, 64); err == nil && n > s.pongs.Load() {
		s.pongs.Store(n)
		s.options.Metrics.LastPong.SetToCurrentTime()
	}
	return nil
}

// watch is the only one that sends frames, at most one in frameSpacing: answers
// to the server's pings, and pings of ours. It cuts the session when one of
// those is not answered in time, or when nothing at all was read for the stale
// timeout, and says goodbye when ctx ends.
func (s *session) watch(ctx context.Context) {
	now := func() time.Duration { return time.Since(s.opened) }
	var sent int64 // number of the newest ping
	nextPing, pongDue := s.options.PingInterval, time.Duration(0)
	next := time.Duration(0) // when the next frame may be sent
	send := func(kind int, payload []byte) error {
		next = now() + frameSpacing
		return s.conn.WriteControl(kind, payload, time.Now().Add(frameTimeout))
	}
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		wake := min(max(nextPing, next), time.Duration(s.lastRead.Load())+s.options.StaleTimeout)
		if pongDue > 0 {
			wake = min(wake, pongDue)
		}
		if s.owed.Load() != nil {
			wake = min(wake, next)
		}
		timer.Reset(max(wake-now(), time.Millisecond))
		select {
		case <-ctx.Done():
			s.goodbye()
			return
		case <-s.pinged:
		case <-timer.C:
		}
		if s.owed.Load() != nil && now() >= next {
			if err := send(websocket.PongMessage, []byte(*s.owed.Swap(nil))); err != nil {
				s.cut(EndReason{Kind: EndRead, Cause: fmt.Errorf("answer a ping: %w", err)})
				return
			}
		}
		if s.blocked.Load() {
			// The reader is not reading, so neither silence nor a missing pong
			// means anything. Look again when it could have.
			pongDue = 0
			s.lastRead.Store(int64(now()))
			nextPing = max(nextPing, now()+time.Second)
			continue
		}
		if s.pongs.Load() == sent {
			pongDue = 0
		}
		switch at := now(); {
		case pongDue > 0 && at >= pongDue:
			s.options.Metrics.PongTimeouts.Inc()
			s.cut(EndReason{Kind: EndNoPong, Cause: fmt.Errorf("ping %d unanswered for %v", sent, s.options.PongTimeout)})
			return
		case at >= time.Duration(s.lastRead.Load())+s.options.StaleTimeout:
			s.cut(EndReason{Kind: EndSilent, Cause: fmt.Errorf("nothing received for %v", s.options.StaleTimeout)})
			return
		case at >= nextPing && at >= next:
			sent++
			nextPing += s.options.PingInterval
			pongDue = at + s.options.PongTimeout
			if err := send(websocket.PingMessage, strconv.AppendInt(nil, sent, 10)); err != nil {
				s.cut(EndReason{Kind: EndRead, Cause: fmt.Errorf("send ping %d: %w", sent, err)})
				return
			}
		}
	}
}

// cut ends the session from outside the reader. The first reason counts. The
// socket is closed at once: a peer that does not answer pings will not answer
// a close frame either.
func (s *session) cut(reason EndReason) {
	s.ended.CompareAndSwap(nil, &reason)
	s.wire.Close()
}

// goodbye ends a session in order: a close frame, and what still comes is read
// until its answer, for a moment. The end does not depend on either.
func (s *session) goodbye() {
	s.ended.CompareAndSwap(nil, &EndReason{Kind: EndStop})
	if !s.ended.Load().Kind.ours() {
		return
	}
	s.bye()
	timer := time.NewTimer(goodbyeTimeout)
	defer timer.Stop()
	select {
	case <-s.over:
	case <-timer.C:
	}
	s.wire.Close()
}

// bye sends a close frame.
func (s *session) bye() {
	normal := websocket.FormatCloseMessage(websocket.CloseNormalClosure, "")
	_ = s.conn.WriteControl(websocket.CloseMessage, normal, time.Now().Add(goodbyeTimeout)) // the end does not depend on it
}
