package stack

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/moby/moby/client"
	"github.com/testcontainers/testcontainers-go"
)

// testProject is not the project of a run, which these tests must not touch.
const testProject = "steadfeed-stack-test"

// TestMain lets the test binary play a harness that brings a stack up and is
// then killed: STACK_ROLE is the compose file.
func TestMain(m *testing.M) {
	os.Setenv("TESTCONTAINERS_RYUK_DISABLED", "true")
	if file := os.Getenv("STACK_ROLE"); file != "" {
		s, err := Up(context.Background(), testOptions(file))
		if err == nil {
			_, err = s.StartSubject(context.Background(), nil)
		}
		fmt.Println("up:", err)
		time.Sleep(time.Minute) // to be killed meanwhile
		return
	}
	os.Exit(m.Run())
}

func testOptions(file string) Options {
	return Options{Project: testProject, File: file, Port: func() (string, error) {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			return "", err
		}
		defer l.Close()
		return l.Addr().String(), nil
	}}
}

// needsDocker skips where containers are not asked for.
func needsDocker(t *testing.T) (file string, engine *testcontainers.DockerClient) {
	t.Helper()
	if os.Getenv("STEADFEED_CONTAINERS") == "" {
		t.Skip("it takes Docker, images and half a minute: make test-containers")
	}
	engine, err := testcontainers.NewDockerClientWithOpts(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { engine.Close() })
	if _, err := engine.ImageInspect(t.Context(), "steadfeed/registry:dev"); err != nil {
		t.Fatalf("make images builds what this test starts: %v", err)
	}
	file, err = filepath.Abs("testdata/stack.yml")
	if err != nil {
		t.Fatal(err)
	}
	return file, engine
}

// left is how much of the test's project there is.
func left(t *testing.T, engine *testcontainers.DockerClient) (containers, networks, volumes int) {
	t.Helper()
	project := make(client.Filters).Add("label", "com.docker.compose.project="+testProject)
	c, err := engine.ContainerList(context.Background(), client.ContainerListOptions{All: true, Filters: project})
	if err != nil {
		t.Fatal(err)
	}
	n, err := engine.NetworkList(context.Background(), client.NetworkListOptions{Filters: project})
	if err != nil {
		t.Fatal(err)
	}
	v, err := engine.VolumeList(context.Background(), client.VolumeListOptions{Filters: project})
	if err != nil {
		t.Fatal(err)
	}
	return len(c.Items), len(n.Items), len(v.Items)
}

// A harness that is killed with -9 leaves its stack behind; the next removes it
// and whatever else has its label, and leaves nothing itself. While one runs,
// another does not start.
func TestLeftoversAreRemoved(t *testing.T) {
	file, engine := needsDocker(t)
	harness := exec.Command(os.Args[0])
	harness.Env = append(os.Environ(), "STACK_ROLE="+file)
	out, err := harness.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := harness.Start(); err != nil {
		t.Fatal(err)
	}
	said := ""
	for lines := bufio.NewScanner(out); lines.Scan(); {
		if said = lines.Text(); strings.HasPrefix(said, "up:") {
			break
		}
	}
	if said != "up: <nil>" {
		t.Errorf("the harness that is to be killed said %q", said)
	}
	if other, err := Up(t.Context(), testOptions(file)); err == nil || !strings.Contains(err.Error(), "another run") {
		t.Errorf("a second stack beside the first: %v", err)
		if err == nil {
			other.Close()
		}
	}
	harness.Process.Kill()
	go io.Copy(io.Discard, out)
	harness.Wait()
	if c, n, v := left(t, engine); c != 3 || n != 1 || v != 1 {
		t.Errorf("the killed harness left %d containers, %d networks and %d volumes, want 3, 1 and 1", c, n, v)
	}

	s, err := Up(t.Context(), testOptions(file))
	if err != nil {
		t.Fatal(err)
	}
	if c, n, v := left(t, engine); c != 2 || n != 1 || v > 1 {
		t.Errorf("%d containers, %d networks and %d volumes, want 2, 1 and at most 1 of the new stack", c, n, v)
	}
	if err := s.Close(); err != nil {
		t.Error(err)
	}
	if c, n, v := left(t, engine); c+n+v != 0 {
		t.Errorf("%d containers, %d networks and %d volumes are left", c, n, v)
	}
}

// A context that ends while the stack comes up leaves nothing either.
func TestCancelledUpLeavesNothing(t *testing.T) {
	file, engine := needsDocker(t)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if s, err := Up(ctx, testOptions(file)); err == nil {
		s.Close()
		t.Error("it came up")
	}
	if c, n, v := left(t, engine); c+n+v != 0 {
		t.Errorf("%d containers, %d networks and %d volumes are left", c, n, v)
	}
}

// Each trouble does what it says, and all is as before when it is over.
func TestTrouble(t *testing.T) {
	file, engine := needsDocker(t)
	s, err := Up(t.Context(), testOptions(file))
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
		if c, n, v := left(t, engine); c+n+v != 0 {
			t.Errorf("%d containers, %d networks and %d volumes are left", c, n, v)
		}
	}()
	c, err := s.StartSubject(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	answers := func() error {
		web := http.Client{Timeout: time.Second, Transport: &http.Transport{DisableKeepAlives: true}}
		response, err := web.Get("http://" + s.SubjectAddress() + "/subjects")
		if err != nil {
			return err
		}
		return response.Body.Close()
	}
	// A container that starts again takes a moment to listen.
	wantAnswer := func(after string) {
		t.Helper()
		deadline := time.Now().Add(10 * time.Second)
		for {
			err := answers()
			if err == nil {
				return
			}
			if time.Now().After(deadline) {
				t.Fatalf("after %s: %v", after, err)
			}
			time.Sleep(50 * time.Millisecond)
		}
	}
	wantAnswer("start")

	if err := c.Pause(); err != nil {
		t.Fatal(err)
	}
	if answers() == nil {
		t.Error("it answers while it is frozen")
	}
	before, err := c.UsageNow(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	after, err := c.UsageNow(t.Context())
	if err != nil || after.CPUSeconds != before.CPUSeconds {
		t.Errorf("frozen, it used %g s of CPU (%v)", after.CPUSeconds-before.CPUSeconds, err)
	}
	if err := c.Resume(); err != nil {
		t.Fatal(err)
	}
	wantAnswer("a pause")

	restore, err := c.CutOff()
	if err != nil {
		t.Fatal(err)
	}
	if answers() == nil {
		t.Error("it answers without a network")
	}
	if err := restore(); err != nil {
		t.Fatal(err)
	}
	wantAnswer("a cut")

	if restore, err = c.Squeeze(0.05, 32<<20); err != nil {
		t.Fatal(err)
	}
	if cpus, memory, err := c.Limits(t.Context()); err != nil || cpus != 0.05 || memory != 32<<20 {
		t.Errorf("squeezed to %g CPUs and %d bytes (%v)", cpus, memory, err)
	}
	if err := restore(); err != nil {
		t.Fatal(err)
	}
	if cpus, memory, err := c.Limits(t.Context()); err != nil || cpus != 0.5 || memory != 64<<20 {
		t.Errorf("after a squeeze it has %g CPUs and %d bytes (%v)", cpus, memory, err)
	}
	if kafka, err := s.Service(t.Context(), "kafka"); err != nil {
		t.Error(err)
	} else if _, err := kafka.Squeeze(0.05, 0); err == nil {
		t.Error("what has no limit was squeezed")
	}

	if err := c.Kill(); err != nil {
		t.Fatal(err)
	}
	if code, err := c.Code(); code != 137 || err != nil {
		t.Errorf("killed, it ended with %d (%v)", code, err)
	}
	if answers() == nil {
		t.Error("it answers and is dead")
	}
	if c, err = c.Again(); err != nil {
		t.Fatal(err)
	}
	wantAnswer("kill -9")
	if err := c.Stop(5 * time.Second); err != nil {
		t.Fatal(err)
	}
	if code, err := c.Code(); code != 0 || err != nil {
		t.Errorf("stopped, it ended with %d (%v)", code, err)
	}
}

// Three brokers are told of one another; one has nobody to be told of.
func TestCluster(t *testing.T) {
	one := &Stack{options: Options{}, ports: map[string]string{"KAFKA_PORT": "1"}}
	if variables := one.cluster(); len(variables) != 0 || fmt.Sprint(one.Brokers()) != "[127.0.0.1:1]" {
		t.Errorf("one broker at %v: %v", one.Brokers(), variables)
	}
	three := &Stack{options: Options{Brokers: 3}, ports: map[string]string{"KAFKA_PORT": "1", "KAFKA_2_PORT": "2", "KAFKA_3_PORT": "3"}}
	want := map[string]string{
		"KAFKA_VOTERS":   "1@kafka:9093,2@kafka-2:9093,3@kafka-3:9093",
		"SOAK_BROKERS":   "kafka:29092,kafka-2:29092,kafka-3:29092",
		"KAFKA_REPLICAS": "3",
		"KAFKA_IN_SYNC":  "2",
	}
	if variables := three.cluster(); !maps.Equal(variables, want) || fmt.Sprint(three.Brokers()) != "[127.0.0.1:1 127.0.0.1:2 127.0.0.1:3]" {
		t.Errorf("three brokers at %v: %v", three.Brokers(), variables)
	}
	if _, err := Up(t.Context(), Options{Brokers: 4}); err == nil {
		t.Error("there are no four brokers in the compose file")
	}
}
