package binance

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"strconv"
	"sync/atomic"
	"time"

	"github.com/gorilla/websocket"
)

const (
	// frameLimit is the largest frame taken. A trade is under 250 bytes; the
	// largest streams of the exchange send some hundreds of KB.
	frameLimit = 1 << 20
	// goodbyeTimeout bounds the courtesy of a close frame on a session that we
	// end ourselves; the answer is not waited for.
	goodbyeTimeout = 250 * time.Millisecond
)

// EndKind is why a session ended: a value of the label reason.
type EndKind string

const (
	EndStop     EndKind = "stop"     // we were told to end
	EndShutdown EndKind = "shutdown" // the server announced that it leaves
	EndClosed   EndKind = "closed"   // a close frame came
	EndNoPong   EndKind = "no_pong"  // our ping went unanswered
	EndSilent   EndKind = "silent"   // nothing came for the stale timeout
	EndRead     EndKind = "read"     // the connection broke
)

// EndReason is why a session ended, with what is known about it.
type EndReason struct {
	Kind  EndKind
	Code  int   // of the close frame, if one came
	Cause error // of a broken connection; its text, of a close frame
}

// String says it in one phrase for the log.
func (r EndReason) String() string {
	switch {
	case r.Kind == EndClosed:
		return fmt.Sprintf("closed by the exchange with code %d: %v", r.Code, r.Cause)
	case r.Cause != nil:
		return fmt.Sprintf("%s: %v", r.Kind, r.Cause)
	default:
		return string(r.Kind)
	}
}

// session is one connection to the exchange, from dial to end. One goroutine
// reads it and decodes; another watches that it is alive and cuts it when it
// is not.
type session struct {
	number  int64
	slots   []int // of the symbols that it streams
	conn    *websocket.Conn
	wire    *tap
	options *Options
	decoder *decoder
	log     *slog.Logger

	out   chan<- *Batch
	free  <-chan *Batch
	batch *Batch // being filled; nil only while waiting for a free one
	frame []byte // of the last frame read, used again

	epoch    time.Time // what the durations below count from, on the steady clock
	lastRead atomic.Int64
	pongs    atomic.Int64 // number of the newest ping that was answered
	blocked  atomic.Bool  // the reader waits for the pipeline, not for the wire
	ended    atomic.Pointer[EndReason]
}

// run reads until the session ends, for whatever reason, and returns it. The
// connection is closed and both goroutines are gone when it returns.
func (s *session) run(ctx context.Context) EndReason {
	ctx, cancel := context.WithCancel(ctx)
	watched := make(chan struct{})
	go func() {
		defer close(watched)
		s.watch(ctx)
	}()
	s.cut(endOf(s.read(ctx)))
	cancel()
	<-watched
	return *s.ended.Load()
}

// endOf is what an error of the reader says about the end, when nobody cut
// the session before.
func endOf(err error) EndReason {
	var closed *websocket.CloseError
	if errors.As(err, &closed) && closed.Code != websocket.CloseAbnormalClosure {
		return EndReason{Kind: EndClosed, Code: closed.Code, Cause: errors.New(strconv.Quote(closed.Text))}
	}
	return EndReason{Kind: EndRead, Cause: err}
}

// cut ends the session from outside the reader. The first reason counts. The
// socket is closed at once: a peer that does not answer pings will not answer
// a close frame either.
func (s *session) cut(reason EndReason) {
	if s.ended.CompareAndSwap(nil, &reason) {
		s.wire.Close()
	}
}

// read takes frames off the wire until it breaks.
func (s *session) read(ctx context.Context) error {
	s.conn.SetReadLimit(frameLimit)
	s.conn.SetPongHandler(s.pong)
	s.wire.beforeRead = func() error { return s.hand(ctx) }
	defer s.giveUp()
	for {
		kind, r, err := s.conn.NextReader()
		if err != nil {
			return err
		}
		if s.frame, err = readInto(s.frame[:0], r); err != nil {
			return err
		}
		if err := s.take(ctx, kind == websocket.TextMessage); err != nil {
			return err
		}
	}
}

// readInto appends all of r to buf and returns it. Unlike io.ReadAll it uses
// buf again and again, so that frames cost no memory.
func readInto(buf []byte, r io.Reader) ([]byte, error) {
	for {
		if len(buf) == cap(buf) {
			buf = append(buf, 0)[:len(buf)]
		}
		n, err := r.Read(buf[len(buf):cap(buf)])
		buf = buf[:len(buf)+n]
		if err == io.EOF {
			return buf, nil
		}
		if err != nil {
			return buf, err
		}
	}
}

// take decodes the frame just read into the batch.
func (s *session) take(ctx context.Context, isText bool) error {
	if s.batch == nil {
		if err := s.refill(ctx); err != nil {
			return err
		}
	}
	trades := s.batch.Trades
	t := &trades[:len(trades)+1][len(trades)]
	k, why := kindRejected, rejectedBinary
	if isText {
		k, why = s.decoder.decode(s.frame, t)
	}
	metrics := s.options.Metrics
	switch k {
	case kindTrade:
		t.ReceivedAt = s.wire.readAt
		s.batch.Trades = trades[:len(trades)+1]
		if len(s.batch.Trades) == cap(s.batch.Trades) {
			return s.hand(ctx)
		}
	case kindControl:
		s.batch.Control++
		s.log.Debug("answer from the exchange", "frame", string(s.frame))
	case kindShutdown:
		s.batch.Control++
		s.cut(EndReason{Kind: EndShutdown})
	case kindRejected:
		s.batch.Rejected++
		metrics.Errors.WithLabelValues(string(why)).Inc()
		s.options.Rejected(string(why), s.frame)
	}
	return nil
}

// hand gives the batch to the pipeline if there is anything in it. It is
// called before each read that may have to wait, so nothing that was read
// stays here; it blocks when the pipeline is behind, and so the socket fills
// up: that is the back-pressure.
func (s *session) hand(ctx context.Context) error {
	if s.batch == nil || s.batch.empty() {
		return nil
	}
	b := s.batch
	s.batch = nil
	select {
	case s.out <- b:
		return nil
	default:
	}
	s.blocked.Store(true)
	defer s.unblock()
	select {
	case s.out <- b:
		return nil
	case <-ctx.Done():
		b.Release()
		return ctx.Err()
	}
}

// refill gets an empty batch, waiting for one if the pipeline has them all.
func (s *session) refill(ctx context.Context) error {
	select {
	case s.batch = <-s.free:
		return nil
	default:
	}
	s.blocked.Store(true)
	defer s.unblock()
	select {
	case s.batch = <-s.free:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// unblock restarts the clock of silence: while the reader waited for the
// pipeline it could not have heard anything.
func (s *session) unblock() {
	s.lastRead.Store(int64(time.Since(s.epoch)))
	s.blocked.Store(false)
}

// giveUp returns the batch that was being filled. What is in it was read off a
// connection that is gone; handing it on now could wait for ever, and the
// history has it.
func (s *session) giveUp() {
	if s.batch != nil {
		s.batch.Release()
		s.batch = nil
	}
}

// pong notes an answer to the ping of the same number.
func (s *session) pong(payload string) error {
	if n, err := strconv.ParseInt(payload, 10, 64); err == nil && n > s.pongs.Load() {
		s.pongs.Store(n)
		s.options.Metrics.LastPong.SetToCurrentTime()
	}
	return nil
}

// watch sends pings and cuts the session when one is not answered in time,
// when nothing at all was read for the stale timeout, or when ctx ends.
func (s *session) watch(ctx context.Context) {
	now := func() time.Duration { return time.Since(s.epoch) }
	var sent int64 // number of the newest ping
	nextPing, pongDue := s.options.PingInterval, time.Duration(0)
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		wake := min(nextPing, time.Duration(s.lastRead.Load())+s.options.StaleTimeout)
		if pongDue > 0 {
			wake = min(wake, pongDue)
		}
		timer.Reset(max(wake-now(), time.Millisecond))
		select {
		case <-ctx.Done():
			if s.ended.Load() != nil {
				return
			}
			deadline := time.Now().Add(goodbyeTimeout)
			bye := websocket.FormatCloseMessage(websocket.CloseNormalClosure, "")
			_ = s.conn.WriteControl(websocket.CloseMessage, bye, deadline) // a courtesy: the end does not depend on it
			s.cut(EndReason{Kind: EndStop})
			return
		case <-timer.C:
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
		case at >= nextPing:
			sent++
			nextPing += s.options.PingInterval
			pongDue = at + s.options.PongTimeout
			deadline := time.Now().Add(s.options.PongTimeout)
			if err := s.conn.WriteControl(websocket.PingMessage, strconv.AppendInt(nil, sent, 10), deadline); err != nil {
				s.cut(EndReason{Kind: EndRead, Cause: fmt.Errorf("send ping %d: %w", sent, err)})
				return
			}
		}
	}
}

// tap is the connection below the websocket. It tells the session when a read
// is about to happen, which may have to wait for bytes, and when bytes came.
type tap struct {
	net.Conn
	session    *session
	beforeRead func() error
	readAt     int64 // Unix microseconds of the newest bytes
}

func (t *tap) Read(p []byte) (int, error) {
	if t.beforeRead != nil {
		if err := t.beforeRead(); err != nil {
			return 0, err
		}
	}
	n, err := t.Conn.Read(p)
	if n > 0 {
		now := time.Now()
		t.readAt = now.UnixMicro()
		if t.session != nil {
			t.session.lastRead.Store(int64(now.Sub(t.session.epoch)))
		}
	}
	return n, err
}
