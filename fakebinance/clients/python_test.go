package clients

import (
	"bufio"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

const (
	// pipTime bounds the installation: ccxt alone is some tens of MB.
	pipTime = 5 * time.Minute
	// pipTries: an index that can't be reached is known soon.
	pipTries = "1"
)

// The two are installed from the index that pip is set up for, into an
// environment of their own; CLIENTS_VENV names one that is kept for the next
// time.
func TestPython(t *testing.T) {
	if testing.Short() || os.Getenv("CLIENTS") == "" {
		t.Skip("installs python-binance and ccxt; run by make clients (CLIENTS=1)")
	}
	python := environment(t)
	for _, name := range []string{"python_binance", "ccxt"} {
		t.Run(name, func(t *testing.T) { testPython(t, python, "testdata/"+name+"_client.py") })
	}
}

// environment makes a virtual environment with both clients, and returns its
// Python.
func environment(t *testing.T) string {
	t.Helper()
	found, err := exec.LookPath("python3")
	if err != nil {
		t.Skip("no python3 on this machine")
	}
	place := os.Getenv("CLIENTS_VENV")
	if place == "" {
		place = t.TempDir()
	}
	python := filepath.Join(place, "bin", "python")
	ctx, cancel := context.WithTimeout(t.Context(), pipTime)
	defer cancel()
	if _, err := os.Stat(python); err != nil {
		if out, err := exec.CommandContext(ctx, found, "-m", "venv", place).CombinedOutput(); err != nil {
			t.Skipf("this Python makes no virtual environment: %v: %.300s", err, out)
		}
	}
	pip := exec.CommandContext(ctx, python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check",
		"--retries", pipTries, "--timeout", "15", "-r", "testdata/requirements.txt")
	if out, err := pip.CombinedOutput(); err != nil {
		t.Skipf("python-binance and ccxt could not be installed (no index within reach?): %v: %.500s", err, out)
	}
	return python
}

func testPython(t *testing.T, python, script string) {
	b := newBench(t)
	ctx, cancel := context.WithCancel(t.Context())
	client := exec.CommandContext(ctx, python, script, b.s.WebSocketURL(), b.s.RESTURL(), symbol)
	client.Env = append(os.Environ(), "NO_PROXY=127.0.0.1", "no_proxy=127.0.0.1")
	client.Stderr = os.Stderr
	out, err := client.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := client.Start(); err != nil {
		t.Fatal(err)
	}
	read := make(chan struct{})
	first := make(chan int64, 1) // row of history
	go func() {
		defer close(read)
		b.take(bufio.NewScanner(out), first)
	}()
	defer func() {
		cancel()
		<-read
		_ = client.Wait() // it was killed
	}()
	b.receive("at first", enough)
	select {
	case from := <-first:
		b.history(from, 500)
	case <-time.After(patience):
		t.Fatalf("no history within %s", patience)
	}
	b.comeBack()
}

// take reads what a script prints: a line for each trade, "stream" or "rest",
// its id, price, quantity, whether the buyer was the maker, and its time.
func (b *bench) take(lines *bufio.Scanner, first chan<- int64) {
	for lines.Scan() {
		var kind, maker string
		var got trade
		if _, err := fmt.Sscan(lines.Text(), &kind, &got.id, &got.price, &got.quantity, &maker, &got.tradedAt); err != nil {
			b.t.Log(lines.Text())
			continue
		}
		got.maker = strings.EqualFold(maker, "true")
		if kind == "stream" {
			b.got <- got
			continue
		}
		select {
		case first <- got.id:
		default:
		}
		b.rows <- got
	}
}
