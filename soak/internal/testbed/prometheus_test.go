package testbed

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

// What a real Prometheus with the rules of this repository says is read: all
// rules by name, and an alert from when it fires until it does not.
func TestAlertsOfPrometheus(t *testing.T) {
	program, err := exec.LookPath("prometheus")
	if err != nil {
		t.Skip("there is no prometheus program here (Debian: apt-get install prometheus)")
	}
	if testing.Short() {
		t.Skip("it scrapes and evaluates for some seconds")
	}
	var hung atomic.Int64
	page := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		fmt.Fprintf(w, "binance_trades_lost_total{symbol=\"BTCUSDT\"} %d\n", hung.Load())
	}))
	defer page.Close()
	rules, err := filepath.Abs("../../../scripts/prometheus/steadfeed.rules.yml")
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	config := fmt.Sprintf("global: {scrape_interval: 200ms, scrape_timeout: 200ms, evaluation_interval: 200ms}\nrule_files: [%s]\n"+
		"scrape_configs: [{job_name: streamer, static_configs: [{targets: [%q]}]}]\n", rules, strings.TrimPrefix(page.URL, "http://"))
	if err := os.WriteFile(filepath.Join(dir, "prometheus.yml"), []byte(config), 0o644); err != nil {
		t.Fatal(err)
	}
	address, err := freePort()
	if err != nil {
		t.Fatal(err)
	}
	process, err := StartLocal(Command{Name: "prometheus", LogPath: filepath.Join(dir, "log"), Env: Environment(nil), Args: []string{
		program, "--config.file=" + filepath.Join(dir, "prometheus.yml"), "--storage.tsdb.path=" + filepath.Join(dir, "data"), "--web.listen-address=" + address}})
	if err != nil {
		t.Fatal(err)
	}
	defer process.Kill()
	p := NewPrometheus(address)
	defer p.Close()
	await := func(what string, is func(rules, firing []string) bool) {
		t.Helper()
		var last string
		for began := time.Now(); time.Since(began) < 30*time.Second; time.Sleep(50 * time.Millisecond) {
			rules, firing, err := p.Alerts(t.Context())
			var names []string
			for _, a := range firing {
				names = append(names, a.Name+" "+a.Labels["symbol"]+" "+a.Labels["severity"])
				if a.Labels["alertname"] != "" || time.Since(a.Began) > time.Minute {
					t.Fatalf("alert %+v", a)
				}
			}
			if last = fmt.Sprint(rules, names, err); err == nil && is(rules, names) {
				return
			}
		}
		t.Fatalf("not %s: %s; %v", what, last, process.Tail())
	}
	await("ten rules, none of which fires", func(rules, firing []string) bool { return len(rules) == 10 && len(firing) == 0 })
	hung.Store(3)
	await("firing", func(_, firing []string) bool { return slices.Contains(firing, "BinanceTradesLost BTCUSDT critical") })
}

// A Prometheus that is away, or answers something else, is an error.
func TestAlertsOfNobody(t *testing.T) {
	for status, body := range map[int]string{500: "", 200: "<html>", 503: "{}"} {
		server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(status)
			fmt.Fprint(w, body)
		}))
		p := NewPrometheus(strings.TrimPrefix(server.URL, "http://"))
		if _, _, err := p.Alerts(t.Context()); err == nil {
			t.Errorf("status %d with %q was taken for an answer", status, body)
		}
		p.Close()
		server.Close()
		if _, _, err := p.Alerts(t.Context()); err == nil {
			t.Error("an answer of nobody")
		}
	}
}
