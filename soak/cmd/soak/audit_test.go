package main

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/twmb/franz-go/pkg/kfake"

	"steadfeed/soak"
	"steadfeed/soak/internal/testbed"
)

// The command from its flags to its exit status: a topic in which something is
// wrong fails, and the run directory is as complete as that of any run.
func TestAuditOfATopic(t *testing.T) {
	t.Chdir(t.TempDir())
	backend, err := testbed.NewBackend(testbed.BackendOptions{})
	if err != nil {
		t.Fatal(err)
	}
	defer backend.Close()
	planted, err := backend.FillTopic(t.Context(), "filled", 100_000)
	if err != nil {
		t.Fatal(err)
	}
	audit := func(topic string, more ...string) (int, string) {
		var stdout, stderr bytes.Buffer
		args := append([]string{"soak", "audit", "-brokers", strings.Join(backend.Brokers(), ","), "-topic", topic,
			"-schema-registry-url", backend.RegistryURL(), "-rest-url", "none", "-seed", "3"}, more...)
		status := run(t.Context(), args, &stdout, &stderr)
		return status, stdout.String() + stderr.String()
	}
	if status, said := audit("filled"); status != soak.ExitFail || !strings.Contains(said, "1 lost, 1 duplicate, 1 disordered, 0 altered") {
		t.Errorf("status %d: %s", status, said)
	}
	if err := foundAll("runs", planted); err != nil {
		t.Error(err)
	}
	if err := foundAll("runs", planted[1:]); err == nil {
		t.Error("a finding too many was taken for what was planted")
	}
	for _, name := range []string{soak.PlanFile, soak.CourseFile, soak.LedgerFile, soak.VerdictFile, soak.ReportFile, soak.SummaryFile, soak.JUnitFile, soak.SamplesFile, soak.EventsFile} {
		if _, err := os.Stat(filepath.Join("runs", soak.Latest, name)); err != nil {
			t.Error(err)
		}
	}
	for _, again := range []struct {
		status  int
		command string
	}{{soak.ExitPass, "validate"}, {soak.ExitFail, "judge"}, {soak.ExitPass, "report"}} {
		var out bytes.Buffer
		if status := run(t.Context(), []string{"soak", again.command, filepath.Join("runs", soak.Latest)}, &out, &out); status != again.status {
			t.Errorf("soak %s: status %d: %s", again.command, status, &out)
		}
	}
	if status, said := audit("nowhere"); status != soak.ExitBroken || !strings.Contains(said, "nowhere") {
		t.Errorf("status %d: %s", status, said)
	}
}

// Kafka that wants to know who asks is told, and not with a password from the
// command line.
func TestAuditAuthenticates(t *testing.T) {
	t.Chdir(t.TempDir())
	cluster, err := kfake.NewCluster(kfake.NumBrokers(1), kfake.EnableSASL(), kfake.Superuser("SCRAM-SHA-256", "reader", "secret"),
		kfake.SeedTopics(1, "trades"))
	if err != nil {
		t.Fatal(err)
	}
	defer cluster.Close()
	audit := func() (int, string) {
		var out bytes.Buffer
		status := run(t.Context(), []string{"soak", "audit", "-brokers", strings.Join(cluster.ListenAddrs(), ","), "-topic", "trades",
			"-rest-url", "none", "-kafka-sasl", "scram-sha-256", "-kafka-user", "reader", "-kafka-password-file", "password"}, &out, &out)
		return status, out.String()
	}
	write := func(password string) {
		if err := os.WriteFile("password", []byte(password+"\n"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write("secret")
	if status, said := audit(); status != soak.ExitInconclusive { // the topic is empty
		t.Errorf("status %d: %s", status, said)
	}
	plan, err := os.ReadFile(filepath.Join("runs", soak.Latest, soak.PlanFile))
	if err != nil || bytes.Contains(plan, []byte("secret")) {
		t.Errorf("the plan: %s, %v", plan, err)
	}
	write("wrong")
	if status, said := audit(); status != soak.ExitBroken || !strings.Contains(said, "other credentials") {
		t.Errorf("status %d: %s", status, said)
	}
}
