package main

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"strings"
	"time"

	"github.com/gorilla/websocket"
	"github.com/urfave/cli/v3"

	"steadfeed/fakebinance"
	"steadfeed/fakebinance/internal/conform"
)

const (
	// conformPause is what the exchange was seen to accept for good.
	conformPause = 250 * time.Millisecond
	// conformSilence is long for a lively symbol.
	conformSilence  = 2 * time.Second
	conformPatience = 10 * time.Second
	// conformHistory is how long the fake has been trading: 1000 rows need it.
	conformHistory = 2 * time.Minute
	conformRate    = 200
)

func conformCommand(stdout io.Writer) *cli.Command {
	return &cli.Command{
		Name:      "conform",
		Usage:     "compare this fake with an endpoint, rule by rule",
		ArgsUsage: " ",
		Description: "Runs the harmless rules of the protocol against a fake of its own and against the endpoint, and prints\n" +
			"each rule with what both gave. It opens some 80 connections, a few a second, and uses some 700 of request\n" +
			"weight in a minute or two: run it from an address that nothing else depends on. No key is needed.\n" +
			"Exit status 1 when something differs.",
		Flags: []cli.Flag{
			&cli.StringFlag{Name: "against", Required: true, Usage: "address of the streams, such as wss://stream.binance.com:9443"},
			&cli.StringFlag{Name: "rest", Required: true, Usage: "address of REST, such as https://api.binance.com"},
			&cli.StringFlag{Name: "symbol", Value: "BTCUSDT", Usage: "a symbol of the endpoint with lively trading"},
			&cli.StringFlag{Name: "ca", Usage: "trust the certificates in this file (PEM) too"},
		},
		Action: func(ctx context.Context, c *cli.Command) error { return compare(ctx, c, stdout) },
	}
}

func compare(ctx context.Context, c *cli.Command, stdout io.Writer) error {
	if err := noArguments(c); err != nil {
		return err
	}
	symbol := strings.ToUpper(c.String("symbol"))
	trust := &tls.Config{}
	if path := c.String("ca"); path != "" {
		pem, err := os.ReadFile(path)
		if err != nil {
			return usageError{err}
		}
		if trust.RootCAs, err = x509.SystemCertPool(); err != nil {
			trust.RootCAs = x509.NewCertPool()
		}
		if !trust.RootCAs.AppendCertsFromPEM(pem) {
			return usage("no certificate in %s", path)
		}
	}
	market, err := fakebinance.NewMarket(fakebinance.MarketOptions{
		Seed: 1, Symbols: []string{symbol}, Rate: conformRate, Start: time.Now().Add(-conformHistory),
	})
	if err != nil {
		return usageError{err}
	}
	server, err := fakebinance.New(fakebinance.Options{Source: market})
	if err != nil {
		return err
	}
	defer server.Close()
	server.Start()
	endpoint := func(streams, rest string, pause time.Duration) *conform.Endpoint {
		return &conform.Endpoint{
			WebSocket: strings.TrimSuffix(streams, "/"), REST: strings.TrimSuffix(rest, "/"), Symbol: symbol,
			Dialer: &websocket.Dialer{Proxy: http.ProxyFromEnvironment, TLSClientConfig: trust, HandshakeTimeout: conformPatience},
			HTTP: &http.Client{Transport: &http.Transport{
				Proxy: http.ProxyFromEnvironment, TLSClientConfig: trust, DisableKeepAlives: true,
			}},
			Pause: pause, Silence: conformSilence, Patience: conformPatience,
		}
	}
	fake := endpoint(server.WebSocketURL(), server.RESTURL(), 0)
	fake.Silence = conformSilence / 10
	other := endpoint(c.String("against"), c.String("rest"), conformPause)
	asked, differ, err := conform.Print(ctx, fake, other, stdout)
	if err != nil {
		return err
	}
	fmt.Fprintf(stdout, "%d rules asked, %d differ\n", asked, differ)
	if differ > 0 {
		return errors.New("the fake and the endpoint differ")
	}
	return nil
}
