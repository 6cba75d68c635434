package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/urfave/cli/v3"

	"steadfeed/soak"
	"steadfeed/soak/internal/testbed"
)

// Times of a benchmark: long enough for a steady figure, short enough that
// nobody avoids it. They bound the load as well.
const (
	benchSettle  = 4 * time.Second
	benchMeasure = 15 * time.Second
	benchPeek    = 200 * time.Millisecond // between two looks at the memory
)

// acked is the streamer's count of records that Kafka has acknowledged.
const acked = "kafka_messages_produced_total"

// benchmarks are the loads that are put on a streamer.
var benchmarks = []struct {
	name     string
	rate     float64 // trades per second and symbol
	flatOut  bool
	settings map[string]string
}{
	{name: "idle", rate: 0.1},
	{name: "150 trades/s, commit each 50 ms", rate: 50, settings: map[string]string{"STREAMER_COMMIT_INTERVAL": "50ms"}},
	{name: "flat out", rate: 1000, flatOut: true},
}

// load is what was seen under one of them.
type load struct {
	name       string
	trades     float64
	seconds    float64 // on the clock
	cpuSeconds float64 // of the streamer, user and system
	rssFirst   int64
	rssPeak    int64
}

func benchCommand() *cli.Command {
	return &cli.Command{
		Name:  "bench",
		Usage: "measure the streamer as a whole process: CPU per trade, memory; shown, never judged",
		Flags: []cli.Flag{
			&cli.StringFlag{Name: "subject", Usage: "command line of the streamer (default: the one beside this program)"},
			&cli.StringFlag{Name: "symbols", Value: "BTCUSDT,ETHUSDT,BNBUSDT", Usage: "comma-separated"},
		},
		Action: func(ctx context.Context, command *cli.Command) error {
			subject := strings.Fields(command.String("subject"))
			if len(subject) == 0 {
				subject = []string{defaultSubject()}
			}
			if _, err := testbed.FindProgram(subject); err != nil {
				return broken(err)
			}
			ctx, _, stop := interrupts(ctx)
			defer stop()
			stdout := command.Root().Writer
			fmt.Fprintf(stdout, "%s over TLS into an in-memory Kafka, each in a process of its own, %s a load\n",
				strings.Join(subject, " "), benchSettle+benchMeasure)
			var loads []load
			for _, b := range benchmarks {
				seen, err := measure(ctx, subject, strings.Split(command.String("symbols"), ","), b.rate, b.flatOut, b.settings)
				if errors.Is(err, context.Canceled) {
					return &ending{soak.ExitInterrupted, errors.New("interrupted")}
				}
				if err != nil {
					return broken(fmt.Errorf("%s: %w", b.name, err))
				}
				seen.name = b.name
				loads = append(loads, seen)
			}
			printLoads(stdout, loads)
			return nil
		},
	}
}

// measure puts one load on a fresh streamer.
func measure(ctx context.Context, subject, symbols []string, rate float64, flatOut bool, settings map[string]string) (load, error) {
	dir, err := os.MkdirTemp("", "soak-bench-")
	if err != nil {
		return load{}, err
	}
	defer os.RemoveAll(dir)
	backend, err := startBackend(ctx)
	if err != nil {
		return load{}, err
	}
	defer backend.stop()
	exchange, err := startExchange(ctx, dir, symbols, rate, flatOut)
	if err != nil {
		return load{}, err
	}
	defer exchange.stop()

	env := map[string]string{
		"STREAMER_SYMBOLS": strings.Join(symbols, ","),
		"STREAMER_WS_URL":  exchange.WebSocketURL, "STREAMER_REST_URL": exchange.RESTURL, "STREAMER_TLS_CA_FILE": exchange.CAFile,
		"STREAMER_KAFKA_BROKERS": backend.Brokers, "STREAMER_SCHEMA_REGISTRY_URL": backend.RegistryURL,
		"STREAMER_LOG_LEVEL": "warn",
	}
	for name, value := range settings {
		env[name] = value
	}
	process, endpoints, err := testbed.StartAlone(ctx, subject, env, filepath.Join(dir, "subject.log"))
	if err != nil {
		return load{}, err
	}
	defer endpoints.Close()
	defer process.Kill()
	if err := pause(ctx, benchSettle); err != nil {
		return load{}, err
	}
	return observe(ctx, process, endpoints)
}

// observe reads the streamer at the beginning and the end of the time measured
// and looks at its memory in between.
func observe(ctx context.Context, process testbed.Process, endpoints *testbed.Endpoints) (load, error) {
	began := time.Now()
	first, err := process.Reading(ctx)
	if err != nil {
		return load{}, err
	}
	before, err := endpoints.Metrics(ctx)
	if err != nil {
		return load{}, err
	}
	seen := load{rssFirst: first.RSSBytes, rssPeak: first.RSSBytes}
	for time.Since(began) < benchMeasure {
		if err := pause(ctx, benchPeek); err != nil {
			return load{}, err
		}
		reading, err := process.Reading(ctx)
		if err != nil {
			return load{}, fmt.Errorf("the streamer is gone: %w: %s", err, strings.Join(process.Tail(), "\n"))
		}
		seen.rssPeak = max(seen.rssPeak, reading.RSSBytes)
	}
	last, err := process.Reading(ctx)
	if err != nil {
		return load{}, err
	}
	after, err := endpoints.Metrics(ctx)
	if err != nil {
		return load{}, err
	}
	seen.seconds = time.Since(began).Seconds()
	seen.cpuSeconds = last.CPUSeconds - first.CPUSeconds
	seen.trades = after.Counters[acked] - before.Counters[acked]
	return seen, nil
}

func pause(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// perCoreFrom is from how many trades a second the CPU time is that of trades
// and not of waking up.
const perCoreFrom = 10_000

func printLoads(out io.Writer, loads []load) {
	table := tabwriter.NewWriter(out, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(table, "\nload\ttrades/s\tCPU of a core\ttrades/s per core\tCPU a trade\tRSS at first\tRSS peak\t")
	for _, l := range loads {
		perCore, each := "-", "-"
		if l.trades/l.seconds >= perCoreFrom && l.cpuSeconds > 0 {
			perCore = fmt.Sprintf("%.0f", l.trades/l.cpuSeconds)
			each = fmt.Sprintf("%.2f us", l.cpuSeconds/l.trades*1e6)
		}
		fmt.Fprintf(table, "%s\t%.0f\t%.1f %%\t%s\t%s\t%s\t%s\t\n", l.name, l.trades/l.seconds,
			100*l.cpuSeconds/l.seconds, perCore, each, megabytes(l.rssFirst), megabytes(l.rssPeak))
	}
	table.Flush()
}
