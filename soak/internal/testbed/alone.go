package testbed

import (
	"context"
	"fmt"
	"os"
	"time"

	"steadfeed/fakebinance"
)

const aloneReadyWithin = 30 * time.Second

// StartSubject starts a subject with the settings given and an address of its
// own to be asked at. That it runs does not mean that it works. The caller
// closes the endpoints and kills the process.
func StartSubject(name string, args []string, settings map[string]string, logPath string) (Process, *Endpoints, error) {
	address, err := freePort()
	if err != nil {
		return nil, nil, err
	}
	env := map[string]string{"STREAMER_HTTP": address}
	for name, value := range settings {
		env[name] = value
	}
	process, err := StartLocal(Command{Name: name, Args: args, Env: Environment(env), LogPath: logPath})
	if err != nil {
		return nil, nil, err
	}
	return process, NewEndpoints(address), nil
}

// StartAlone starts a subject against parts that run elsewhere and waits until
// it is ready: for benchmarks, which bring their own exchange and Kafka. The
// caller closes the endpoints and kills the process.
func StartAlone(ctx context.Context, args []string, settings map[string]string, logPath string) (Process, *Endpoints, error) {
	process, endpoints, err := StartSubject("subject", args, settings, logPath)
	if err != nil {
		return nil, nil, err
	}
	if err := waitReady(ctx, process, endpoints, aloneReadyWithin); err != nil {
		process.Kill()
		endpoints.Close()
		return nil, nil, err
	}
	return process, endpoints, nil
}

// ExchangeAlone starts an exchange that publishes a synthetic market at once,
// either at a rate per second and symbol or as fast as its sessions take it,
// and writes its certificate authority to caFile. The caller closes it.
func ExchangeAlone(symbols []string, rate float64, flatOut bool, caFile string) (*fakebinance.Server, error) {
	market, err := fakebinance.NewMarket(fakebinance.MarketOptions{Seed: 1, Symbols: symbols, Rate: rate, Start: time.Now()})
	if err != nil {
		return nil, err
	}
	exchange, err := fakebinance.New(fakebinance.Options{Source: market, TLS: true, FlatOut: flatOut})
	if err != nil {
		return nil, fmt.Errorf("start the exchange: %w", err)
	}
	if err := os.WriteFile(caFile, exchange.CertPEM(), 0o644); err != nil {
		exchange.Close()
		return nil, fmt.Errorf("write the exchange's certificate: %w", err)
	}
	exchange.Start()
	return exchange, nil
}
