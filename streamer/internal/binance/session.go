package binance

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"sync/atomic"
	"time"

	"github.com/gorilla/websocket"
)

const (
	// frameLimit is the largest frame taken. A trade is under 250 bytes; the
	// largest streams of the exchange send some hundreds of KB.
	frameLimit = 1 << 20
)

// EndKind is why a session ended: a value of the label reason.
type EndKind string

const (
	EndStop     EndKind = "stop"     // we were told to end
	EndRotation EndKind = "rotation" // another session has taken its place
	EndBad      EndKind = "bad"      // it was to take the place of another and missed trades
	EndShutdown EndKind = "shutdown" // the server left, as it had announced
	EndClosed   EndKind = "closed"   // a close frame came
	EndNoPong   EndKind = "no_pong"  // our ping went unanswered
	EndSilent   EndKind = "silent"   // nothing came for the stale timeout
	EndRead     EndKind = "read"     // the connection broke
)

// ours tells that we ended the session, in order, though it worked.
func (k EndKind) ours() bool { return k == EndStop || k == EndRotation || k == EndBad }

// EndReason is why a session ended, with what is known about it.
type EndReason struct {
	Kind  EndKind
	Code  int    // of the close frame, if one came
	Text  string // of the close frame
	Cause error  // of a broken connection
}

// String says it in one phrase for the log.
func (r EndReason) String() string {
	switch {
	case r.Code != 0:
		return fmt.Sprintf("%s: close frame %d %q", r.Kind, r.Code, r.Text)
	case r.Cause != nil:
		return fmt.Sprintf("%s: %v", r.Kind, r.Cause)
	default:
		return string(r.Kind)
	}
}

// session is one connection to the exchange, from dial to end. One goroutine
// reads it and decodes; another, the watch, writes to it, sees that it is alive
// and cuts it when it is not.
type session struct {
	number   int64
	endpoint int   // position of its URL
	slots    []int // of the symbols that it streams
	conn     *websocket.Conn
	wire     *tap
	options  *Options
	decoder  *decoder
	log      *slog.Logger

	out   chan<- *Batch
	free  <-chan *Batch
	batch *Batch // being filled; nil only while waiting for a free one
	frame []byte // of the last frame read, used again

	opened   time.Time // what the durations below count from, on the steady clock
	lastRead atomic.Int64
	pongs    atomic.Int64           // number of the newest ping that was answered
	blocked  atomic.Bool            // the reader waits for the pipeline, not for the wire
	owed     atomic.Pointer[string] // payload of the server's newest ping, to be answered
	pinged   chan struct{}          // holds a token when owed was set
	over     chan struct{}          // closed when the reader has ended
	ended    atomic.Pointer[EndReason]
	cancel   context.CancelFunc // ends it

	// What it showed so far; the functions are called by the reader.
	onAlive  func() // the first frame came
	onNotice func() // the server announced that it leaves
	alive    bool   // the reader's
	leaving  atomic.Bool

	// Which of its streams have delivered, by position in slots.
	heard        []atomic.Bool
	unheard      atomic.Int32
	complete     chan struct{} // closed when all have
	firstEventAt atomic.Int64  // of the first trade of all; 0: none yet
	known        []int64       // highest ids known before it was read; 0: none
}

// run reads until the session ends, for whatever reason, and returns it. The
// connection is closed and both goroutines are gone when it returns.
func (s *session) run(ctx context.Context) EndReason {
	watched := make(chan struct{})
	go func() {
		defer close(watched)
		s.watch(ctx)
	}()
	reason := s.endOf(s.read(ctx))
	if s.ended.CompareAndSwap(nil, &reason) && reason.Code == 0 {
		s.wire.Close()
	}
	close(s.over)
	s.cancel()
	<-watched
	if s.ended.Load() == &reason && reason.Code != 0 {
		s.bye() // the answer that the peer waits for
	}
	s.wire.Close()
	return *s.ended.Load()
}

// endOf is what an error of the reader says about the end, when nobody cut
// the session before.
func (s *session) endOf(err error) EndReason {
	reason := EndReason{Kind: EndRead, Cause: err}
	var closed *websocket.CloseError
	if errors.As(err, &closed) && closed.Code != websocket.CloseAbnormalClosure {
		reason = EndReason{Kind: EndClosed, Code: closed.Code, Text: closed.Text}
	}
	if s.leaving.Load() {
		reason.Kind = EndShutdown
	}
	return reason
}

// leave ends the session in order, from outside. It does not wait.
func (s *session) leave(kind EndKind) {
	s.ended.CompareAndSwap(nil, &EndReason{Kind: kind})
	s.cancel()
}

// read takes frames off the wire until it breaks.
func (s *session) read(ctx context.Context) error {
	s.conn.SetReadLimit(frameLimit)
	s.conn.SetPongHandler(s.pong)
	s.conn.SetPingHandler(s.ping)
	s.conn.SetCloseHandler(func(int, string) error { return nil }) // run answers
	s.wire.beforeRead = func() error { return s.hand(ctx) }
	defer s.giveUp()
	if err := s.announce(ctx); err != nil {
		return err
	}
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

// announce tells the pipeline which streams begin anew, so that it can look
// for what was missed on a stream that stays quiet.
func (s *session) announce(ctx context.Context) error {
	if err := s.refill(ctx); err != nil {
		return err
	}
	s.batch.Opened = s.slots
	return s.hand(ctx)
}

// live notes that the server works: a frame came.
func (s *session) live() {
	if !s.alive {
		s.alive = true
		s.onAlive()
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
	s.live()
	switch k {
	case kindTrade:
		if s.unheard.Load() > 0 {
			s.hear(t)
		}
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
		if s.leaving.CompareAndSwap(false, true) {
			s.onNotice()
		}
	case kindRejected:
		s.batch.Rejected++
		s.options.Metrics.Errors.WithLabelValues(string(why)).Inc()
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
	s.lastRead.Store(int64(time.Since(s.opened)))
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
			t.session.lastRead.Store(int64(now.Sub(t.session.opened)))
		}
	}
	return n, err
}
