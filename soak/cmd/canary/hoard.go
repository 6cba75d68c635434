package main

import (
	"context"
	"fmt"
	"syscall"
	"time"
)

// The flaws that keep memory: by the hour, or at each reconnect.
const (
	leaks              = "leak"                    // the heap grows
	leaksOffHeap       = "leak-offheap"            // memory that the runtime does not know of grows
	leaksPerReconnect  = "leak-per-reconnect"      // the heap grows with each reconnect
	strandsAGoroutine  = "goroutine-per-reconnect" // a goroutine that never ends with each reconnect
	hoardMB            = 2000                      // more would harm the machine and not show more
	hoardEvery         = time.Second
	residentBytes      = 4096
	megabyte, kibibyte = 1e6, 1024
)

// hoard is what a canary never lets go of. One goroutine may use each method.
type hoard struct {
	ctx     context.Context // of the whole life: what is stranded ends with it
	kind    string
	perHour float64 // bytes retained, leak and leak-offheap
	perTime int     // bytes retained, leak-per-reconnect
	most    int     // bytes, and then no more

	kept  [][]byte
	bytes int
	owed  float64
}

// run keeps memory as time goes by, until ctx ends.
func (h *hoard) run(ctx context.Context) error {
	if h.kind != leaks && h.kind != leaksOffHeap {
		return nil
	}
	tick := time.NewTicker(hoardEvery)
	defer tick.Stop()
	last := time.Now()
	for {
		select {
		case <-ctx.Done():
			return nil
		case now := <-tick.C:
			h.owed += h.perHour * now.Sub(last).Hours()
			last = now
			if pages := int(h.owed) / residentBytes; pages > 0 {
				h.owed -= float64(pages * residentBytes)
				if err := h.keep(pages * residentBytes); err != nil {
					return err
				}
			}
		}
	}
}

// reconnected is called after each session that ended.
func (h *hoard) reconnected() error {
	switch h.kind {
	case leaksPerReconnect:
		return h.keep(h.perTime)
	case strandsAGoroutine:
		go func() { <-h.ctx.Done() }() // nobody ever ends it sooner: the flaw
	}
	return nil
}

// keep takes memory and touches each page, or it would not be resident.
func (h *hoard) keep(bytes int) error {
	if h.bytes+bytes > h.most {
		return nil
	}
	block := []byte(nil)
	if h.kind == leaksOffHeap {
		var err error
		if block, err = syscall.Mmap(-1, 0, bytes, syscall.PROT_READ|syscall.PROT_WRITE, syscall.MAP_ANON|syscall.MAP_PRIVATE); err != nil {
			return fmt.Errorf("map %d bytes to keep: %w", bytes, err)
		}
	} else {
		block = make([]byte, bytes)
	}
	for i := 0; i < bytes; i += residentBytes {
		block[i] = 1
	}
	h.kept, h.bytes = append(h.kept, block), h.bytes+bytes
	return nil
}
