package streamer

import (
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"os"

	"golang.org/x/crypto/x509roots/fallback/bundle"
)

// tlsConfig is how the exchange's certificates are judged.
func (c *Config) tlsConfig() (*tls.Config, error) {
	config := &tls.Config{MinVersion: tls.VersionTLS12, InsecureSkipVerify: !c.TLSVerify}
	var err error
	if c.TLSCAFile != "" {
		config.RootCAs, err = readRoots("tls-ca-file", c.TLSCAFile)
	} else {
		config.RootCAs, err = defaultRoots()
	}
	return config, err
}

// registryTLS is how the schema registry's certificate is judged; nil when no
// registry is reached over TLS, so that no roots need to be in memory.
func (c *Config) registryTLS() (*tls.Config, error) {
	if !c.registryOverTLS() {
		return nil, nil
	}
	config := &tls.Config{MinVersion: tls.VersionTLS12}
	var err error
	if c.SchemaRegistryCA != "" {
		config.RootCAs, err = readRoots("schema-registry-ca", c.SchemaRegistryCA)
	} else {
		config.RootCAs, err = defaultRoots()
	}
	return config, err
}

// readRoots reads the authorities of the PEM file that flag names.
func readRoots(flag, path string) (*x509.CertPool, error) {
	pem, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("-%s: %w", flag, err)
	}
	roots := x509.NewCertPool()
	if !roots.AppendCertsFromPEM(pem) {
		return nil, fmt.Errorf("-%s %s: there is no certificate in it", flag, path)
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
