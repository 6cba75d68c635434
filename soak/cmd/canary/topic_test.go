package main

import (
	"context"
	"errors"
	"net"
	"testing"
	"time"
)

// A broker that is away for a moment costs time and no error; one that stays
// away does, as soon as nobody waits any more.
func TestDialWaitsForABroker(t *testing.T) {
	reserved, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := reserved.Addr().String()
	reserved.Close()

	ctx, cancel := context.WithTimeout(t.Context(), 2*dialAgain)
	defer cancel()
	if _, err := dialPatiently(ctx, "tcp", address); err == nil || errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("%v, want what the last attempt said", err)
	}

	back := make(chan net.Listener, 1)
	time.AfterFunc(3*dialAgain, func() {
		listener, err := net.Listen("tcp", address)
		if err != nil {
			t.Error(err)
		}
		back <- listener
	})
	conn, err := dialPatiently(t.Context(), "tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	conn.Close()
	(<-back).Close()
}
