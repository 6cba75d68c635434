package main

import (
	"bufio"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kmsg"
	"github.com/twmb/franz-go/pkg/sr/srfake"

	"steadfeed/fakebinance"
)

// asStreamer makes this test binary behave as the command, so that signals and
// exit statuses are those of a real process.
const asStreamer = "STEADFEED_TEST_AS_STREAMER"

func TestMain(m *testing.M) {
	if os.Getenv(asStreamer) != "" {
		os.Exit(run(os.Args))
	}
	os.Exit(m.Run())
}

// start starts the command with arguments; its words come line by line.
func start(t *testing.T, args ...string) (*exec.Cmd, <-chan string) {
	t.Helper()
	c := exec.Command(os.Args[0], args...)
	c.Env = append(os.Environ(), asStreamer+"=1")
	out, err := c.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Process.Kill() }) // it may have ended
	lines := make(chan string, 1000)
	go func() {
		defer close(lines)
		for scanner := bufio.NewScanner(out); scanner.Scan(); {
			lines <- scanner.Text()
		}
	}()
	return c, lines
}

// until reads lines up to one that contains text.
func until(t *testing.T, lines <-chan string, text string) {
	t.Helper()
	var seen []string
	timeout := time.After(20 * time.Second)
	for {
		select {
		case line, ok := <-lines:
			if !ok {
				t.Fatalf("it ended without saying %q:\n%s", text, strings.Join(seen, "\n"))
			}
			if seen = append(seen, line); strings.Contains(line, text) {
				return
			}
		case <-timeout:
			t.Fatalf("it did not say %q in 20 s:\n%s", text, strings.Join(seen, "\n"))
		}
	}
}

// status waits for the end and returns the exit status and the last lines.
func status(t *testing.T, c *exec.Cmd, lines <-chan string) (int, []string) {
	t.Helper()
	var rest []string
	for line := range lines {
		rest = append(rest, line)
	}
	_ = c.Wait() // a status other than 0 is an error here
	return c.ProcessState.ExitCode(), rest
}

// Wrong settings end in one sentence each and status 64; nothing is started.
func TestWrongSettings(t *testing.T) {
	f := func(want string, args ...string) {
		t.Helper()
		c, lines := start(t, args...)
		code, said := status(t, c, lines)
		if code != exitUsage || len(said) != 1 || !strings.Contains(said[0], want) {
			t.Errorf("%v: status %d, said %q; want 64 and one line with %q", args, code, said, want)
		}
	}
	f(`-symbols "BTC USDT"`, "-symbols", "BTC USDT")
	f("-ping-interval 1s: must be from 30s", "-ping-interval", "1s")
	f("ping-interval", "-ping-interval", "soon")
	f("no-such-flag", "-no-such-flag")
	f(`unexpected argument "now"`, "now")
	f(`-log-level "loud"`, "-log-level", "loud")
	f(`-log-format "xml"`, "-log-format", "xml")
	f(`-symbols "BTC USDT"`, "check", "-symbols", "BTC USDT")
	f("-timeout 1ms: must be from 1s", "check", "-timeout", "1ms")
	f(`unexpected argument "now"`, "check", "now")
	f("no-such-flag", "check", "-no-such-flag")
	f(`-since "soon"`, "repair", "-since", "soon")
	f(`-since "2999-01-01T00:00:00Z"`, "repair", "-since", "2999-01-01T00:00:00Z")
	f("-max-holes 0: must be from 1", "repair", "-max-holes", "0")
	f("-rest-weight-budget 2", "repair", "-rest-weight-budget", "2")
}

func TestPortInUseEndsInOneSentence(t *testing.T) {
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	c, lines := start(t, "-http", taken.Addr().String(), "-log-level", "error")
	if code, said := status(t, c, lines); code != exitFailed || len(said) != 1 || !strings.Contains(said[0], "address already in use") {
		t.Errorf("status %d, said %q", code, said)
	}
}

// Flags win over the environment, which wins over the defaults.
func TestPrintConfig(t *testing.T) {
	c := exec.Command(os.Args[0], "-print-config", "-commit-interval", "7ms")
	c.Env = append(os.Environ(), asStreamer+"=1", "STREAMER_COMMIT_INTERVAL=9ms", "STREAMER_SYMBOLS=solusdt,xrpusdt",
		"STREAMER_KAFKA_SASL=PLAIN", "STREAMER_KAFKA_USER=ann", "STREAMER_KAFKA_PASSWORD=hidden")
	out, err := c.Output()
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"-commit-interval=7ms\n", "-symbols=solusdt,xrpusdt\n", "-ping-interval=3m0s\n"} {
		if !strings.Contains(string(out), want) {
			t.Errorf("-print-config lacks %q:\n%s", want, out)
		}
	}
	if strings.Contains(string(out), "hidden") {
		t.Errorf("-print-config prints a password:\n%s", out)
	}
}

// The check says a line about each thing on standard output, and its status
// says whether one failed.
func TestCheck(t *testing.T) {
	c := exec.Command(os.Args[0], "check", "-timeout", "2s", "-ws-url", "ws://127.0.0.1:1", "-rest-url", "http://127.0.0.1:1",
		"-kafka-brokers", "127.0.0.1:1", "-schema-registry-url", "http://127.0.0.1:1")
	c.Env = append(os.Environ(), asStreamer+"=1")
	out, err := c.Output()
	if code := c.ProcessState.ExitCode(); code != exitFailed {
		t.Errorf("status %d, %v", code, err)
	}
	for _, want := range []string{"FAILED stream 127.0.0.1:1: connect", "FAILED Kafka: ", "FAILED schema of "} {
		if !strings.Contains(string(out), want) {
			t.Errorf("it does not say %q:\n%s", want, out)
		}
	}
}

// The first signal drains, and the second ends at once, here when the drain
// cannot finish because Kafka does not answer.
func TestSignals(t *testing.T) {
	market, err := fakebinance.NewMarket(fakebinance.MarketOptions{Seed: 7, Symbols: []string{"BTCUSDT"}, Rate: 50, Start: time.Now()})
	if err != nil {
		t.Fatal(err)
	}
	exchange, err := fakebinance.New(fakebinance.Options{Source: market, Seed: 7, TLS: true})
	if err != nil {
		t.Fatal(err)
	}
	defer exchange.Close()
	exchange.Start()
	ca := filepath.Join(t.TempDir(), "ca.pem")
	if err := os.WriteFile(ca, exchange.CertPEM(), 0o600); err != nil {
		t.Fatal(err)
	}
	registry := srfake.New()
	defer registry.Close()
	cluster, err := kfake.NewCluster(kfake.NumBrokers(1))
	if err != nil {
		t.Fatal(err)
	}
	defer cluster.Close()
	args := []string{"-symbols", "btcusdt", "-ws-url", exchange.WebSocketURL(), "-rest-url", exchange.RESTURL(), "-tls-ca-file", ca,
		"-kafka-brokers", strings.Join(cluster.ListenAddrs(), ","), "-schema-registry-url", registry.URL(), "-http", "127.0.0.1:0", "-drain-timeout", "1m"}

	c, lines := start(t, args...)
	until(t, lines, "session opened")
	if err := c.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	until(t, lines, "drained")
	if code, said := status(t, c, lines); code != 0 {
		t.Errorf("status %d after a drain: %q", code, said)
	}

	// Kafka takes records and never says so: there is something in hand.
	waiting := make(chan struct{}, 1)
	cluster.ControlKey(int16(kmsg.Produce), func(kmsg.Request) (kmsg.Response, error, bool) {
		cluster.KeepControl()
		select {
		case waiting <- struct{}{}:
		default:
		}
		return nil, nil, true
	})
	c, lines = start(t, args...)
	until(t, lines, "owns the partition")
	select {
	case <-waiting:
	case <-time.After(30 * time.Second):
		t.Fatal("nothing was written within 30s")
	}
	if err := c.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	until(t, lines, "draining")
	began := time.Now()
	if err := c.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	code, said := status(t, c, lines)
	if code != exitFailed || time.Since(began) > 10*time.Second {
		t.Errorf("status %d after %v: %q", code, time.Since(began), said)
	}
	if last := fmt.Sprint(said); !strings.Contains(last, "second signal") || strings.Contains(last, "goroutine ") {
		t.Errorf("said %q", said)
	}
}
