package main

import (
	"context"
	"runtime"
	"testing"
	"testing/synctest"
	"time"
)

// An hour of a leak keeps what it was told to, in either place.
func TestLeakByTheHour(t *testing.T) {
	for kind, want := range map[string]int{leaks: 3e6, leaksOffHeap: 3e6, none: 0, leaksPerReconnect: 0} {
		synctest.Test(t, func(t *testing.T) {
			ctx, cancel := context.WithTimeout(t.Context(), time.Hour)
			defer cancel()
			h := &hoard{ctx: ctx, kind: kind, perHour: 3e6, most: hoardMB * megabyte}
			if err := h.run(ctx); err != nil {
				t.Fatal(err)
			}
			<-ctx.Done()
			if h.bytes > want || h.bytes < want-2*residentBytes {
				t.Errorf("%s keeps %d bytes after an hour, want %d", kind, h.bytes, want)
			}
		})
	}
}

// A leak has an end, or it would be killed for it.
func TestLeakUpToItsMost(t *testing.T) {
	h := &hoard{ctx: t.Context(), kind: leaksPerReconnect, perTime: 256 * kibibyte, most: megabyte}
	for range 10 {
		if err := h.reconnected(); err != nil {
			t.Fatal(err)
		}
	}
	if h.bytes != 3*256*kibibyte {
		t.Errorf("keeps %d bytes, with a megabyte as the most", h.bytes)
	}
}

func TestLeakPerReconnect(t *testing.T) {
	h := &hoard{ctx: t.Context(), kind: leaksPerReconnect, perTime: 256 * kibibyte, most: hoardMB * megabyte}
	for range 10 {
		if err := h.reconnected(); err != nil {
			t.Fatal(err)
		}
	}
	if h.bytes != 10*256*kibibyte {
		t.Errorf("keeps %d bytes after ten reconnects", h.bytes)
	}
}

func TestGoroutinePerReconnect(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	before := runtime.NumGoroutine()
	h := &hoard{ctx: ctx, kind: strandsAGoroutine}
	for range 10 {
		if err := h.reconnected(); err != nil {
			t.Fatal(err)
		}
	}
	if n := runtime.NumGoroutine() - before; n != 10 {
		t.Errorf("%d goroutines more after ten reconnects", n)
	}
}
