package testbed

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"
)

// start runs this test binary in a role; the test ends with it gone.
func start(t *testing.T, role string, settings map[string]string) *Local {
	t.Helper()
	all := map[string]string{"SUBJECT_ROLE": role}
	for name, value := range settings {
		all[name] = value
	}
	p, err := StartLocal(Command{
		Name: role, Args: []string{os.Args[0]}, Env: Environment(all), LogPath: filepath.Join(t.TempDir(), role+".log"),
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(p.Kill)
	return p
}

// eventually waits for a condition with a deadline.
func eventually(t *testing.T, what string, condition func() bool) {
	t.Helper()
	for deadline := time.Now().Add(10 * time.Second); !condition(); {
		if time.Now().After(deadline) {
			t.Fatalf("not within 10 s: %s", what)
		}
		time.Sleep(10 * time.Millisecond)
	}
}

func said(p *Local, what string) func() bool {
	return func() bool { return strings.Contains(strings.Join(p.Tail(), "\n"), what) }
}

func gone(pid int) func() bool {
	return func() bool { // a zombie that nobody reaped yet is gone as well
		state, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
		return err != nil || strings.Contains(string(state), ") Z ")
	}
}

func TestTerminateLetsASubjectDrain(t *testing.T) {
	p := start(t, "polite", nil)
	eventually(t, "it plays", said(p, "playing polite"))
	exit := p.Terminate(10 * time.Second)
	if !exit.Clean() || exit.Text != "exit status 0" {
		t.Errorf("exit %+v, want a clean one", exit)
	}
	if !said(p, "drained")() {
		t.Errorf("its log ends with %q, want what it said while draining", p.Tail())
	}
}

func TestTerminateKillsWhoDoesNotEnd(t *testing.T) {
	p := start(t, "stubborn", nil)
	eventually(t, "it plays", said(p, "playing stubborn"))
	began := time.Now()
	exit := p.Terminate(300 * time.Millisecond)
	if exit.Clean() || !exit.Forced || exit.Text != "signal: killed" {
		t.Errorf("exit %+v, want a forced one", exit)
	}
	if waited := time.Since(began); waited < 300*time.Millisecond || waited > 5*time.Second {
		t.Errorf("killed after %s, want a little more than 300ms", waited)
	}
	if !gone(p.PID())() {
		t.Error("it was killed and not reaped")
	}
}

func TestPauseHoldsAProcessAndResumeLetsItGo(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("reads /proc")
	}
	p := start(t, "polite", nil)
	eventually(t, "it plays", said(p, "playing polite"))
	state := func(want string) func() bool {
		return func() bool {
			stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", p.PID()))
			return err == nil && strings.Contains(string(stat), ") "+want+" ")
		}
	}
	if err := p.Pause(); err != nil {
		t.Fatal(err)
	}
	eventually(t, "it is stopped", state("T"))
	if err := p.Resume(); err != nil {
		t.Fatal(err)
	}
	eventually(t, "it goes on", func() bool { return !state("T")() })
	if exit := p.Terminate(10 * time.Second); !exit.Clean() {
		t.Errorf("exit %+v after a pause, want a clean one", exit)
	}
	if err := p.Pause(); err == nil {
		t.Error("a process that has ended was stopped")
	}
}

func TestKillTakesTheWholeGroup(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("reads /proc")
	}
	for _, end := range []func(*Local){(*Local).Kill, func(p *Local) { p.Terminate(5 * time.Second) }} {
		p := start(t, "parent", nil)
		var child int
		eventually(t, "it has a child", func() bool { return childOf(p.Tail(), &child) })
		end(p)
		eventually(t, "its child is gone", gone(child))
	}
}

func childOf(lines []string, pid *int) bool {
	for _, line := range lines {
		if n, _ := fmt.Sscanf(line, "child %d", pid); n == 1 {
			return true
		}
	}
	return false
}

func TestASubjectDiesWithTheHarness(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("only Linux can do that")
	}
	log := filepath.Join(t.TempDir(), "orphan.log")
	harness := start(t, "harness", map[string]string{"ORPHAN_LOG": log})
	var orphan int
	eventually(t, "the harness has a subject", func() bool { return childOf(harness.Tail(), &orphan) })
	t.Cleanup(func() { _ = syscall.Kill(orphan, syscall.SIGKILL) })
	// The process alone, not its group: what is to end the orphan is its death.
	if err := syscall.Kill(harness.PID(), syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the orphan is gone", gone(orphan))
}

func TestFindProgram(t *testing.T) {
	notExecutable := filepath.Join(t.TempDir(), "notes.txt")
	if err := os.WriteFile(notExecutable, nil, 0o644); err != nil {
		t.Fatal(err)
	}
	f := func(args []string, want string) {
		t.Helper()
		_, err := FindProgram(args)
		if err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "\n") {
			t.Errorf("FindProgram(%q): %v, want one sentence with %q", args, err, want)
		}
	}
	f(nil, "command line is empty")
	f([]string{"bin/no-such-streamer"}, "bin/no-such-streamer cannot be run: no such file or directory")
	f([]string{"no-such-streamer-in-path"}, "no-such-streamer-in-path cannot be run")
	f([]string{notExecutable}, "permission denied")
	if path, err := FindProgram([]string{os.Args[0]}); err != nil || !filepath.IsAbs(path) {
		t.Errorf("FindProgram(this test) = %q, %v", path, err)
	}
}

func TestStartLocalRefusesWhatIsNoProgram(t *testing.T) {
	path := filepath.Join(t.TempDir(), "garbage")
	if err := os.WriteFile(path, []byte("\x7fELF but no more"), 0o755); err != nil {
		t.Fatal(err)
	}
	if _, err := StartLocal(Command{Name: "garbage", Args: []string{path}, LogPath: path + ".log"}); err == nil {
		t.Fatal("it started")
	}
}

func TestTailOfALongLog(t *testing.T) {
	path := filepath.Join(t.TempDir(), "long.log")
	var text strings.Builder
	for i := range 100_000 {
		fmt.Fprintf(&text, "line %d\n", i)
	}
	if err := os.WriteFile(path, []byte(text.String()), 0o644); err != nil {
		t.Fatal(err)
	}
	lines, err := lastLines(path)
	if err != nil || len(lines) != tailLines || lines[tailLines-1] != "line 99999" {
		t.Errorf("last lines %q, %v", lines, err)
	}
}

func TestReadingOfAProcess(t *testing.T) {
	p := start(t, "polite", nil)
	eventually(t, "it plays", said(p, "playing polite"))
	reading, err := p.Reading(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if reading.RSSBytes < 1<<20 || reading.VMSBytes < reading.RSSBytes || reading.Threads < 1 || reading.OpenFiles < 3 {
		t.Errorf("reading %+v is not that of a Go process", reading)
	}
	p.Kill()
	if _, err := p.Reading(t.Context()); err == nil {
		t.Error("a process that is gone has a reading")
	}
}

func TestEnvironmentIsMinimal(t *testing.T) {
	t.Setenv("STREAMER_SYMBOLS", "FROMTHESHELL")
	t.Setenv("HTTPS_PROXY", "http://proxy.invalid")
	env := strings.Join(Environment(map[string]string{"STREAMER_TOPIC": "t"}), "\n")
	if strings.Contains(env, "FROMTHESHELL") || strings.Contains(env, "HTTPS_PROXY") {
		t.Errorf("the shell leaks into %q", env)
	}
	if !strings.Contains(env, "STREAMER_TOPIC=t") || !strings.Contains(env, "PATH=") {
		t.Errorf("something is missing in %q", env)
	}
}

func TestWaitReady(t *testing.T) {
	f := func(role string, within time.Duration) error {
		address, err := freePort()
		if err != nil {
			t.Fatal(err)
		}
		p := start(t, role, map[string]string{"STREAMER_HTTP": address})
		endpoints := NewEndpoints(address)
		defer endpoints.Close()
		return waitReady(t.Context(), p, endpoints, within)
	}
	if err := f("polite", 10*time.Second); err != nil {
		t.Errorf("polite: %v", err)
	}
	var notReady *NotReadyError
	if err := f("unready", time.Second); !errors.As(err, &notReady) || notReady.Exit != nil || !strings.Contains(err.Error(), "no broker") {
		t.Errorf("unready: %v, want a NotReadyError with the reason that it gave", err)
	}
	if err := f("failing", 10*time.Second); !errors.As(err, &notReady) || notReady.Exit == nil ||
		!strings.Contains(err.Error(), "exit status 3") || !strings.Contains(err.Error(), "a slash is not allowed") {
		t.Errorf("failing: %v, want a NotReadyError with its status and last words", err)
	}
}

func TestEndpoints(t *testing.T) {
	address, err := freePort()
	if err != nil {
		t.Fatal(err)
	}
	p := start(t, "polite", map[string]string{"STREAMER_HTTP": address})
	endpoints := NewEndpoints(address)
	defer endpoints.Close()
	if err := waitReady(t.Context(), p, endpoints, 10*time.Second); err != nil {
		t.Fatal(err)
	}
	metrics, err := endpoints.Metrics(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if metrics.HeapLiveBytes != 1_500_000 || metrics.Goroutines != 12 {
		t.Errorf("metrics %+v", metrics)
	}
	if len(metrics.Counters) != 1 || metrics.Counters["binance_messages_received_total"] != 42 {
		t.Errorf("counters %v, want those of the fixed list that are served, summed over labels", metrics.Counters)
	}
	path := filepath.Join(t.TempDir(), "profiles", "heap.pb.gz")
	if err := endpoints.SaveProfile(t.Context(), "heap", path); err != nil {
		t.Error(err)
	}
	if text, err := os.ReadFile(path); err != nil || string(text) != "profile" {
		t.Errorf("profile %q, %v", text, err)
	}
	if err := endpoints.SaveProfile(t.Context(), "goroutine", path+"2"); err == nil {
		t.Error("a profile that is not served was saved")
	}
	cancelled, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := endpoints.Metrics(cancelled); err == nil {
		t.Error("metrics were read without waiting for an answer")
	}
}
