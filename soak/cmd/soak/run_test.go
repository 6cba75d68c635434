package main

import (
	"context"
	"syscall"
	"testing"
	"time"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// TestInterrupts: the first signal ends the run early, the second at once.
func TestInterrupts(t *testing.T) {
	soft, hard, stop := interrupts(t.Context())
	defer stop()
	ended := func(ctx context.Context) bool {
		select {
		case <-ctx.Done():
			return true
		case <-time.After(5 * time.Second):
			return false
		}
	}
	interrupt := func() {
		t.Helper()
		if err := syscall.Kill(syscall.Getpid(), syscall.SIGINT); err != nil {
			t.Fatal(err)
		}
	}
	interrupt()
	if !ended(soft) {
		t.Fatal("the first signal did not end the run early")
	}
	if hard.Err() != nil {
		t.Fatal("the first signal ended it at once")
	}
	interrupt()
	if !ended(hard) {
		t.Fatal("the second signal did not end it at once")
	}
}

func TestInterruptsWithoutOne(t *testing.T) {
	soft, hard, stop := interrupts(t.Context())
	if soft.Err() != nil || hard.Err() != nil {
		t.Error("ended without a signal")
	}
	stop()
	if soft.Err() == nil || hard.Err() == nil {
		t.Error("contexts left behind")
	}
}
