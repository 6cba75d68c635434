package testbed

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"sync"
	"time"

	"steadfeed/fakebinance/memnet"
)

// VirtualPort is where the exchange of a virtual run listens.
const VirtualPort = "9443"

// Addresses in the network of a virtual run.
const (
	virtualExchange = "127.0.0.1:" + VirtualPort
	virtualRegistry = "127.0.0.1:8081"
	virtualSubject  = "127.0.0.1:9091"
	virtualSecond   = "127.0.0.1:9093" // of one that runs beside the first
	virtualKafka    = 9092
)

// Virtual is what a run in virtual time (testing/synctest) has in place of
// sockets and processes: a network in this process, and the core of a subject
// that is called. Months pass in minutes, since time jumps to the next timer
// when everybody waits. The caller makes it inside the bubble.
type Virtual struct {
	Network *memnet.Network
	// Subject runs until stop is closed and what it has in hand is done, or
	// until ctx ends: then at once, as if killed.
	Subject func(ctx context.Context, stop <-chan struct{}, place Place) error

	trap *trap // nil: none
}

// Place is where a subject of a virtual run finds itself.
type Place struct {
	Settings map[string]string // as the environment of a process would have them
	Listener net.Listener      // for metrics and health
	Dial     func(ctx context.Context, network, address string) (net.Conn, error)
	Log      io.Writer
}

// Called is a subject that is a function of this process.
type Called struct {
	name    string
	logPath string
	stop    chan struct{}
	end     context.CancelFunc
	exited  chan struct{}
	exit    Exit // set before exited is closed
	trap    *trap

	mu    sync.Mutex // never held while waiting
	dead  bool
	conns map[net.Conn]struct{}
}

var _ Process = (*Called)(nil)

// call starts the subject.
func (v *Virtual) call(name, address, logPath string, settings map[string]string) (*Called, error) {
	listener, err := v.Network.Listen(address)
	if err != nil {
		return nil, fmt.Errorf("start %s: %w", name, err)
	}
	log, err := os.OpenFile(logPath, os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o644)
	if err != nil {
		return nil, fmt.Errorf("open log of %s: %w", name, err)
	}
	ctx, end := context.WithCancel(context.Background())
	c := &Called{name: name, logPath: logPath, stop: make(chan struct{}), end: end, exited: make(chan struct{}), trap: v.trap, conns: map[net.Conn]struct{}{}}
	go func() {
		defer close(c.exited)
		defer log.Close()
		defer end()
		err := v.Subject(ctx, c.stop, Place{Settings: settings, Listener: listener, Dial: c.dialer(v.Network), Log: log})
		switch {
		case err == nil:
			c.exit = Exit{Text: "exit status 0"}
		case ctx.Err() != nil:
			c.exit = Exit{Code: -1, Text: "signal: killed"}
		default:
			fmt.Fprintln(log, err)
			c.exit = Exit{Code: 1, Text: "exit status 1"}
		}
	}()
	return c, nil
}

// errDead is what one who is dead would see if it could.
var errDead = errors.New("the process is dead")

// dialer is the subject's way out, which its death closes.
func (c *Called) dialer(network *memnet.Network) func(context.Context, string, string) (net.Conn, error) {
	return func(ctx context.Context, kind, address string) (net.Conn, error) {
		conn, err := network.Dial(ctx, kind, address)
		if err != nil {
			return nil, err
		}
		c.mu.Lock()
		defer c.mu.Unlock()
		if c.dead {
			_ = conn.Close()
			return nil, errDead
		}
		c.conns[conn] = struct{}{}
		return &owned{conn, c}, nil
	}
}

// owned is a connection of a subject.
type owned struct {
	net.Conn
	by *Called
}

// Write implements net.Conn.
func (o *owned) Write(p []byte) (int, error) { return o.by.trap.write(o, p) }

// Close implements net.Conn.
func (o *owned) Close() error {
	o.by.mu.Lock()
	delete(o.by.conns, o.Conn)
	o.by.mu.Unlock()
	return o.Conn.Close()
}

// Name implements Process.
func (c *Called) Name() string { return c.name }

// Reading implements Process: what the operating system says of this process,
// the harness included, since there is no other. It is real, like its growth.
func (c *Called) Reading(ctx context.Context) (Reading, error) { return OwnReading(ctx) }

// Terminate implements Process.
func (c *Called) Terminate(within time.Duration) Exit {
	close(c.stop)
	late := time.NewTimer(within)
	defer late.Stop()
	select {
	case <-c.exited:
		return c.exit
	case <-late.C:
		c.Kill()
		exit := c.exit
		exit.Forced = true
		return exit
	}
}

// Kill implements Process: nothing that the subject does from now on is seen by
// anybody, as after SIGKILL.
func (c *Called) Kill() {
	c.die()
	c.end()
	<-c.exited
}

// die cuts the subject off from everybody.
func (c *Called) die() {
	c.mu.Lock()
	c.dead = true
	conns := c.conns
	c.conns = map[net.Conn]struct{}{}
	c.mu.Unlock()
	for conn := range conns {
		_ = conn.Close()
	}
}

// errNoPause: goroutines cannot be stopped from outside.
var errNoPause = errors.New("a subject in virtual time cannot be stopped where it stands")

// Pause implements Process.
func (c *Called) Pause() error { return errNoPause }

// Resume implements Process.
func (c *Called) Resume() error { return errNoPause }

// Exited implements Process.
func (c *Called) Exited() <-chan struct{} { return c.exited }

// Exit implements Process.
func (c *Called) Exit() Exit { return c.exit }

// Tail implements Process.
func (c *Called) Tail() []string { return tail(c.logPath) }
