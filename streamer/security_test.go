package streamer

import (
	"crypto/tls"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/twmb/franz-go/pkg/kfake"

	"steadfeed/streamer/internal/record"
)

// Each nonsense about credentials is told in one line with its flag.
func TestValidateSecurity(t *testing.T) {
	f := func(change func(*Config), want ...string) {
		t.Helper()
		c := DefaultConfig()
		change(&c)
		err := c.Validate()
		lines := 0
		if err != nil {
			lines = strings.Count(err.Error(), "\n") + 1
		}
		if lines != len(want) {
			t.Errorf("Validate = %v, want %q", err, want)
			return
		}
		for _, text := range want {
			if !strings.Contains(err.Error(), text) {
				t.Errorf("Validate = %v, want %q in it", err, text)
			}
		}
	}
	f(func(c *Config) { c.KafkaSASL = "KERBEROS" }, `-kafka-sasl "KERBEROS": must be PLAIN, SCRAM`)
	f(func(c *Config) { c.KafkaUser = "ann" }, "must name a mechanism")
	f(func(c *Config) { c.KafkaPassword = "x" }, "must name a mechanism")
	f(func(c *Config) { c.KafkaSASL = "PLAIN" }, "-kafka-user", "-kafka-password-file")
	f(func(c *Config) { c.KafkaSASL, c.KafkaUser, c.KafkaPassword = "PLAIN", "ann", "x" })
	f(func(c *Config) { c.KafkaSASL, c.KafkaUser, c.KafkaPasswordFile = "SCRAM-SHA-512", "ann", "file" })
	f(func(c *Config) {
		c.KafkaSASL, c.KafkaUser, c.KafkaPasswordFile, c.KafkaPassword = "PLAIN", "ann", "file", "x"
	}, "both set")
	f(func(c *Config) {
		c.KafkaSASL, c.KafkaUser, c.KafkaPassword, c.KafkaTokenFile = "PLAIN", "ann", "x", "file"
	}, "-kafka-token-file file: is not for PLAIN")
	f(func(c *Config) { c.KafkaSASL = "OAUTHBEARER" }, "-kafka-token-file")
	f(func(c *Config) { c.KafkaSASL, c.KafkaTokenFile = "OAUTHBEARER", "file" })
	f(func(c *Config) { c.KafkaSASL, c.KafkaTokenFile, c.KafkaUser = "OAUTHBEARER", "file", "ann" }, "not for OAUTHBEARER")
	f(func(c *Config) { c.KafkaTLSCert = "cert.pem" }, `-kafka-tls-key "": one without the other`)
	f(func(c *Config) { c.SchemaRegistryUser = "ann" }, "-schema-registry-user")
	f(func(c *Config) { c.SchemaRegistryPassword = "x" }, "-schema-registry-user")
	f(func(c *Config) { c.SchemaRegistryUser, c.SchemaRegistryPassword = "ann", "x" })
	f(func(c *Config) { c.SchemaRegistryCA = "ca.pem" }, "-schema-registry-ca ca.pem")
	f(func(c *Config) { c.SchemaRegistryURL = []string{"http://ann:hidden@registry:8081"} }, "-schema-registry-url (address): must not hold a user")
}

// A secret does not get out by any way of printing, nor with a complaint.
func TestSecretsAreNotPrinted(t *testing.T) {
	c := DefaultConfig()
	c.KafkaPassword, c.SchemaRegistryPassword = "hidden", "hidden"
	c.SchemaRegistryURL = []string{"http://ann:hidden@registry:8081"}
	complaint := c.Validate().Error()
	c.SchemaRegistryURL = nil
	asJSON, err := json.Marshal(struct{ Secret Secret }{c.KafkaPassword})
	if err != nil {
		t.Fatal(err)
	}
	for _, text := range []string{complaint, fmt.Sprint(c), fmt.Sprintf("%+v", c), fmt.Sprintf("%#v", c), string(asJSON), fmt.Sprintf("%q %s", c.KafkaPassword, c.KafkaPassword)} {
		if strings.Contains(text, "hidden") {
			t.Errorf("the secret is in %s", text)
		}
	}
}

// A file that is missing or wrong ends the start in one sentence.
func TestSecurityFiles(t *testing.T) {
	dir := t.TempDir()
	empty := filepath.Join(dir, "empty")
	if err := os.WriteFile(empty, []byte("\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	f := func(change func(*Config), want string) {
		t.Helper()
		c := DefaultConfig()
		change(&c)
		if _, err := c.kafkaSecurity(); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v, want %q", err, want)
		}
	}
	f(func(c *Config) {
		c.KafkaSASL, c.KafkaUser, c.KafkaPasswordFile = "PLAIN", "ann", filepath.Join(dir, "none")
	}, "-kafka-password-file: open")
	f(func(c *Config) { c.KafkaSASL, c.KafkaTokenFile = "OAUTHBEARER", empty }, "-kafka-token-file "+empty+": has 0 bytes")
	f(func(c *Config) { c.KafkaTLSCA = empty }, "-kafka-tls-ca "+empty+": there is no certificate in it")
	f(func(c *Config) { c.KafkaTLSCert, c.KafkaTLSKey = empty, empty }, "-kafka-tls-cert "+empty)
}

// loopbackCertificate is one for 127.0.0.1, that of the standard library's test
// server, and the file of an authority that vouches for it. It must be made
// outside a bubble.
func loopbackCertificate(t *testing.T) (certificates *tls.Config, caFile string) {
	t.Helper()
	server := httptest.NewTLSServer(nil)
	defer server.Close()
	caFile = filepath.Join(t.TempDir(), "ca.pem")
	if err := os.WriteFile(caFile, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: server.Certificate().Raw}), 0o600); err != nil {
		t.Fatal(err)
	}
	return &tls.Config{Certificates: server.TLS.Certificates}, caFile
}

// With TLS and passwords everywhere trades flow; a wrong password is said and
// waited for, and the right one is found without a restart.
func TestSecuredRun(t *testing.T) {
	certificates, ca := loopbackCertificate(t)
	password := filepath.Join(t.TempDir(), "password")
	write := func(text string) {
		t.Helper()
		if err := os.WriteFile(password, []byte(text+"\n"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write("wrong-hidden")
	synctest.Test(t, func(t *testing.T) {
		r := world(t, options{
			kafka: []kfake.Opt{kfake.EnableSASL(), kfake.Superuser("SCRAM-SHA-256", "ann", "right-hidden"), kfake.TLS(certificates)},
			registry: func(s *http.Server) {
				open := s.Handler
				s.TLSConfig = certificates
				s.Handler = http.HandlerFunc(func(w http.ResponseWriter, q *http.Request) {
					if user, secret, _ := q.BasicAuth(); user != "bob" || secret != "registry-hidden" {
						http.Error(w, `{"error_code":40101,"message":"who?"}`, http.StatusUnauthorized)
						return
					}
					open.ServeHTTP(w, q)
				})
			},
			config: func(c *Config) {
				c.KafkaTLSCA, c.KafkaSASL, c.KafkaUser, c.KafkaPasswordFile = ca, "SCRAM-SHA-256", "ann", password
				c.SchemaRegistryURL = []string{"https://" + registryAddr}
				c.SchemaRegistryCA, c.SchemaRegistryUser, c.SchemaRegistryPassword = ca, "bob", "registry-hidden"
			},
		})
		r.startStreamer()
		r.waitFor("refused", time.Minute, func() bool {
			return strings.Contains(r.log.String(), `as user \"ann\" with SCRAM-SHA-256`)
		})
		if code, why := r.get("/readyz"); code == http.StatusOK {
			t.Errorf("ready with a wrong password: %s", why)
		}
		write("right-hidden")
		r.waitFor("ready", time.Minute, func() bool { code, _ := r.get("/readyz"); return code == http.StatusOK })
		r.exchange.Start()
		r.waitFor("acknowledged", time.Minute, func() bool { return r.metric("kafka_messages_produced_total") > 10 })
		for _, path := range []string{"/status", "/metrics"} {
			if _, body := r.get(path); strings.Contains(body, "hidden") {
				t.Errorf("a secret is in %s", path)
			}
		}
		close(r.stop)
		if err := <-r.done; err != nil {
			t.Errorf("Run = %v; the log:\n%s", err, r.log)
		}
		if strings.Contains(r.log.String(), "hidden") {
			t.Errorf("a secret is in the log:\n%s", r.log)
		}
		r.close()
	})
}

// A registry that refuses the schema for good ends the start in one sentence.
func TestRefusedSchemaEndsTheStart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := world(t, options{registry: func(s *http.Server) {
			open := s.Handler
			s.Handler = http.HandlerFunc(func(w http.ResponseWriter, q *http.Request) {
				if q.Method == http.MethodPost && strings.HasSuffix(q.URL.Path, "/versions") {
					http.Error(w, `{"error_code":409,"message":"incompatible"}`, http.StatusConflict)
					return
				}
				open.ServeHTTP(w, q)
			})
		}})
		r.startStreamer()
		if err := <-r.done; !errors.Is(err, record.ErrRefused) || strings.Contains(err.Error(), "\n") {
			t.Errorf("Run = %v", err)
		}
		r.close()
	})
}
