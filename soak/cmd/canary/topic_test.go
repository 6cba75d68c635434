package main

import (
	"context"
	"errors"
	"net"
	"syscall"
	"testing"
	"testing/synctest"
	"time"
)

// A broker that is away for a moment costs time and no error; one that stays
// away does, as soon as nobody waits any more, and the error is what the
// broker's machine said, not that time was up.
func TestDialWaitsForABroker(t *testing.T) {
	for _, test := range []struct {
		name         string
		away, waits  time.Duration
		took         time.Duration
		wantRefusal  bool
		whileDialing bool // time is up in the middle of an attempt
	}{
		{name: "back in a moment", away: 5 * dialAgain / 2, waits: time.Hour, took: 3 * dialAgain},
		{name: "nobody waits any more", away: time.Hour, waits: 5 * dialAgain / 2, took: 5 * dialAgain / 2, wantRefusal: true},
		{name: "away for too long", away: time.Hour, waits: time.Hour, took: dialWithin, wantRefusal: true},
		{name: "time is up while dialing", away: time.Hour, waits: 2*dialAgain + 1, took: 2*dialAgain + 1, wantRefusal: true, whileDialing: true},
	} {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				began := time.Now()
				ctx, cancel := context.WithTimeout(t.Context(), test.waits)
				defer cancel()
				here, there := net.Pipe()
				defer here.Close()
				defer there.Close()
				dial := patiently(func(ctx context.Context, _, _ string) (net.Conn, error) {
					switch since := time.Since(began); {
					case since >= test.away:
						return here, nil
					case test.whileDialing && since >= 2*dialAgain:
						<-ctx.Done()
						return nil, ctx.Err()
					}
					return nil, syscall.ECONNREFUSED
				})
				conn, err := dial(ctx, "tcp", "broker:9092")
				if refused := errors.Is(err, syscall.ECONNREFUSED); refused != test.wantRefusal || (conn == nil) != test.wantRefusal {
					t.Errorf("connection %v, error %v, want refusal: %v", conn, err, test.wantRefusal)
				}
				if took := time.Since(began); took != test.took {
					t.Errorf("took %v, want %v", took, test.took)
				}
			})
		})
	}
}
