package kafka

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"net"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// certificate is one for 127.0.0.1 with a pool that trusts it: that of the
// standard library's test server.
func certificate(t *testing.T) (tls.Certificate, *x509.CertPool) {
	t.Helper()
	server := httptest.NewTLSServer(nil)
	defer server.Close()
	roots := x509.NewCertPool()
	roots.AddCert(server.Certificate())
	return server.TLS.Certificates[0], roots
}

// try makes a topic through a client of its own and returns what came of it.
func try(t *testing.T, s Security, brokers []string) error {
	t.Helper()
	client, err := kgo.NewClient(append(s.Options((&net.Dialer{}).DialContext), kgo.SeedBrokers(brokers...), kgo.RetryTimeout(time.Second))...)
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	ctx, cancel := context.WithTimeout(context.Background(), 3*time.Second)
	defer cancel()
	_, err = EnsureTopic(ctx, client, "made", 1, 1, nil)
	return s.Explain(err)
}

// Each mechanism that the fake broker has, over TLS: the right password is
// let in, a wrong one is told in words that name mechanism and user but not
// the password.
func TestAuthentication(t *testing.T) {
	pair, roots := certificate(t)
	for _, mechanism := range []string{Plain, ScramSHA256, ScramSHA512} {
		cluster, err := kfake.NewCluster(kfake.NumBrokers(1), kfake.EnableSASL(), kfake.Superuser(mechanism, "ann", "right"),
			kfake.TLS(&tls.Config{Certificates: []tls.Certificate{pair}}))
		if err != nil {
			t.Fatal(err)
		}
		defer cluster.Close()
		password := "wrong"
		s := Security{TLS: &tls.Config{RootCAs: roots}, Mechanism: mechanism, User: "ann", Secret: func() (string, error) { return password, nil }}
		err = try(t, s, cluster.ListenAddrs())
		if err == nil || !strings.Contains(err.Error(), `as user "ann" with `+mechanism) || strings.Contains(err.Error(), "wrong") {
			t.Errorf("%s, wrong password: %v", mechanism, err)
		}
		// The secret is asked for anew at the next authentication.
		password = "right"
		if err := try(t, s, cluster.ListenAddrs()); err != nil {
			t.Errorf("%s, right password: %v", mechanism, err)
		}
	}
}

// A real broker says why it refuses.
func TestRefusalIsExplained(t *testing.T) {
	cluster, err := kfake.NewCluster(kfake.NumBrokers(1), kfake.EnableSASL(), kfake.Superuser(Plain, "ann", "right"))
	if err != nil {
		t.Fatal(err)
	}
	defer cluster.Close()
	cluster.ControlKey(int16(kmsg.SASLAuthenticate), func(asked kmsg.Request) (kmsg.Response, error, bool) {
		cluster.KeepControl()
		answer := asked.ResponseKind().(*kmsg.SASLAuthenticateResponse)
		answer.ErrorCode = kerr.SaslAuthenticationFailed.Code
		answer.ErrorMessage = kmsg.StringPtr("invalid credentials")
		return answer, nil, true
	})
	s := Security{Mechanism: Plain, User: "ann", Secret: func() (string, error) { return "wrong", nil }}
	err = try(t, s, cluster.ListenAddrs())
	if !errors.Is(err, kerr.SaslAuthenticationFailed) || !strings.Contains(err.Error(), `authenticate to Kafka as user "ann" with PLAIN`) {
		t.Errorf("%v", err)
	}
}

// What does not fit together is told in one sentence.
func TestSecurityExplains(t *testing.T) {
	pair, roots := certificate(t)
	cluster := func(o ...kfake.Opt) []string {
		t.Helper()
		c, err := kfake.NewCluster(append(o, kfake.NumBrokers(1))...)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(c.Close)
		return c.ListenAddrs()
	}
	overTLS := cluster(kfake.TLS(&tls.Config{Certificates: []tls.Certificate{pair}}))
	mutual := cluster(kfake.TLS(&tls.Config{Certificates: []tls.Certificate{pair}, ClientAuth: tls.RequireAnyClientCert}))
	scram := cluster(kfake.EnableSASL(), kfake.Superuser(ScramSHA256, "ann", "right"))
	right := func() (string, error) { return "right", nil }
	f := func(what string, s Security, brokers []string, want string) {
		t.Helper()
		err := try(t, s, brokers)
		if want == "" && err != nil || want != "" && (err == nil || !strings.Contains(err.Error(), want)) {
			t.Errorf("%s: %v, want %q", what, err, want)
		}
	}
	f("TLS", Security{TLS: &tls.Config{RootCAs: roots}}, overTLS, "")
	f("unknown authority", Security{TLS: &tls.Config{RootCAs: x509.NewCertPool()}}, overTLS, "certificate signed by unknown authority")
	f("plain to TLS", Security{}, overTLS, "TLS")
	f("TLS to plain", Security{TLS: &tls.Config{RootCAs: roots}}, cluster(), "TLS")
	f("client certificate", Security{TLS: &tls.Config{RootCAs: roots, Certificates: []tls.Certificate{pair}}}, mutual, "")
	f("no client certificate", Security{TLS: &tls.Config{RootCAs: roots}}, mutual, "certificate")
	f("no authentication", Security{}, scram, "SASL")
	f("other mechanism", Security{Mechanism: Plain, User: "ann", Secret: right}, scram, `as user "ann" with PLAIN`)
	f("no secret", Security{Mechanism: Plain, User: "ann", Secret: func() (string, error) { return "", os.ErrNotExist }}, scram, "file does not exist")
	if err := (Security{}).Explain(nil); err != nil {
		t.Errorf("Explain(nil) = %v", err)
	}
}

// A token is read from where it is kept at each authentication.
func TestTokenIsReadEachTime(t *testing.T) {
	path := filepath.Join(t.TempDir(), "token")
	s := Security{Mechanism: OAuthBearer, Secret: func() (string, error) {
		content, err := os.ReadFile(path)
		return string(content), err
	}}
	if _, _, err := s.mechanism().Authenticate(context.Background(), ""); err == nil || !strings.Contains(err.Error(), OAuthBearer) {
		t.Errorf("without a token: %v", err)
	}
	for _, token := range []string{"first", "second"} {
		if err := os.WriteFile(path, []byte(token), 0o600); err != nil {
			t.Fatal(err)
		}
		_, said, err := s.mechanism().Authenticate(context.Background(), "")
		if err != nil || !strings.Contains(string(said), "Bearer "+token) {
			t.Errorf("%q, %v", said, err)
		}
	}
}
