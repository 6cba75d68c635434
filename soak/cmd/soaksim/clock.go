package main

import (
	"context"
	"fmt"
	"os"
	"runtime/pprof"
	"sync/atomic"
	"time"

	"steadfeed/soak"
)

const (
	// virtualTick is how often those in the bubble say that time goes on.
	virtualTick = time.Minute
	// stillFor is how long real time may pass without that: a virtual minute is
	// over in some milliseconds.
	stillFor = 30 * time.Second
)

// clockWatch sees, from outside the bubble, that virtual time goes on. It
// stands still for ever, without a word, when somebody waits for a mutex whose
// holder sleeps, or for something outside the bubble.
type clockWatch struct {
	ticks atomic.Int64
	end   chan struct{}
	ended chan struct{}
}

// watchClock starts the watch, in real time. It ends the process with the
// stacks of all goroutines when virtual time stands still: of those that hold
// it the state is not "durable".
func watchClock() *clockWatch {
	w := &clockWatch{end: make(chan struct{}), ended: make(chan struct{})}
	go func() {
		defer close(w.ended)
		ticker := time.NewTicker(stillFor)
		defer ticker.Stop()
		last := int64(-1)
		for {
			select {
			case <-w.end:
				return
			case <-ticker.C:
			}
			now := w.ticks.Load()
			if now == last {
				fmt.Fprintf(os.Stderr, "soaksim: virtual time has stood still for %s, at minute %d; what holds it:\n", stillFor, now)
				_ = pprof.Lookup("goroutine").WriteTo(os.Stderr, 2) // the process ends either way
				os.Exit(soak.ExitBroken)
			}
			last = now
		}
	}()
	return w
}

func (w *clockWatch) stop() {
	close(w.end)
	<-w.ended
}

// tick says that time goes on, from inside the bubble until ctx ends.
func (w *clockWatch) tick(ctx context.Context) {
	ticker := time.NewTicker(virtualTick)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
			w.ticks.Add(1)
		}
	}
}
