package streamer

import (
	"crypto/x509"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

func TestUntrustedCertificateIsRefused(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := world(t, options{config: func(c *Config) { c.TLSCAFile = "" }})
		r.startStreamer()
		time.Sleep(2 * time.Minute)
		if got := r.metric("binance_connection_status"); got != 0 {
			t.Error("connected to an exchange whose certificate nobody vouches for")
		}
		if text := r.log.String(); !strings.Contains(text, "certificate signed by unknown authority") || strings.Count(text, "no session") < 3 {
			t.Errorf("the log does not say why, or it gave up:\n%s", text)
		}
		if got := r.metric("binance_connection_errors_total"); got < 3 {
			t.Errorf("%v attempts in two minutes", got)
		}
		close(r.stop)
		if err := <-r.done; err != nil {
			t.Errorf("Run = %v", err)
		}
		r.close()
	})
}

func TestUnverifiedTLSIsLoud(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := world(t, options{rate: 1, config: func(c *Config) { c.TLSCAFile, c.TLSVerify, c.HeartbeatInterval = "", false, 2*time.Second }})
		r.start()
		if got := r.metric("binance_tls_verify"); got != 0 {
			t.Errorf("binance_tls_verify = %v", got)
		}
		time.Sleep(2*time.Hour + time.Minute)
		if n := strings.Count(r.log.String(), "NOT verified"); n != 3 {
			t.Errorf("said %d times in two hours, want 3: at the start and each hour", n)
		}
		r.finish(10 * time.Second)
	})
}

func TestCAFile(t *testing.T) {
	empty := filepath.Join(t.TempDir(), "empty.pem")
	if err := os.WriteFile(empty, []byte("nothing"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{empty, empty + ".missing"} {
		c := Config{TLSCAFile: path, TLSVerify: true}
		if _, err := c.tlsConfig(); err == nil || !strings.Contains(err.Error(), path) {
			t.Errorf("tlsConfig of %s = %v, want an error that names it", path, err)
		}
	}
}

// A machine without any roots of its own has Mozilla's.
func TestEmbeddedRoots(t *testing.T) {
	roots, err := embeddedRoots()
	if err != nil {
		t.Fatal(err)
	}
	if roots.Equal(x509.NewCertPool()) {
		t.Error("there is none")
	}
}
