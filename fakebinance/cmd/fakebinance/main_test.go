package main

import (
	"bytes"
	"context"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"steadfeed/fakebinance"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// output is what a command prints, readable while it runs.
type output struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (o *output) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.text.Write(p)
}

func (o *output) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.text.String()
}

// find waits until the output matches and returns the group of the pattern.
func (o *output) find(t *testing.T, pattern string) string {
	t.Helper()
	for deadline := time.Now().Add(10 * time.Second); time.Now().Before(deadline); time.Sleep(time.Millisecond) {
		if match := regexp.MustCompile(pattern).FindStringSubmatch(o.String()); match != nil {
			return match[1]
		}
	}
	t.Fatalf("no %s in:\n%s", pattern, o)
	return ""
}

// start runs a command in the background; stop ends it as a signal would and
// returns its exit status.
func start(t *testing.T, arguments ...string) (stderr *output, stop func() int) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	stderr = new(output)
	ended := make(chan int, 1)
	go func() { ended <- run(ctx, append([]string{"fakebinance"}, arguments...), new(output), stderr) }()
	return stderr, func() int {
		cancel()
		return <-ended
	}
}

// The exchange is served over TLS, recorded, and the record replayed: price
// and quantity are still those of the market.
func TestServeRecordReplay(t *testing.T) {
	dir := t.TempDir()
	ca, out := filepath.Join(dir, "ca.pem"), filepath.Join(dir, "capture.gz")
	stderr, stop := start(t, "-listen", "127.0.0.1:0", "-control", "127.0.0.1:0", "-tls", "-ca-out", ca, "-symbols", "btcusdt,ETHUSDT", "-rate", "500", "-seed", "9")
	endpoint := stderr.find(t, `websocket=(wss://\S+)`)
	control := fakebinance.NewClient(stderr.find(t, `url=(http://\S+)`))

	var printed output
	port := regexp.MustCompile(`:\d+$`).FindString(stderr.find(t, `url=(http://\S+)`))
	if status := run(t.Context(), []string{"fakebinance", "health", "-control", port}, &printed, &printed); status != 0 {
		t.Errorf("health: exit %d\n%s", status, &printed)
	}
	if status := run(t.Context(), []string{"fakebinance", "health", "-control", "127.0.0.1:1"}, &printed, &printed); status != exitFailed {
		t.Errorf("health of nobody: exit %d", status)
	}
	if status := run(t.Context(), []string{"fakebinance", "record", "-from", endpoint, "-ca", ca, "-symbols", "BTCUSDT,ETHUSDT", "-for", "1s", "-out", out}, &printed, &printed); status != 0 {
		t.Fatalf("record: exit %d\n%s", status, &printed)
	}
	capture, err := fakebinance.OpenCapture(out)
	if err != nil || capture.Len() < 100 {
		t.Fatalf("%d trades recorded, %v", capture.Len(), err)
	}
	// It doesn't overwrite.
	if status := run(t.Context(), []string{"fakebinance", "record", "-from", endpoint, "-ca", ca, "-for", "1s", "-out", out}, &printed, &printed); status != 1 {
		t.Errorf("record over a capture: exit %d", status)
	}
	replay, err := fakebinance.NewReplay(capture, time.Now(), 1)
	if err != nil {
		t.Fatal(err)
	}
	market, err := fakebinance.NewMarket(fakebinance.MarketOptions{Seed: 9, Symbols: []string{"BTCUSDT", "ETHUSDT"}, Rate: 500, Start: time.Now()})
	if err != nil {
		t.Fatal(err)
	}
	for _, symbol := range replay.Symbols() {
		for id := replay.FirstID(symbol); id < replay.FirstID(symbol)+50; id++ {
			got, want := replay.Trade(symbol, id), market.Trade(symbol, id)
			if got.Price != want.Price || got.Quantity != want.Quantity || got.BuyerIsMaker != want.BuyerIsMaker {
				t.Fatalf("recorded %+v, published %+v", got, want)
			}
		}
	}
	status, err := control.Status(t.Context())
	if err != nil || !status.Publishing || status.Ledger.Symbols[1].Symbol != "ETHUSDT" {
		t.Errorf("status %+v, %v", status, err)
	}
	if code := stop(); code != 0 {
		t.Errorf("serve: exit %d\n%s", code, stderr)
	}

	stderr, stop = start(t, "serve", "-listen", "127.0.0.1:0", "-control", "", "-capture", out, "-speed", "2")
	if got := stderr.find(t, `source="(.*)"`); got != "capture capture.gz speed=2" {
		t.Errorf("source %s", got)
	}
	if code := stop(); code != 0 {
		t.Errorf("replay: exit %d\n%s", code, stderr)
	}
}

func TestFaultsList(t *testing.T) {
	var out, stderr output
	if code := run(t.Context(), []string{"fakebinance", "faults"}, &out, &stderr); code != 0 {
		t.Fatalf("exit %d: %s", code, &stderr)
	}
	for _, kind := range fakebinance.Faults() {
		if !strings.Contains(out.String(), kind.Name+" ") || !strings.Contains(out.String(), kind.About) {
			t.Errorf("no %s in:\n%s", kind.Name, &out)
		}
	}
}

// A mistake ends in one sentence and its own exit status.
func TestMistakes(t *testing.T) {
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	bad := filepath.Join(t.TempDir(), "bad.txt")
	if err := os.WriteFile(bad, []byte("hello\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	f := func(status int, want string, arguments ...string) {
		t.Helper()
		var out output
		code := run(t.Context(), append([]string{"fakebinance"}, arguments...), &out, &out)
		if got := out.String(); code != status || !strings.Contains(got, want) || strings.Count(got, "\n") != 1 {
			t.Errorf("%v: exit %d\n%s\nwant exit %d: %s", arguments, code, got, status, want)
		}
	}
	f(64, `unknown command or argument "sreve"`, "sreve")
	f(64, `unknown command or argument "now"`, "serve", "now")
	f(64, `flags come after the command faults`, "-rate", "2", "faults")
	f(64, `-lsten`, "-lsten", "127.0.0.1:0")
	f(64, `invalid value "fast" for flag -rate`, "-rate", "fast")
	f(64, "make market: rate -1 is not within", "-rate=-1")
	f(64, "make market: no symbols", "-symbols", ",")
	f(64, "-ca-out goes with -tls", "-ca-out", "ca.pem")
	f(64, "-speed goes with -capture", "-speed", "2")
	f(64, "leave out -symbols and -rate", "-capture", bad, "-rate", "2")
	f(64, `-from "stream.binance.com" is no ws:// or wss:// address`, "record", "-from", "stream.binance.com", "-out", "x")
	f(64, "-out is missing", "record")
	f(64, "-for 0s is not above zero", "record", "-out", "x", "-for", "0s")
	f(1, "bad.txt line 1: want a receive time, a space and a frame", "-capture", bad)
	f(1, "no such file", "-capture", bad+"x")
	f(1, "address already in use", "-listen", taken.Addr().String())
	taken.Close()
	f(1, fmt.Sprintf("dial ws://%s/stream?streams=btcusdt@trade:", taken.Addr()), "record", "-from", "ws://"+taken.Addr().String(), "-symbols", "BTCUSDT", "-out", bad+"y")
}

// A scenario is checked before anything is served, and then played; YAML and
// JSON say the same.
func TestScenarioFile(t *testing.T) {
	dir := t.TempDir()
	with := func(name, text string) []string {
		t.Helper()
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return []string{"-listen", "127.0.0.1:0", "-control", "127.0.0.1:0", "-scenario", path}
	}
	bad := func(name, text, want string) {
		t.Helper()
		var printed output
		status := run(t.Context(), append([]string{"fakebinance"}, with(name, text)...), &printed, &printed)
		if status != exitUsage || !strings.Contains(printed.String(), want) || strings.Contains(printed.String(), "serving") {
			t.Errorf("%s: exit %d, said %s, want %s", name, status, &printed, want)
		}
	}
	bad("weather.json", `[{"kind": "flood"}]`, `fault "flood" is none of`)
	bad("weather.yaml", "- kind: flood", `fault "flood" is none of`)
	bad("weather.yml", "- kind: reset\n  at: soon", `at is "soon"`)
	bad("weather.yaml", "- kind: reset\n  when: 10s", "line 2: field when not found")
	bad("weather.yaml", "kind: reset", "line 1: cannot unmarshal")
	bad("weather.yaml", "[]\n---\n[]", "it goes on after")
	bad("weather.yaml", "", "EOF")
	good := func(name, text string) {
		t.Helper()
		stderr, stop := start(t, with(name, text)...)
		stderr.find(t, `(a fault of the scenario begins.*kind=halt)`)
		control := fakebinance.NewClient(stderr.find(t, `url=(http://\S+)`))
		got, err := control.Injection(t.Context(), 1)
		if err != nil || got.Kind != "close" || got.Target != "all" || got.For != "1m0s" || got.Settings["code"] != "1012" || got.Settings["reason"] != "back soon" {
			t.Errorf("%s: %+v, %v", name, got, err)
		}
		if status := stop(); status != 0 {
			t.Errorf("%s: exit %d", name, status)
		}
	}
	good("weather.json", `[
	// both at once
	{"kind": "close", "target": "all", "for": "1m", "settings": {"code": 1012, "reason": "back soon"}},
	{"kind": "halt", "for": "1m"}
]`)
	good("weather.yaml", `# both at once
- {kind: close, target: all, for: 1m, settings: {code: 1012, reason: back soon}} # a comment
- kind: halt
  for: 1m
`)
}
