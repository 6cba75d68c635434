package main

import (
	"bytes"
	"strings"
	"testing"
	"time"

	"steadfeed/fakebinance"
)

// A second fake stands for the endpoint; one that goes on after a malformed
// request and agrees to no compression is told apart from the first.
func TestConform(t *testing.T) {
	if testing.Short() {
		t.Skip("-short: half a minute of pauses between requests")
	}
	market, err := fakebinance.NewMarket(fakebinance.MarketOptions{
		Seed: 9, Symbols: []string{"BTCUSDT"}, Rate: conformRate, Start: time.Now().Add(-conformHistory),
	})
	if err != nil {
		t.Fatal(err)
	}
	server, err := fakebinance.New(fakebinance.Options{
		Source: market, KeepAfterError: true, Switches: fakebinance.Switches{NoCompression: true},
	})
	if err != nil {
		t.Fatal(err)
	}
	defer server.Close()
	server.Start()
	var stdout, stderr bytes.Buffer
	status := run(t.Context(), []string{"fakebinance", "conform", "-against", server.WebSocketURL(), "-rest", server.RESTURL()}, &stdout, &stderr)
	if status != exitFailed || !strings.Contains(stderr.String(), "differ") {
		t.Errorf("status %d, %s", status, stderr.String())
	}
	for _, line := range strings.Split(stdout.String(), "\n") {
		fields := strings.Fields(line)
		if len(fields) < 4 || fields[0] != "DIFFERENT" {
			continue
		}
		switch name := fields[3]; {
		case name == "deflate-offered", name == "deflate-offered-bare", name == "deflate-second-offer", name == "deflate-both-windows",
			strings.HasPrefix(name, "deflate-client-window"), name == "deflate-server-window":
		case strings.HasPrefix(name, "id-"), strings.HasPrefix(name, "property-name"), strings.HasPrefix(name, "method-"),
			name == "parameters-too-many", name == "json-invalid", name == "stream-malformed", name == "stream-no-string":
		default:
			t.Errorf("differs: %s", line)
		}
	}
	for _, want := range []string{"DIFFERENT  §8  seen", "same       §7", "deflate-offered"} {
		if !strings.Contains(stdout.String(), want) {
			t.Errorf("no %q in\n%s", want, stdout.String())
		}
	}
}
