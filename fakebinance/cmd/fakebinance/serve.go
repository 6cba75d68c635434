package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"strings"
	"time"

	"github.com/urfave/cli/v3"

	"steadfeed/fakebinance"
)

// headTimeout is how long a client of the control API may take to say what it
// wants.
const headTimeout = 10 * time.Second

func serveCommand(stderr io.Writer) *cli.Command {
	return &cli.Command{
		Name:      "serve",
		Usage:     "run the exchange (the default)",
		ArgsUsage: " ",
		Flags:     serveFlags(),
		Action:    func(ctx context.Context, c *cli.Command) error { return serve(ctx, c, stderr) },
	}
}

// serveFlags are for the exchange only: no other command has them.
func serveFlags() []cli.Flag {
	flags := append([]cli.Flag{
		&cli.StringFlag{Name: "listen", Value: "127.0.0.1:9443", Usage: "address of WebSocket and REST"},
		&cli.StringFlag{Name: "control", Value: "127.0.0.1:9444", Usage: "address of the control API; empty: none"},
		&cli.BoolFlag{Name: "tls", Usage: "serve wss and https with a certificate made at the start"},
		&cli.StringFlag{Name: "ca-out", Usage: "write the certificate that clients have to trust to this file (PEM)"},
		&cli.StringFlag{Name: "symbols", Value: "BTCUSDT,ETHUSDT,BNBUSDT", Usage: "symbols of the synthetic market"},
		&cli.FloatFlag{Name: "rate", Value: 50, Usage: "mean trades a second of each symbol of the market"},
		&cli.Uint64Flag{Name: "seed", Value: 1, Usage: "of the market and of what faults draw by lot"},
		&cli.StringFlag{Name: "capture", Usage: "replay this capture in place of the market"},
		&cli.FloatFlag{Name: "speed", Value: 1, Usage: "of the replay; 1 is as recorded"},
		&cli.BoolFlag{Name: "flat-out", Usage: "publish as fast as clients take it (for benchmarks)"},
		&cli.StringFlag{Name: "scenario", Usage: "begin the faults of this file at their times: a list of {at, kind, target, for, settings}, in YAML if its name ends with .yaml or .yml, else in JSON with comments"},
		&cli.BoolFlag{Name: "verbose", Usage: "log sessions too"},
	}, switchFlags()...)
	for _, f := range flags {
		switch f := f.(type) {
		case *cli.BoolFlag:
			f.Local = true
		case *cli.IntFlag:
			f.Local = true
		case *cli.Uint64Flag:
			f.Local = true
		case *cli.FloatFlag:
			f.Local = true
		case *cli.DurationFlag:
			f.Local = true
		case *cli.StringFlag:
			f.Local = true
		}
	}
	return flags
}

// source is the source of trades that the flags ask for. It can be halted.
func source(c *cli.Command) (fakebinance.Source, error) {
	trades, err := trading(c)
	if err != nil {
		return nil, err
	}
	return fakebinance.NewHalts(trades)
}

// trading is the market or the replay that the flags ask for.
func trading(c *cli.Command) (fakebinance.Source, error) {
	if path := c.String("capture"); path != "" {
		if c.IsSet("symbols") || c.IsSet("rate") {
			return nil, usage("-capture brings its own symbols and rate; leave out -symbols and -rate")
		}
		capture, err := fakebinance.OpenCapture(path)
		if err != nil {
			return nil, err
		}
		replay, err := fakebinance.NewReplay(capture, time.Now(), c.Float("speed"))
		if err != nil {
			return nil, usageError{err}
		}
		return replay, nil
	}
	if c.IsSet("speed") {
		return nil, usage("-speed goes with -capture")
	}
	market, err := fakebinance.NewMarket(fakebinance.MarketOptions{
		Seed:    c.Uint64("seed"),
		Symbols: splitSymbols(c.String("symbols")),
		Rate:    c.Float("rate"),
		Start:   time.Now(),
	})
	if err != nil {
		return nil, usageError{err}
	}
	return market, nil
}

// splitSymbols takes a list with commas, in upper or lower case.
func splitSymbols(list string) []string {
	var symbols []string
	for symbol := range strings.SplitSeq(list, ",") {
		if symbol = strings.ToUpper(strings.TrimSpace(symbol)); symbol != "" {
			symbols = append(symbols, symbol)
		}
	}
	return symbols
}

// serve runs the exchange and its control API until ctx is done.
func serve(ctx context.Context, c *cli.Command, stderr io.Writer) error {
	if err := noArguments(c); err != nil {
		return err
	}
	if c.String("ca-out") != "" && !c.Bool("tls") {
		return usage("-ca-out goes with -tls")
	}
	switches, err := switchesOf(c)
	if err != nil {
		return err
	}
	trades, err := source(c)
	if err != nil {
		return err
	}
	level := slog.LevelInfo
	if c.Bool("verbose") {
		level = slog.LevelDebug
	}
	logger := slog.New(slog.NewTextHandler(stderr, &slog.HandlerOptions{Level: level}))

	listener, err := net.Listen("tcp", c.String("listen"))
	if err != nil {
		return err
	}
	server, err := fakebinance.New(fakebinance.Options{
		Source: trades, Seed: c.Uint64("seed"), Listener: listener,
		TLS: c.Bool("tls"), FlatOut: c.Bool("flat-out"), Logger: logger,
		RESTWeightLimit: c.Int("weight-limit"), KeepAfterError: c.Bool("keep-after-error"), Switches: switches,
	})
	if err != nil {
		_ = listener.Close()
		return usageError{err} // the address is taken already: what is left are options that make no sense
	}
	defer server.Close()
	if path := c.String("ca-out"); path != "" {
		if err := os.WriteFile(path, server.CertPEM(), 0o644); err != nil {
			return fmt.Errorf("write certificate: %w", err)
		}
	}
	if address := c.String("control"); address != "" {
		end, err := serveControl(server, address, logger)
		if err != nil {
			return err
		}
		defer end()
	}
	weather, err := readScenario(server, c.String("scenario"))
	if err != nil {
		return err
	}
	server.Start()
	logger.Info("serving", "websocket", server.WebSocketURL(), "rest", server.RESTURL(), "source", trades.Describe())
	server.Play(ctx, weather, func(act fakebinance.Act, err error) {
		if err != nil {
			logger.Warn("a fault of the scenario cannot begin", "at", act.At, "kind", act.Kind, "err", err)
			return
		}
		logger.Info("a fault of the scenario begins", "at", act.At, "kind", act.Kind)
	})
	<-ctx.Done()
	logger.Info("stopping", "published", server.Ledger().Total())
	return nil
}

// serveControl serves the control API; end stops it and waits until it has.
func serveControl(server *fakebinance.Server, address string, logger *slog.Logger) (end func(), err error) {
	listener, err := net.Listen("tcp", address)
	if err != nil {
		return nil, err
	}
	control := &http.Server{Handler: server.Control(), ReadHeaderTimeout: headTimeout}
	served := make(chan struct{})
	go func() {
		defer close(served)
		if err := control.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
			logger.Error("serve the control API", "err", err)
		}
	}()
	logger.Info("control API", "url", "http://"+listener.Addr().String())
	return func() {
		_ = control.Close()
		<-served
	}, nil
}
