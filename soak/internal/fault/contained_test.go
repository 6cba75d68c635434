package fault

import (
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"steadfeed/soak"
	"steadfeed/soak/internal/testbed"
)

// Each fault of containers takes effect, proves it, and heals, in a stack of
// which every part is our registry, a small server that serves HTTP.
func TestContainedFaults(t *testing.T) {
	if os.Getenv("STEADFEED_CONTAINERS") == "" {
		t.Skip("it takes Docker, images and half a minute: make test-containers")
	}
	file, err := filepath.Abs("../testbed/stack/testdata/stack.yml")
	if err != nil {
		t.Fatal(err)
	}
	t.Setenv("TESTCONTAINERS_RYUK_DISABLED", "true")
	plan := smokeLike()
	plan.Name, plan.Symbols = "contained", []string{"BTCUSDT"}
	plan.Traffic.Rate = 1
	plan.Subject.Name, plan.Subject.Command = "registry", []string{"steadfeed/registry:dev", "-listen", ":8081"}
	plan.Containers = &soak.Containers{CPUs: 0.5, MemoryMB: 64, Project: "steadfeed-fault-test", Compose: file}
	dir := t.TempDir()
	bed, err := testbed.Up(t.Context(), plan, dir, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := bed.Close(); err != nil {
			t.Error(err)
		}
	}()
	if err := bed.StartSubject(t.Context()); err != nil {
		t.Fatal(err)
	}
	web := http.Client{Timeout: 200 * time.Millisecond, Transport: &http.Transport{DisableKeepAlives: true}}
	busy := func(url string) { // so that it wants more of a CPU than a squeeze gives
		if response, err := web.Get(url); err == nil {
			response.Body.Close()
		}
	}
	pace, err := timingOf(plan.Subject, 0)
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range append([]Fault{kill}, Contained...) {
		in := f.injection(stream(1, f.Name), pace)
		in.Name, in.For = "1-"+f.Name, soak.Duration(1500*time.Millisecond)
		if f.Name == squeezeMemory.Name {
			in.Settings["memory_mb"] = "32" // of 64
		}
		if f.Name == squeezeCPU.Name {
			in.Settings["cpus"] = "0.01"
		}
		begun, err := Begin(bed, in)
		if err != nil {
			t.Errorf("%s: %v", f.Name, err)
			continue
		}
		for waiting := true; waiting; {
			select {
			case <-begun.Done():
				waiting = false
			default:
				busy(bed.Store.RegistryURL() + "/subjects")
				_, _ = bed.Endpoints().Metrics(t.Context())
			}
		}
		if e := begun.End(); !e.Proven {
			t.Errorf("%s was not proven: %s", f.Name, e.Text)
		} else {
			t.Logf("%s: %s", f.Name, e.Text)
		}
		for what, url := range map[string]string{"the registry": bed.Store.RegistryURL(), "the broker": "http://" + bed.Store.Brokers()[0]} {
			if err := awaitAnswer(&web, url); err != nil {
				t.Errorf("%s after %s: %v", what, f.Name, err)
			}
		}
	}
	if err := bed.WaitReady(t.Context(), time.Second); err == nil || !strings.Contains(err.Error(), "404") {
		t.Errorf("the subject is not there after all that: %v", err)
	}
}

// awaitAnswer waits for a server that has just been given back.
func awaitAnswer(web *http.Client, url string) error {
	deadline := time.Now().Add(10 * time.Second)
	for {
		response, err := web.Get(url + "/subjects")
		if err == nil {
			return response.Body.Close()
		}
		if time.Now().After(deadline) {
			return err
		}
	}
}

// Where nothing is in a container, the faults of containers say so.
func TestContainedFaultsNeedContainers(t *testing.T) {
	bed := &testbed.Testbed{Store: nowhere{}}
	for _, f := range []Fault{freeze, cutOff, squeezeCPU, squeezeMemory, brokerRestart, registryDown} {
		in := f.injection(stream(1, f.Name), timing{})
		in.Name = "1-" + f.Name
		if _, err := Begin(bed, in); err == nil || !strings.Contains(err.Error(), testbed.ErrNotContained.Error()) {
			t.Errorf("%s without containers: %v, want that it is in none", f.Name, err)
		}
	}
}

type nowhere struct{}

func (nowhere) Brokers() []string   { return nil }
func (nowhere) RegistryURL() string { return "" }
