package fakebinance

import (
	"io"
	"time"

	"github.com/gorilla/websocket"
)

// clientFramesPerSecond is how many frames a client may send in any rolling
// second: requests, pings and pongs together.
const clientFramesPerSecond = 5

// tooManyRequests is the reason of the close that follows one too many.
const tooManyRequests = "Too many requests"

// read takes what the client sends until the connection ends, and returns why
// it ended.
func (s *session) read() error {
	s.ws.SetReadLimit(maxClientFrame)
	s.ws.SetPingHandler(func(payload string) error {
		s.arrived()
		s.clientPing(payload)
		return nil
	})
	s.ws.SetPongHandler(func(payload string) error {
		s.arrived()
		s.pong(payload)
		return nil
	})
	for {
		_, frame, err := s.ws.NextReader()
		if err != nil {
			return err
		}
		request, err := io.ReadAll(frame)
		if err != nil {
			return err
		}
		if s.arrived() {
			s.answer(request)
		}
	}
}

// arrived counts a frame of the client and reports whether it may send it. The
// window is strict: the sixth frame within a second of the first is one too many.
func (s *session) arrived() bool {
	if s.justStalled() {
		return true // when it really arrived is not known
	}
	now := time.Now()
	oldest := s.arrivals[s.oldest]
	s.arrivals[s.oldest] = now
	s.oldest = (s.oldest + 1) % clientFramesPerSecond
	if !oldest.IsZero() && now.Sub(oldest) < s.rules.switches.compressed(time.Second) {
		if !s.offended { // once, and first: who sees the end may be back before it has returned
			s.offended = true
			s.breached()
		}
		s.endWithFrame(EndedByServer, websocket.ClosePolicyViolation, tooManyRequests)
		return false
	}
	return true
}

// clientPing answers a ping with its payload.
func (s *session) clientPing(payload string) {
	if fault := s.noPong.Load(); active(fault) {
		s.count(func(r *SessionRecord) { r.ClientPings++ })
		fault.answer(s)
		return
	}
	s.count(func(r *SessionRecord) { r.ClientPings++; r.PongsSent++ })
	s.put(appendFrame(nil, websocket.PongMessage, []byte(payload)))
}

// The moments at which a stall holds a session.
type moment int

const (
	writing moment = iota
	reading        // about to
	gotten         // something was read
)

// passStall waits while the session is stalled and reports whether it waited.
func (s *session) passStall(at moment) bool {
	fault := s.stall.Load()
	switch {
	case !active(fault), at == writing && fault.speaking(), at != writing && fault.hearing():
		return false
	case at == reading && fault.speaking():
		return false // what comes is read, and kept: it shows that somebody is not heard
	case at == gotten:
		fault.unheard()
	}
	select {
	case <-fault.Done():
	case <-s.dead:
		if at == writing {
			fault.left.Add(s.out.size.Load()) // nobody gets it any more
			fault.lone.Add(1)
		}
	}
	s.stalledAt.Store(time.Now().UnixNano())
	return true
}
