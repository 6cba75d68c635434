package main

import (
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"strings"
	"sync/atomic"
	"testing"
)

// -health has the exit status of the answer of whoever serves -http, also when
// that is an address for all interfaces.
func TestHealth(t *testing.T) {
	var status atomic.Int32
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/healthz" {
			w.WriteHeader(http.StatusNotFound)
			return
		}
		w.WriteHeader(int(status.Load()))
		_, _ = w.Write([]byte("stuck for 61s\n"))
	}))
	address := server.Listener.Addr().String()
	f := func(want int, says, http string) {
		t.Helper()
		c := exec.Command(os.Args[0], "-health")
		c.Env = append(os.Environ(), asStreamer+"=1", "STREAMER_HTTP="+http)
		out, err := c.CombinedOutput()
		if code := c.ProcessState.ExitCode(); code != want || !strings.Contains(string(out), says) {
			t.Errorf("status %d (%v), said %q; want %d and %q", code, err, out, want, says)
		}
	}
	status.Store(http.StatusOK)
	f(0, "", address)
	f(0, "", address[strings.LastIndex(address, ":"):])
	f(0, "", "0.0.0.0"+address[strings.LastIndex(address, ":"):])
	status.Store(http.StatusServiceUnavailable)
	f(exitFailed, "stuck for 61s", address)
	server.Close()
	f(exitFailed, "connection refused", address)
}
