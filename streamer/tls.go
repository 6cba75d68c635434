package streamer

import (
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"os"
	"strings"

	"golang.org/x/crypto/x509roots/fallback/bundle"
)

// tlsConfig is how the exchange's certificates are judged.
func (c *Config) tlsConfig() (*tls.Config, error) {
	config := &tls.Config{MinVersion: tls.VersionTLS12, InsecureSkipVerify: !c.TLSVerify}
	var err error
	if c.TLSCAFile != "" {
		config.RootCAs, err = readRoots(c.TLSCAFile)
	} else {
		config.RootCAs, err = defaultRoots()
	}
	return config, err
}

// registryTLS is how the schema registry's certificate is judged; nil when no
// registry is reached over TLS, so that no roots need to be in memory.
func (c *Config) registryTLS() (*tls.Config, error) {
	for _, address := range c.SchemaRegistryURL {
		if strings.HasPrefix(address, "https:") {
			roots, err := defaultRoots()
			return &tls.Config{MinVersion: tls.VersionTLS12, RootCAs: roots}, err
		}
	}
	return nil, nil
}

// readRoots reads the authorities of a PEM file.
func readRoots(path string) (*x509.CertPool, error) {
	pem, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("-tls-ca-file: %w", err)
	}
	roots := x509.NewCertPool()
	if !roots.AppendCertsFromPEM(pem) {
		return nil, fmt.Errorf("-tls-ca-file %s: there is no certificate in it", path)
	}
	return roots, nil
}

// defaultRoots are the system's, or Mozilla's where the system has none: in a
// container from scratch, for one. Those are kept out of memory otherwise,
// which is why the package that registers them by itself is not used.
func defaultRoots() (*x509.CertPool, error) {
	system, err := x509.SystemCertPool()
	if err == nil && !system.Equal(x509.NewCertPool()) {
		return system, nil
	}
	return embeddedRoots()
}

// embeddedRoots are the authorities that Mozilla trusts.
func embeddedRoots() (*x509.CertPool, error) {
	roots := x509.NewCertPool()
	for root := range bundle.Roots() {
		certificate, err := x509.ParseCertificate(root.Certificate)
		if err != nil {
			return nil, fmt.Errorf("embedded root certificates: %w", err)
		}
		if root.Constraint == nil {
			roots.AddCert(certificate)
		} else {
			roots.AddCertWithConstraint(certificate, root.Constraint)
		}
	}
	return roots, nil
}
