package memnet

import (
	"io"
	"net"
	"os"
	"sync"
	"syscall"
	"time"
)

// pipe is one direction of a link: a bounded buffer with one reading and one
// writing end. All waiting is on its condition, which synctest knows to be
// durable; the mutex is never held while waiting.
type pipe struct {
	mu      sync.Mutex
	changed *sync.Cond
	latency time.Duration

	segments []segment // in order of arrival
	size     int       // bytes in segments

	ended       bool // the writer will send no more: the reader sees the end after what is buffered
	endAt       time.Time
	readClosed  bool
	writeClosed bool
	broken      bool // reset
	stalled     bool

	readDeadline, writeDeadline deadline
}

// segment is what one write put in.
type segment struct {
	bytes    []byte
	arriveAt time.Time
}

func newPipe(latency time.Duration) *pipe {
	p := &pipe{latency: latency}
	p.changed = sync.NewCond(&p.mu)
	return p
}

func (p *pipe) read(into []byte) (int, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for {
		switch {
		case p.readClosed:
			return 0, net.ErrClosed
		case p.readDeadline.passed():
			return 0, os.ErrDeadlineExceeded
		case p.broken && !p.stalled:
			return 0, syscall.ECONNRESET
		case len(into) == 0:
			return 0, nil
		}
		arriveAt, coming := p.next()
		if coming && !p.stalled {
			wait := time.Until(arriveAt)
			if wait <= 0 {
				if len(p.segments) == 0 {
					return 0, io.EOF
				}
				return p.take(into), nil
			}
			p.waitUntil(&p.readDeadline, arriveAt)
			continue
		}
		p.waitUntil(&p.readDeadline, time.Time{})
	}
}

// next tells when the next bytes, or the end, arrive.
func (p *pipe) next() (at time.Time, coming bool) {
	if len(p.segments) > 0 {
		return p.segments[0].arriveAt, true
	}
	return p.endAt, p.ended
}

// take moves what has arrived into a reader's buffer.
func (p *pipe) take(into []byte) int {
	n := 0
	for n < len(into) && len(p.segments) > 0 && !p.segments[0].arriveAt.After(time.Now()) {
		first := &p.segments[0]
		copied := copy(into[n:], first.bytes)
		n += copied
		if first.bytes = first.bytes[copied:]; len(first.bytes) == 0 {
			p.segments[0] = segment{}
			p.segments = p.segments[1:]
		}
	}
	p.size -= n
	p.changed.Broadcast()
	return n
}

func (p *pipe) write(b []byte) (int, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	written := 0
	for {
		switch {
		case p.writeClosed || p.ended:
			return written, net.ErrClosed
		case p.writeDeadline.passed():
			return written, os.ErrDeadlineExceeded
		case p.broken:
			return written, syscall.ECONNRESET
		case p.readClosed && !p.stalled:
			return written, syscall.EPIPE
		case len(b) == 0:
			return written, nil
		}
		if room := bufferBytes - p.size; room > 0 {
			n := min(room, len(b))
			p.append(b[:n])
			written += n
			b = b[n:]
			continue
		}
		p.waitUntil(&p.writeDeadline, time.Time{})
	}
}

// append keeps a copy of b. What arrives at the same time joins the last
// segment, so that many small writes cost no more than one.
func (p *pipe) append(b []byte) {
	arriveAt := time.Now().Add(p.latency)
	p.size += len(b)
	if n := len(p.segments); n > 0 && p.segments[n-1].arriveAt.Equal(arriveAt) {
		p.segments[n-1].bytes = append(p.segments[n-1].bytes, b...)
	} else {
		p.segments = append(p.segments, segment{append([]byte(nil), b...), arriveAt})
	}
	p.changed.Broadcast()
}

// closeWrite lets the reader see the end after what is buffered.
func (p *pipe) closeWrite() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if !p.ended {
		p.ended, p.endAt = true, time.Now().Add(p.latency)
	}
	p.changed.Broadcast()
}

// leaveWrite fails the writer's further and waiting writes.
func (p *pipe) leaveWrite() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.writeClosed = true
	p.writeDeadline.stop()
	p.changed.Broadcast()
}

// closeRead fails the reader's further and waiting reads, and the writer's
// writes, as a socket whose peer has gone answers with a reset.
func (p *pipe) closeRead() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.readClosed = true
	p.segments, p.size = nil, 0
	p.readDeadline.stop()
	p.changed.Broadcast()
}

func (p *pipe) reset() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.broken = true
	p.segments, p.size = nil, 0
	p.changed.Broadcast()
}

// cut is a reset that a stall does not hold back.
func (p *pipe) cut() {
	p.stall(false)
	p.reset()
}

func (p *pipe) stall(on bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.stalled = on
	p.changed.Broadcast()
}

// waitUntil waits for a change, the deadline or, unless it is zero, until. A
// timer runs only while someone waits: most deadlines are set and never met.
func (p *pipe) waitUntil(d *deadline, until time.Time) {
	if !d.at.IsZero() && (until.IsZero() || d.at.Before(until)) {
		until = d.at
	}
	if until.IsZero() {
		p.changed.Wait()
		return
	}
	timer := time.AfterFunc(time.Until(until), func() {
		p.mu.Lock()
		defer p.mu.Unlock()
		p.changed.Broadcast()
	})
	p.changed.Wait()
	timer.Stop()
}

// deadline is that of one end; the pipe's mutex guards it.
type deadline struct{ at time.Time }

func (d *deadline) passed() bool { return !d.at.IsZero() && !time.Now().Before(d.at) }

func (d *deadline) stop() { d.at = time.Time{} }

func (d *deadline) set(p *pipe, at time.Time) {
	p.mu.Lock()
	defer p.mu.Unlock()
	d.at = at
	p.changed.Broadcast()
}

func isEOF(err error) bool { return err == io.EOF }
