// Command registry is a schema registry in memory, for test stacks on machines
// where no real one can be had: the fake of the Kafka client's library behind
// an address of one's choice. It forgets everything when it ends. With
// -health it asks the one that runs on this machine and exits with 0 or 1,
// which is what a container's health check needs.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/twmb/franz-go/pkg/sr/srfake"
)

// askWithin is how long -health waits for an answer, and how long a client may
// take to say what it wants.
const askWithin = 3 * time.Second

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	listen := flag.String("listen", "127.0.0.1:8081", "address")
	health := flag.Bool("health", false, "ask the one that listens at that port of this machine, and exit with 0 or 1")
	flag.Parse()
	act := serve
	if *health {
		act = ask
	}
	if err := act(ctx, *listen); err != nil {
		fmt.Fprintln(os.Stderr, "registry: "+err.Error())
		os.Exit(1)
	}
}

// serve runs the registry until ctx ends.
func serve(ctx context.Context, address string) error {
	listener, err := net.Listen("tcp", address)
	if err != nil {
		return err
	}
	server := &http.Server{Handler: srfake.NewRegistry().Handler(), ReadHeaderTimeout: askWithin}
	defer context.AfterFunc(ctx, func() { _ = server.Close() })() // that is how Serve ends
	fmt.Fprintln(os.Stderr, "registry: serving http://"+listener.Addr().String())
	if err := server.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return nil
}

// ask is the health check.
func ask(ctx context.Context, address string) error {
	_, port, err := net.SplitHostPort(address)
	if err != nil {
		return fmt.Errorf("-listen %q: %w", address, err)
	}
	ctx, cancel := context.WithTimeout(ctx, askWithin)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+net.JoinHostPort("localhost", port)+"/subjects", nil)
	if err != nil {
		return err
	}
	answer, err := http.DefaultClient.Do(request)
	if err != nil {
		return err
	}
	defer answer.Body.Close()
	if answer.StatusCode != http.StatusOK {
		return fmt.Errorf("%s: %s", request.URL, answer.Status)
	}
	return nil
}
