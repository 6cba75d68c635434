package testbed

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"
)

// lives are the subject's processes, one after another: an injection may kill
// one and start the next.
type lives struct {
	mu      sync.Mutex // never held while waiting
	now     *life
	waiting chan struct{} // closed when the next one is there
	moves   int           // hand-overs so far
}

// life is one process of the subject.
type life struct {
	process   Process
	endpoints *Endpoints
	condemned bool // it is to be killed, and another will follow
}

// begin puts the next process in the place of the one before, if there was one.
func (l *lives) begin(process Process, endpoints *Endpoints) {
	l.mu.Lock()
	before, waiting := l.now, l.waiting
	l.now, l.waiting = &life{process: process, endpoints: endpoints}, make(chan struct{})
	l.mu.Unlock()
	if before != nil {
		before.endpoints.Close()
		close(waiting)
	}
}

// current is nil before the first.
func (l *lives) current() *life {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.now
}

// Subject is the process under test as it is now; nil before StartSubject.
func (b *Testbed) Subject() Process {
	if now := b.lives.current(); now != nil {
		return now.process
	}
	return nil
}

// Endpoints are those of the process under test as it is now.
func (b *Testbed) Endpoints() *Endpoints { return b.lives.current().endpoints }

// Replace kills the subject and starts it again at once: what a supervisor does
// after a crash. That the new one runs does not mean that it works.
func (b *Testbed) Replace(ctx context.Context) error {
	b.lives.mu.Lock()
	now := b.lives.now
	now.condemned = true
	b.lives.mu.Unlock()
	now.process.Kill()
	contained, ok := now.process.(*Contained)
	if !ok {
		return b.StartSubject(ctx)
	}
	again, err := contained.Again() // a supervisor makes no new container
	if err != nil {
		return err
	}
	b.lives.begin(&Contained{Container: again, logPath: contained.logPath}, NewEndpoints(b.stack.SubjectAddress()))
	return nil
}

// HandOver starts another process of the subject beside the one that runs, as a
// deployment does, and makes it the subject. end asks the one before to drain
// and says how it ended; it must be called. Only a subject in virtual time can
// do that.
func (b *Testbed) HandOver(ctx context.Context) (end func(within time.Duration) Exit, err error) {
	if b.virtual == nil {
		return nil, errNoSecond
	}
	before := b.lives.current()
	b.lives.move(1)
	if err := b.StartSubject(ctx); err != nil {
		b.lives.move(-1)
		return nil, err
	}
	return before.process.Terminate, nil
}

// errNoSecond: two processes need two addresses, which only a network of this
// process has to spare.
var errNoSecond = errors.New("a second subject beside the first is possible in virtual time only")

// move counts a hand-over.
func (l *lives) move(by int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.moves += by
}

// place is where the subject listens: two places in turn, so that one that takes
// over has one while the other is still there.
func (l *lives) place() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.moves%2 == 1 {
		return virtualSecond
	}
	return virtualSubject
}

// instance is what the subject calls itself among its kind: the same after a
// crash, another one after a hand-over.
func (l *lives) instance() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return fmt.Sprintf("streamer-%d", l.moves)
}

// Ended waits until the subject ends by itself, or until ctx does; then it
// returns false. A process that is killed to be replaced is not meant.
func (b *Testbed) Ended(ctx context.Context) bool {
	for {
		b.lives.mu.Lock()
		now, next := b.lives.now, b.lives.waiting
		b.lives.mu.Unlock()
		select {
		case <-ctx.Done():
			return false
		case <-next:
			continue
		case <-now.process.Exited():
		}
		if !b.succeeded(ctx, now) {
			return ctx.Err() == nil
		}
	}
}

// succeeded tells of a process that has ended whether it was killed to be
// replaced, and waits until it has been, or ctx ends.
func (b *Testbed) succeeded(ctx context.Context, ended *life) bool {
	b.lives.mu.Lock()
	now, next, condemned := b.lives.now, b.lives.waiting, ended.condemned
	b.lives.mu.Unlock()
	switch {
	case now != ended:
		return true
	case !condemned:
		return false
	}
	select {
	case <-ctx.Done():
		return false
	case <-next:
		return true
	}
}
