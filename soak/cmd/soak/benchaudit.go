package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/urfave/cli/v3"

	"steadfeed/soak"
	"steadfeed/soak/internal/testbed"
)

const (
	auditTopic = "audited"
	// auditMemory is what an audit of any length has to stay below, resident.
	auditMemory = 100_000_000
)

// benchAuditCommand measures the audit of a large topic, in which something is
// wrong, from outside.
func benchAuditCommand() *cli.Command {
	return &cli.Command{
		Name: "bench-audit", Usage: "audit a large topic with planted faults and measure it", Hidden: true,
		Flags: []cli.Flag{&cli.IntFlag{Name: "trades", Value: 10_000_000}},
		Action: func(ctx context.Context, command *cli.Command) error {
			ctx, _, stop := interrupts(ctx)
			defer stop()
			dir, err := os.MkdirTemp("", "soak-bench-")
			if err != nil {
				return broken(err)
			}
			defer os.RemoveAll(dir)
			stdout := command.Root().Writer
			fmt.Fprintf(stdout, "fills a topic with %d trades\n", command.Int("trades"))
			backend, err := startPart(ctx, "bench-topic", "-trades", strconv.Itoa(command.Int("trades")))
			if err != nil {
				return broken(err)
			}
			defer backend.stop()
			self, err := os.Executable()
			if err != nil {
				return broken(err)
			}
			audit := exec.CommandContext(ctx, self, "audit", "-brokers", backend.Brokers, "-topic", auditTopic,
				"-schema-registry-url", backend.RegistryURL, "-rest-url", "none", "-seed", "1", "-out", dir)
			audit.Stdout, audit.Stderr = stdout, command.Root().ErrWriter
			began := time.Now()
			_ = audit.Run() // it must fail; its verdict says how
			took := time.Since(began)
			usage, known := audit.ProcessState.SysUsage().(*syscall.Rusage)
			if !known {
				return broken(errors.New("this system does not tell how much memory the audit took"))
			}
			rss := usage.Maxrss * 1024 // of Linux, in KiB
			cpu := audit.ProcessState.UserTime() + audit.ProcessState.SystemTime()
			fmt.Fprintf(stdout, "audit of %d trades: %s, %.0f trades/s, CPU %s, RSS at most %s\n", command.Int("trades"),
				took.Round(100*time.Millisecond), float64(command.Int("trades"))/took.Seconds(), cpu.Round(100*time.Millisecond), megabytes(rss))
			if err := foundAll(dir, backend.Planted); err != nil {
				return &ending{soak.ExitFail, err}
			}
			fmt.Fprintln(stdout, "found all that was planted, and nothing else")
			if rss >= auditMemory {
				return &ending{soak.ExitFail, fmt.Errorf("the audit took %s, more than %s", megabytes(rss), megabytes(auditMemory))}
			}
			return nil
		},
	}
}

// foundAll compares the verdict below dir with what was planted.
func foundAll(dir string, planted []soak.Finding) error {
	run, err := soak.Open(filepath.Join(dir, soak.Latest))
	if err != nil {
		return err
	}
	verdict, err := run.ReadVerdict()
	if err != nil {
		return err
	}
	names := func(findings []soak.Finding) (list []string) {
		for _, f := range findings {
			list = append(list, fmt.Sprintf("%s %s %d to %d", f.Guarantee, f.Symbol, f.FirstID, f.LastID))
		}
		slices.Sort(list)
		return list
	}
	if got, want := names(verdict.Findings), names(planted); !slices.Equal(got, want) || verdict.Outcome != soak.Fail {
		return fmt.Errorf("%s: found %s, planted was %s", verdict.Outcome, strings.Join(got, "; "), strings.Join(want, "; "))
	}
	return nil
}

// benchTopicCommand is a Kafka with a topic that has much in it.
func benchTopicCommand() *cli.Command {
	return &cli.Command{
		Name: "bench-topic", Usage: "the Kafka of a large audit", Hidden: true,
		Flags: []cli.Flag{&cli.IntFlag{Name: "trades"}},
		Action: func(ctx context.Context, command *cli.Command) error {
			backend, err := testbed.NewBackend(testbed.BackendOptions{})
			if err != nil {
				return err
			}
			defer backend.Close()
			planted, err := backend.FillTopic(ctx, auditTopic, command.Int("trades"))
			if err != nil {
				return err
			}
			return announce(command, addresses{
				Brokers: strings.Join(backend.Brokers(), ","), RegistryURL: backend.RegistryURL(), Planted: planted,
			})
		},
	}
}
