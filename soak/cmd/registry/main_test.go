package main

import (
	"context"
	"errors"
	"net"
	"syscall"
	"testing"
	"time"
)

// The health check finds a registry that serves, by its port, and nobody else.
func TestHealth(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := listener.Addr().String()
	listener.Close()
	if err := ask(t.Context(), address); !errors.Is(err, syscall.ECONNREFUSED) {
		t.Errorf("of nobody: %v", err)
	}
	ctx, stop := context.WithCancel(t.Context())
	served := make(chan error, 1)
	go func() { served <- serve(ctx, address) }()
	_, port, _ := net.SplitHostPort(address) // it was made by a listener
	for began := time.Now(); ; time.Sleep(10 * time.Millisecond) {
		if err = ask(t.Context(), ":"+port); err == nil {
			break
		}
		if time.Since(began) > 10*time.Second {
			t.Fatal(err)
		}
	}
	stop()
	if err := <-served; err != nil {
		t.Error(err)
	}
	if err := ask(t.Context(), "nowhere"); err == nil {
		t.Error("an address without a port was asked")
	}
}
