package scripts

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
)

// fakeDocker knows as many containers as have a file in $STATE: NAME.running.
// The address of NAME is in NAME.address, what it printed in NAME.log.
const fakeDocker = `#!/bin/bash
for last; do :; done
echo "$@" >>"$STATE/calls"
case "$1" in
image) exit 0 ;;
inspect)
	[ -f "$STATE/$last.running" ] || { echo; exit 1; }
	case "$3" in
	*State.Running*RestartCount*) echo "$(cat "$STATE/$last.running") 0" ;;
	*State.Running*) cat "$STATE/$last.running" ;;
	*State.ExitCode*) cat "$STATE/$last.exit" 2>/dev/null || echo 0 ;;
	*Config.Env*) printf 'STREAMER_HTTP=:9091\nSTREAMER_KAFKA_PASSWORD=hidden\nSTREAMER_INSTANCE_ID=x\n\n' ;;
	*Config.Cmd*) printf 'one\ntwo\n' ;;
	*Config.Labels*) printf 'mine=yes\norg.opencontainers.image.version=1\n' ;;
	*NetworkMode*) echo net ;;
	*ReadonlyRootfs*) echo true ;;
	*RestartPolicy*) echo no ;;
	*Health*) echo healthy ;;
	*) echo 0 ;;
	esac ;;
run)
	echo true >"$STATE/x-green.running"
	for ((i = 1; i < $#; i++)); do [ "${!i}" = --env-file ] && j=$((i + 1)) && cp "${!j}" "$STATE/settings"; done ;;
stop) echo false >"$STATE/$last.running" ;;
start) echo true >"$STATE/$last.running" ;;
rm) rm -f "$STATE/$last.running" ;;
port) cat "$STATE/$2.address" ;;
logs) cat "$STATE/$last.log" 2>/dev/null ;;
esac
exit 0
`

// A new streamer that does stays, and one that does not is taken back, for each
// of the reasons that the script looks for.
func TestDeployScript(t *testing.T) {
	for _, program := range []string{"bash", "curl", "awk"} {
		if _, err := exec.LookPath(program); err != nil {
			t.Skipf("there is no %s here", program)
		}
	}
	type green struct {
		ready  string // what it answers on /readyz when it is not ready; else it is
		rate   int64  // records more at each look
		memory string // line of the metrics
		log    string
		audit  string
	}
	f := func(name string, g green, status int, last, says string, calls, not []string) {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			state := t.TempDir()
			write := func(name, text string, mode os.FileMode) {
				t.Helper()
				if err := os.WriteFile(filepath.Join(state, name), []byte(text), mode); err != nil {
					t.Fatal(err)
				}
			}
			var produced atomic.Int64
			page := func(ready string) *httptest.Server {
				s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
					switch {
					case r.URL.Path == "/metrics":
						fmt.Fprintf(w, "kafka_messages_produced_total %d\n%s\n", produced.Add(g.rate), g.memory)
					case r.URL.Path == "/readyz" && ready != "":
						w.WriteHeader(http.StatusServiceUnavailable)
						fmt.Fprintln(w, ready)
					}
				}))
				t.Cleanup(s.Close)
				return s
			}
			write("docker", fakeDocker, 0o755)
			write("x-blue.running", "true\n", 0o644)
			write("x-blue.address", page("").Listener.Addr().String()+"\n", 0o644)
			write("x-green.address", page(g.ready).Listener.Addr().String()+"\n", 0o644)
			write("x-green.log", g.log, 0o644)
			command := exec.Command(script(t, "deploy-blue-green.sh"), "x-blue", "image")
			command.Env = append(os.Environ(), "PATH="+state+":"+os.Getenv("PATH"), "STATE="+state,
				"DEPLOY_WATCH=1", "DEPLOY_STANDBY=1", "DEPLOY_AUDIT="+g.audit)
			var said strings.Builder
			command.Stderr = &said
			out, _ := command.Output() // the status is looked at
			if got := command.ProcessState.ExitCode(); got != status || !strings.HasPrefix(string(out), last) || !strings.Contains(said.String(), says) {
				t.Errorf("status %d, %q, said\n%s\nwant %d, %q and %q", got, out, said.String(), status, last, says)
			}
			text, err := os.ReadFile(filepath.Join(state, "calls"))
			if err != nil {
				t.Fatal(err)
			}
			for _, call := range calls {
				if !strings.Contains(string(text), call) {
					t.Errorf("docker %s was not called", call)
				}
			}
			for _, call := range append(not, "hidden") { // a secret on a command line is seen by everybody
				if strings.Contains(string(text), call) {
					t.Errorf("docker %s was called", call)
				}
			}
			settings, err := os.ReadFile(filepath.Join(state, "settings"))
			if err != nil || string(settings) != "STREAMER_HTTP=:9091\nSTREAMER_KAFKA_PASSWORD=hidden\nSTREAMER_INSTANCE_ID=x-green\n" {
				t.Errorf("green was given %q, %v", settings, err)
			}
		})
	}
	good := green{rate: 100, memory: "process_memory_rss_bytes 2e+07"}
	with := func(change func(*green)) green { g := good; change(&g); return g }
	back := []string{"stop --time 40 x-blue", "start x-blue", "stop --time 40 x-green"}
	f("stays", good, 0, "deployed x-green 127.0.0.1:", "x-green stays",
		[]string{"stop --time 40 x-blue", "--network net", "--volumes-from x-blue", "--read-only", "--label mine=yes", "image one two"}, []string{"start x-blue", "opencontainers"})
	f("never stands by", with(func(g *green) { g.ready = "no: starting: Kafka" }), 1, "kept x-blue", "starting: Kafka", []string{"rm --force x-green"}, []string{"stop --time 40 x-blue"})
	f("stands by and never delivers", with(func(g *green) { g.ready = "no: standby: the others have all" }), 1, "kept x-blue", "not ready", back, nil)
	f("makes too little visible", with(func(g *green) { g.rate = 10 }), 1, "kept x-blue", "10 trades a second visible", back, nil)
	f("has too much memory", with(func(g *green) { g.memory = "process_memory_rss_bytes 4.1e+08" }), 1, "kept x-blue", "410 MB resident", back, nil)
	f("says nothing of memory", with(func(g *green) { g.memory = "" }), 1, "kept x-blue", "how much memory", back, nil)
	f("logs an error", with(func(g *green) { g.log = `{"level":"ERROR","msg":"trades lost"}` + "\n" }), 1, "kept x-blue", "trades lost", back, nil)
	f("leaves a gap", with(func(g *green) { g.audit = "false" }), 1, "kept x-blue", "audit of the topic", back, nil)
	f("leaves none", with(func(g *green) { g.audit = "true" }), 0, "deployed x-green", "", nil, nil)
}

func TestDeployScriptRefuses(t *testing.T) {
	if _, err := exec.LookPath("bash"); err != nil {
		t.Skip("there is no bash here")
	}
	for _, arguments := range [][]string{nil, {"a", "b", "c"}} {
		command := exec.Command(script(t, "deploy-blue-green.sh"), arguments...)
		if out, _ := command.CombinedOutput(); command.ProcessState.ExitCode() != 64 || !strings.Contains(string(out), "usage:") {
			t.Errorf("%v: %s, %q", arguments, command.ProcessState, out)
		}
	}
}
