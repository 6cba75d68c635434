package main

import (
	"context"
	"fmt"
	"maps"
	"net"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"steadfeed/soak/internal/testbed"
)

// A flaw makes a bad subject of the streamer, to see whether the judge notices:
// it changes the streamer's settings or its way to the outside, and nothing in
// it. ctx ends with the process, and all that a flaw leaks must end then.
type flaw func(ctx context.Context, place *testbed.Place)

// flaws by the name that -flaw takes.
var flaws = map[string]flaw{
	"close-before-dial": closeBeforeDial,
	"no-backfill":       noBackfill,
	"unfenced":          unfenced,
	"gives-up":          givesUp,
	"drifting-timer":    driftingTimer,
	"leaks-goroutines":  leaksGoroutines,
	"leaks-memory":      leaksMemory,
}

// spoilt is the streamer with a flaw; without one it is the streamer.
func spoilt(name string) (core, error) {
	if name == "" {
		return subject, nil
	}
	spoil, known := flaws[name]
	if !known {
		return nil, fmt.Errorf("unknown flaw %q: one of %s", name, strings.Join(slices.Sorted(maps.Keys(flaws)), ", "))
	}
	return func(ctx context.Context, stop <-chan struct{}, place testbed.Place) error {
		ctx, cancel := context.WithCancel(ctx)
		defer cancel()
		spoil(ctx, &place)
		return subject(ctx, stop, place)
	}, nil
}

// dialled calls before ahead of each dial for a session, of which it gets the
// number, from 1. An error is what the streamer sees in place of a connection.
// REST is told apart by its name for the same server, which the certificate has
// too.
func dialled(place *testbed.Place, before func(ctx context.Context, n int64) error, after func(net.Conn)) {
	const rest = "localhost"
	server := strings.TrimPrefix(place.Settings["STREAMER_WS_URL"], "wss://")
	_, port, _ := net.SplitHostPort(server)
	place.Settings = maps.Clone(place.Settings)
	place.Settings["STREAMER_REST_URL"] = "https://" + net.JoinHostPort(rest, port)
	dial := place.Dial
	var sessions atomic.Int64
	place.Dial = func(ctx context.Context, network, address string) (net.Conn, error) {
		if address == net.JoinHostPort(rest, port) {
			return dial(ctx, network, server)
		}
		if address != server {
			return dial(ctx, network, address)
		}
		if err := before(ctx, sessions.Add(1)); err != nil {
			return nil, err
		}
		conn, err := dial(ctx, network, address)
		if err == nil && after != nil {
			after(conn)
		}
		return conn, err
	}
}

// closeBeforeDial ends a session that has lasted before it opens the next, as
// a client does that rotates by closing.
func closeBeforeDial(_ context.Context, place *testbed.Place) {
	const (
		lasted = time.Minute // a younger one is a second attempt
		pause  = 3 * time.Second
	)
	var mu sync.Mutex // never held while waiting
	var open net.Conn
	var since time.Time
	dialled(place, func(ctx context.Context, _ int64) error {
		mu.Lock()
		old := open
		if time.Since(since) < lasted {
			old = nil
		}
		mu.Unlock()
		if old == nil {
			return nil
		}
		_ = old.Close() // closed twice in the end
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(pause):
			return nil
		}
	}, func(conn net.Conn) {
		mu.Lock()
		defer mu.Unlock()
		open, since = conn, time.Now()
	})
}

// noBackfill asks for what it missed where nobody is.
func noBackfill(_ context.Context, place *testbed.Place) {
	place.Settings = maps.Clone(place.Settings)
	place.Settings["STREAMER_REST_URL"] = "https://127.0.0.1:1"
}

// lives counts the processes of a flaw that gives each a name of its own.
var lives atomic.Int64

// unfenced writes as somebody else in each of its lives, so that no other is
// kept from writing, and outside transactions: in one, the streamer sees before
// the commit by the offsets that somebody else has written, and takes it back.
func unfenced(_ context.Context, place *testbed.Place) {
	place.Settings = maps.Clone(place.Settings)
	place.Settings["STREAMER_GROUP"] = fmt.Sprintf("alone-%d", lives.Add(1))
	place.Settings["STREAMER_DELIVERY"] = "at-least-once"
}

// givesUp opens no session after its tenth reconnect.
func givesUp(_ context.Context, place *testbed.Place) {
	const patience = 10
	dialled(place, func(_ context.Context, n int64) error {
		if n > 1+patience {
			return &net.OpError{Op: "dial", Net: "tcp", Err: syscall.ECONNREFUSED}
		}
		return nil
	}, nil)
}

// driftingTimer rotates a little later each time, as a timer does that is set
// again when the work is done.
func driftingTimer(_ context.Context, place *testbed.Place) {
	const drift = 5 * time.Minute
	const name = "STREAMER_ROTATION_INTERVAL"
	place.Settings = maps.Clone(place.Settings)
	if interval, err := time.ParseDuration(place.Settings[name]); err == nil {
		place.Settings[name] = (interval + drift).String()
	}
}

// leaksGoroutines forgets one for each session.
func leaksGoroutines(life context.Context, place *testbed.Place) {
	dialled(place, func(context.Context, int64) error {
		go func() { <-life.Done() }()
		return nil
	}, nil)
}

// leaksMemory keeps 64 KiB of each session.
func leaksMemory(_ context.Context, place *testbed.Place) {
	const kept = 64 << 10
	var mu sync.Mutex // never held while waiting
	var all [][]byte
	dialled(place, func(context.Context, int64) error {
		mu.Lock()
		defer mu.Unlock()
		all = append(all, make([]byte, kept))
		return nil
	}, nil)
}
