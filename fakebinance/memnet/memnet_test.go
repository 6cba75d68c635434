package memnet_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"steadfeed/fakebinance/memnet"
)

// pair is both ends of a connection over a network with a latency.
func pair(t *testing.T, latency time.Duration) (network *memnet.Network, client, server net.Conn) {
	t.Helper()
	network = memnet.New()
	network.SetLatency(latency)
	listener, err := network.Listen("127.0.0.1:80")
	if err != nil {
		t.Fatal(err)
	}
	client, err = network.Dial(t.Context(), "tcp", "127.0.0.1:80")
	if err != nil {
		t.Fatal(err)
	}
	server, err = listener.Accept()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		client.Close()
		server.Close()
		listener.Close()
		if links := network.Links(); len(links) != 0 {
			t.Errorf("%d links left", len(links))
		}
	})
	return network, client, server
}

func write(t *testing.T, c net.Conn, text string) {
	t.Helper()
	if n, err := c.Write([]byte(text)); err != nil || n != len(text) {
		t.Fatalf("write: %d, %v", n, err)
	}
}

func read(t *testing.T, c net.Conn, want string) {
	t.Helper()
	got := make([]byte, len(want))
	if _, err := io.ReadFull(c, got); err != nil || string(got) != want {
		t.Fatalf("read %q, %v; want %q", got, err, want)
	}
}

func fails(t *testing.T, c net.Conn, op string, want error) {
	t.Helper()
	var err error
	if op == "read" {
		_, err = c.Read(make([]byte, 1))
	} else {
		_, err = c.Write([]byte("x"))
	}
	if !errors.Is(err, want) {
		t.Errorf("%s: %v, want %v", op, err, want)
	}
}

// Many bytes in pieces of any size, both ways at once, arrive as they were sent.
func TestBytesArrive(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		_, client, server := pair(t, 3*time.Millisecond)
		sent := make([]byte, 3<<20)
		draw := rand.New(rand.NewPCG(7, 0))
		for i := range sent {
			sent[i] = byte(draw.Uint32())
		}
		transfer := func(from, to net.Conn, seed uint64) <-chan []byte {
			go func() {
				draw := rand.New(rand.NewPCG(seed, 1))
				for rest := sent; len(rest) > 0; {
					n := min(1+draw.IntN(100000), len(rest))
					from.Write(rest[:n])
					rest = rest[n:]
				}
			}()
			received := make(chan []byte, 1)
			go func() {
				got := make([]byte, len(sent))
				io.ReadFull(to, got)
				received <- got
			}()
			return received
		}
		up, down := transfer(client, server, 1), transfer(server, client, 2)
		if !bytes.Equal(<-up, sent) || !bytes.Equal(<-down, sent) {
			t.Error("the bytes are not those that were sent")
		}
	})
}

func TestLatency(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		began := time.Now()
		_, client, server := pair(t, 37*time.Millisecond)
		if got := time.Since(began); got != 74*time.Millisecond {
			t.Errorf("dialled in %s", got)
		}
		f := func(from, to net.Conn) {
			t.Helper()
			began := time.Now()
			write(t, from, "one")
			time.Sleep(10 * time.Millisecond)
			write(t, from, "two")
			read(t, to, "one")
			if got := time.Since(began); got != 37*time.Millisecond {
				t.Errorf("the first came after %s", got)
			}
			read(t, to, "two")
			if got := time.Since(began); got != 47*time.Millisecond {
				t.Errorf("the second came after %s", got)
			}
		}
		f(client, server)
		f(server, client)
		began = time.Now()
		client.Close()
		fails(t, server, "read", io.EOF)
		if got := time.Since(began); got != 37*time.Millisecond {
			t.Errorf("the end came after %s", got)
		}
	})
}

// The buffer is bounded: a writer waits for a reader, and its deadline holds.
func TestBackPressure(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		_, client, server := pair(t, 0)
		began := time.Now()
		client.SetWriteDeadline(began.Add(5 * time.Second))
		n, err := client.Write(make([]byte, 1<<20))
		if n != 256<<10 || !errors.Is(err, os.ErrDeadlineExceeded) || time.Since(began) != 5*time.Second {
			t.Errorf("wrote %d, %v after %s", n, err, time.Since(began))
		}
		client.SetWriteDeadline(time.Time{})
		go func() {
			time.Sleep(time.Second)
			io.CopyN(io.Discard, server, 1000)
		}()
		began = time.Now()
		write(t, client, strings.Repeat("x", 1000))
		if got := time.Since(began); got != time.Second {
			t.Errorf("wrote after %s", got)
		}
	})
}

func TestReadDeadline(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		_, client, server := pair(t, 0)
		began := time.Now()
		client.SetReadDeadline(began.Add(time.Second))
		fails(t, client, "read", os.ErrDeadlineExceeded)
		if got := time.Since(began); got != time.Second {
			t.Errorf("after %s", got)
		}
		// One that is set while a read waits wakes it, as net/http counts on.
		client.SetReadDeadline(time.Time{})
		time.AfterFunc(time.Second, func() { client.SetReadDeadline(time.Unix(1, 0)) })
		fails(t, client, "read", os.ErrDeadlineExceeded)
		if got := time.Since(began); got != 2*time.Second {
			t.Errorf("after %s", got)
		}
		// And the connection is as good as before.
		client.SetDeadline(time.Time{})
		write(t, server, "hello")
		read(t, client, "hello")
		if n, err := client.Read(nil); n != 0 || err != nil {
			t.Errorf("read of nothing: %d, %v", n, err)
		}
	})
}

func TestClose(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		_, client, server := pair(t, 0)
		write(t, server, "last words")
		waiting := make(chan error, 1)
		go func() { _, err := server.Read(make([]byte, 1)); waiting <- err }()
		synctest.Wait()
		server.Close()
		if err := <-waiting; !errors.Is(err, net.ErrClosed) {
			t.Errorf("a read that waits: %v", err)
		}
		read(t, client, "last words")
		fails(t, client, "read", io.EOF)
		fails(t, client, "write", syscall.EPIPE)
		fails(t, server, "read", net.ErrClosed)
		fails(t, server, "write", net.ErrClosed)
		if err := server.Close(); !errors.Is(err, net.ErrClosed) {
			t.Errorf("closed twice: %v", err)
		}
	})
}

func TestHalfClose(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		_, client, server := pair(t, 0)
		server.(interface{ CloseWrite() error }).CloseWrite()
		fails(t, client, "read", io.EOF)
		write(t, client, "still listening?")
		read(t, server, "still listening?")
	})
}

func TestReset(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		network, client, server := pair(t, 0)
		write(t, client, "lost")
		network.Links()[0].Reset()
		for _, c := range []net.Conn{client, server} {
			fails(t, c, "read", syscall.ECONNRESET)
			fails(t, c, "write", syscall.ECONNRESET)
		}
		_, client, server = pair(t, 0)
		write(t, server, "lost")
		server.(interface{ SetLinger(int) error }).SetLinger(0)
		server.Close()
		fails(t, client, "read", syscall.ECONNRESET)
	})
}

func TestStall(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		network, client, server := pair(t, 0)
		link := network.Links()[0]
		f := func(up, down bool) {
			t.Helper()
			link.Stall(up, down)
			for _, way := range []struct {
				stalled  bool
				from, to net.Conn
			}{{up, client, server}, {down, server, client}} {
				write(t, way.from, "hello")
				if !way.stalled {
					read(t, way.to, "hello")
					continue
				}
				way.to.SetReadDeadline(time.Now().Add(time.Hour))
				fails(t, way.to, "read", os.ErrDeadlineExceeded)
				way.to.SetReadDeadline(time.Time{})
			}
			link.Heal()
			if up {
				read(t, server, "hello")
			}
			if down {
				read(t, client, "hello")
			}
		}
		f(true, false)
		f(false, true)
		f(true, true)
		// The end does not get through either.
		link.Stall(true, true)
		client.Close()
		server.SetReadDeadline(time.Now().Add(time.Hour))
		fails(t, server, "read", os.ErrDeadlineExceeded)
		write(t, server, "to nobody")
		link.Heal()
		server.SetReadDeadline(time.Time{})
		fails(t, server, "read", io.EOF)
		fails(t, server, "write", syscall.EPIPE)
	})
}

func TestDial(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		network := memnet.New()
		if _, err := network.Dial(t.Context(), "tcp", "127.0.0.1:80"); !errors.Is(err, syscall.ECONNREFUSED) {
			t.Errorf("nobody listens: %v", err)
		}
		listener, err := network.Listen("127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		addr := listener.Addr().String()
		if _, err := network.Listen(addr); !errors.Is(err, syscall.EADDRINUSE) {
			t.Errorf("listen twice: %v", err)
		}
		_, port, _ := net.SplitHostPort(addr)
		named, err := network.Dial(t.Context(), "tcp", "localhost:"+port)
		if err != nil {
			t.Fatalf("by name: %v", err)
		}
		accepted, err := listener.Accept()
		if err != nil {
			t.Fatal(err)
		}
		named.Close()
		accepted.Close()
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		// Nobody accepts: the backlog fills, then a dial waits.
		var open []net.Conn
		for {
			c, err := network.Dial(ctx, "tcp", addr)
			if err != nil {
				if !errors.Is(err, context.DeadlineExceeded) || len(open) != 128 {
					t.Errorf("after %d: %v", len(open), err)
				}
				break
			}
			open = append(open, c)
		}
		listener.Close()
		fails(t, open[0], "read", syscall.ECONNRESET)
		if _, err := network.Dial(t.Context(), "tcp", addr); !errors.Is(err, syscall.ECONNREFUSED) {
			t.Errorf("after Close: %v", err)
		}
		if _, err := listener.Accept(); !errors.Is(err, net.ErrClosed) {
			t.Errorf("accept after Close: %v", err)
		}
		if links := network.Links(); len(links) != 0 {
			t.Errorf("%d links left", len(links))
		}
	})
}

// net/http, with its background reads and aborted deadlines, runs over it for
// a virtual day.
func TestHTTPForADay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		network := memnet.New()
		network.SetLatency(37 * time.Millisecond)
		listener, err := network.Listen("127.0.0.1:80")
		if err != nil {
			t.Fatal(err)
		}
		server := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { io.Copy(w, r.Body) })}
		served := make(chan error, 1)
		go func() { served <- server.Serve(listener) }()
		client := &http.Client{Transport: &http.Transport{DialContext: network.Dial, IdleConnTimeout: 90 * time.Second}}
		for i := range 500 {
			response, err := client.Post("http://127.0.0.1:80/", "text/plain", strings.NewReader("hello"))
			if err != nil {
				t.Fatal(err)
			}
			body, err := io.ReadAll(response.Body)
			response.Body.Close()
			if err != nil || string(body) != "hello" {
				t.Fatalf("%q, %v", body, err)
			}
			time.Sleep(time.Duration(i) * 700 * time.Millisecond)
		}
		client.CloseIdleConnections()
		server.Close()
		if err := <-served; !errors.Is(err, http.ErrServerClosed) {
			t.Error(err)
		}
	})
}
