package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/urfave/cli/v3"
	"golang.org/x/sync/errgroup"

	"steadfeed/soak"
	"steadfeed/soak/internal/testbed"
)

// The exchange and Kafka of a benchmark are processes of their own, so that
// the CPU time and memory of the streamer are its own. They are this program
// again, with hidden commands: each prints its addresses as one line of JSON
// and ends when its standard input does, which it does when the benchmark is
// over or dies.

// addresses are what such a process prints.
type addresses struct {
	WebSocketURL string `json:"ws_url,omitempty"`
	RESTURL      string `json:"rest_url,omitempty"`
	CAFile       string `json:"ca_file,omitempty"`
	Brokers      string `json:"brokers,omitempty"`
	RegistryURL  string `json:"registry_url,omitempty"`

	Planted []soak.Finding `json:"planted,omitempty"` // what is wrong with the topic
}

func benchExchangeCommand() *cli.Command {
	return &cli.Command{
		Name: "bench-exchange", Usage: "the exchange of a benchmark", Hidden: true,
		Flags: []cli.Flag{
			&cli.StringFlag{Name: "symbols"}, &cli.FloatFlag{Name: "rate"}, &cli.BoolFlag{Name: "flat-out"}, &cli.StringFlag{Name: "ca-file"},
		},
		Action: func(_ context.Context, command *cli.Command) error {
			exchange, err := testbed.ExchangeAlone(strings.Split(command.String("symbols"), ","),
				command.Float("rate"), command.Bool("flat-out"), command.String("ca-file"))
			if err != nil {
				return err
			}
			defer exchange.Close()
			return announce(command, addresses{
				WebSocketURL: exchange.WebSocketURL(), RESTURL: exchange.RESTURL(), CAFile: command.String("ca-file"),
			})
		},
	}
}

func benchBackendCommand() *cli.Command {
	return &cli.Command{
		Name: "bench-backend", Usage: "the Kafka and schema registry of a benchmark", Hidden: true,
		Action: func(ctx context.Context, command *cli.Command) error {
			backend, err := testbed.NewBackend(testbed.BackendOptions{})
			if err != nil {
				return err
			}
			defer backend.Close()
			ctx, cancel := context.WithCancel(ctx)
			var forgetting errgroup.Group
			forgetting.Go(func() error { return backend.Forget(ctx) })
			defer forgetting.Wait()
			defer cancel()
			return announce(command, addresses{Brokers: strings.Join(backend.Brokers(), ","), RegistryURL: backend.RegistryURL()})
		},
	}
}

// announce prints the addresses and waits for the end of standard input.
func announce(command *cli.Command, a addresses) error {
	if err := json.NewEncoder(command.Root().Writer).Encode(a); err != nil {
		return err
	}
	_, err := io.Copy(io.Discard, os.Stdin)
	return err
}

// part is a running process of a benchmark.
type part struct {
	addresses
	command *exec.Cmd
	stdin   io.Closer
}

// startPart starts this program again with a hidden command.
func startPart(ctx context.Context, args ...string) (*part, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	p := &part{command: exec.CommandContext(ctx, self, args...)}
	p.command.Stderr = os.Stderr
	stdin, err := p.command.StdinPipe()
	if err != nil {
		return nil, err
	}
	p.stdin = stdin
	stdout, err := p.command.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := p.command.Start(); err != nil {
		return nil, fmt.Errorf("start %s: %w", args[0], err)
	}
	if err := json.NewDecoder(stdout).Decode(&p.addresses); err != nil {
		p.stop()
		return nil, fmt.Errorf("start %s: %w", args[0], err)
	}
	return p, nil
}

func (p *part) stop() {
	p.stdin.Close()
	_ = p.command.Wait() // how it ends says nothing about the streamer
}

func startExchange(ctx context.Context, dir string, symbols []string, rate float64, flatOut bool) (*part, error) {
	args := []string{"bench-exchange", "-symbols", strings.Join(symbols, ","), "-ca-file", filepath.Join(dir, "ca.pem"),
		"-rate", strconv.FormatFloat(rate, 'g', -1, 64)}
	if flatOut {
		args = append(args, "-flat-out")
	}
	return startPart(ctx, args...)
}

func startBackend(ctx context.Context) (*part, error) { return startPart(ctx, "bench-backend") }
