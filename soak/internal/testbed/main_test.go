package testbed

import (
	"cmp"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"os/signal"
	"syscall"
	"testing"
	"time"

	"go.uber.org/goleak"
)

// TestMain lets the test binary play the subject: with SUBJECT_ROLE in its
// environment it is a small process that behaves as the role says.
func TestMain(m *testing.M) {
	if role := os.Getenv("SUBJECT_ROLE"); role != "" {
		play(role)
		return
	}
	goleak.VerifyTestMain(m)
}

func play(role string) {
	terminate := make(chan os.Signal, 1)
	signal.Notify(terminate, syscall.SIGTERM)
	fmt.Println("playing", role) // from now on a signal is heard
	switch role {
	case "polite": // drains and ends well
		serveReady(http.StatusOK)
		<-terminate
		fmt.Println("drained")
	case "stubborn": // ignores SIGTERM
		serveReady(http.StatusOK)
		for {
			<-terminate
			fmt.Println("not yet")
		}
	case "unready":
		serveReady(http.StatusServiceUnavailable)
		<-terminate
	case "parent": // leaves a child behind
		child := exec.Command(os.Args[0])
		child.Env = append(os.Environ(), "SUBJECT_ROLE=stubborn", "STREAMER_HTTP=")
		if err := child.Start(); err != nil {
			fmt.Println(err)
			os.Exit(1)
		}
		fmt.Println("child", child.Process.Pid)
		<-terminate
	case "harness": // starts a subject and is then killed with -9
		p, err := StartLocal(Command{Name: "orphan", Args: []string{os.Args[0]}, LogPath: os.Getenv("ORPHAN_LOG"),
			Env: []string{"SUBJECT_ROLE=stubborn"}})
		if err != nil {
			fmt.Println(err)
			os.Exit(1)
		}
		fmt.Println("child", p.PID())
		time.Sleep(time.Minute)
	case "failing":
		fmt.Println("symbol BTC/USDT: a slash is not allowed")
		os.Exit(3)
	}
}

// serveReady answers on STREAMER_HTTP as a streamer does.
func serveReady(status int) {
	address := os.Getenv("STREAMER_HTTP")
	if address == "" {
		return
	}
	mux := http.NewServeMux()
	mux.HandleFunc("/readyz", func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(status)
		fmt.Fprintln(w, cmp.Or(os.Getenv("SUBJECT_SAYS"), "kafka: no broker"))
	})
	mux.HandleFunc("/healthz", func(http.ResponseWriter, *http.Request) {})
	mux.HandleFunc("/status", func(w http.ResponseWriter, _ *http.Request) {
		fmt.Fprint(w, `{"version":"1","partitions":[0,4]}`)
	})
	mux.HandleFunc("/metrics", func(w http.ResponseWriter, _ *http.Request) {
		fmt.Fprint(w, `# TYPE go_gc_heap_live_bytes gauge
go_gc_heap_live_bytes 1.5e+06
# TYPE go_goroutines gauge
go_goroutines 12
# TYPE binance_messages_received_total counter
binance_messages_received_total{symbol="BTCUSDT"} 40
binance_messages_received_total{symbol="ETHUSDT"} 2
# TYPE kafka_produce_duration_seconds histogram
kafka_produce_duration_seconds_bucket{le="+Inf"} 3
kafka_produce_duration_seconds_sum 1
kafka_produce_duration_seconds_count 3
# TYPE somebody_elses_total counter
somebody_elses_total 9
`)
	})
	mux.HandleFunc("/debug/pprof/heap", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, "profile") })
	go http.ListenAndServe(address, mux) // ends with the process
}
