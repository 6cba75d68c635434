package main

import (
	"bytes"
	"crypto/tls"
	"encoding/pem"
	"net/http/httptest"
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

// Kafka that wants TLS and to know who asks is given both, and not a password
// from the command line.
func TestAuditAuthenticates(t *testing.T) {
	t.Chdir(t.TempDir())
	certified := httptest.NewTLSServer(nil) // for its certificate
	defer certified.Close()
	authority := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: certified.Certificate().Raw})
	if err := os.WriteFile("ca.pem", authority, 0o644); err != nil {
		t.Fatal(err)
	}
	cluster, err := kfake.NewCluster(kfake.NumBrokers(1), kfake.TLS(&tls.Config{Certificates: certified.TLS.Certificates}), kfake.EnableSASL(), kfake.Superuser("SCRAM-SHA-256", "reader", "secret"),
		kfake.SeedTopics(1, "trades"))
	if err != nil {
		t.Fatal(err)
	}
	defer cluster.Close()
	audit := func(more ...string) (int, string) {
		var out bytes.Buffer
		status := run(t.Context(), append([]string{"soak", "audit", "-brokers", strings.Join(cluster.ListenAddrs(), ","), "-topic", "trades",
			"-rest-url", "none", "-kafka-sasl", "scram-sha-256", "-kafka-user", "reader", "-kafka-password-file", "password"}, more...), &out, &out)
		return status, out.String()
	}
	write := func(password string) {
		if err := os.WriteFile("password", []byte(password+"\n"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write("secret")
	if status, said := audit("-kafka-tls-ca", "ca.pem"); status != soak.ExitInconclusive { // the topic is empty
		t.Errorf("status %d: %s", status, said)
	}
	plan, err := os.ReadFile(filepath.Join("runs", soak.Latest, soak.PlanFile))
	if err != nil || bytes.Contains(plan, []byte("secret")) {
		t.Errorf("the plan: %s, %v", plan, err)
	}
	if status, said := audit("-kafka-tls"); status != soak.ExitBroken || !strings.Contains(said, "certificate") {
		t.Errorf("an authority that nobody trusts: status %d: %s", status, said)
	}
	write("wrong")
	if status, said := audit("-kafka-tls-ca", "ca.pem"); status != soak.ExitBroken || !strings.Contains(said, "other credentials") {
		t.Errorf("status %d: %s", status, said)
	}
}
