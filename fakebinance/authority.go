package fakebinance

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"math/big"
	"net"
	"time"
)

// What a server's certificate can be.
const (
	CertificateGood             = "good"
	CertificateSelfSigned       = "self-signed"
	CertificateExpired          = "expired"           // an hour ago
	CertificateWrongName        = "wrong-name"        // of another host
	CertificateUnknownAuthority = "unknown-authority" // signed by one that nobody trusts
	CertificateExpiring         = "expiring"          // good at first, expired while the server runs
)

const (
	// certificateLife is longer than any run, in virtual time too.
	certificateLife = 10 * 365 * 24 * time.Hour
	// expiringLife is that of an expiring certificate that is there from the start.
	expiringLife = time.Minute
	// wrongName is what a certificate of another host is for.
	wrongName = "wrong.example"
)

// authority is a certificate authority for one server.
type authority struct {
	root *x509.Certificate
	key  *ecdsa.PrivateKey
}

func newAuthority() (*authority, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, fmt.Errorf("make authority key: %w", err)
	}
	now := time.Now()
	template := &x509.Certificate{
		SerialNumber:          big.NewInt(1),
		Subject:               pkix.Name{CommonName: "fakebinance authority"},
		NotBefore:             now.Add(-48 * time.Hour),
		NotAfter:              now.Add(certificateLife),
		KeyUsage:              x509.KeyUsageCertSign,
		IsCA:                  true,
		BasicConstraintsValid: true,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		return nil, fmt.Errorf("make authority: %w", err)
	}
	root, err := x509.ParseCertificate(der)
	if err != nil {
		return nil, fmt.Errorf("make authority: %w", err)
	}
	return &authority{root: root, key: key}, nil
}

// certificate makes one for a server on this machine, and for host when that is
// another name or address; life is that of an expiring one.
func (a *authority) certificate(as, host string, life time.Duration) (tls.Certificate, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return tls.Certificate{}, fmt.Errorf("make server key: %w", err)
	}
	now := time.Now()
	template := &x509.Certificate{
		SerialNumber: big.NewInt(2),
		Subject:      pkix.Name{CommonName: "fakebinance"},
		NotBefore:    now.Add(-time.Hour),
		NotAfter:     a.root.NotAfter,
		KeyUsage:     x509.KeyUsageDigitalSignature,
		ExtKeyUsage:  []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
		DNSNames:     []string{"localhost"},
		IPAddresses:  []net.IP{net.IPv4(127, 0, 0, 1), net.IPv6loopback},
	}
	if ip := net.ParseIP(host); ip != nil {
		template.IPAddresses = append(template.IPAddresses, ip)
	} else if host != "" && host != "localhost" {
		template.DNSNames = append(template.DNSNames, host)
	}
	parent, signer := a.root, a.key
	switch as {
	case "", CertificateGood:
	case CertificateSelfSigned:
		parent, signer = template, key
	case CertificateExpired:
		template.NotBefore, template.NotAfter = now.Add(-24*time.Hour), now.Add(-time.Hour)
	case CertificateWrongName:
		template.DNSNames, template.IPAddresses = []string{wrongName}, nil
	case CertificateUnknownAuthority:
		unknown, err := newAuthority()
		if err != nil {
			return tls.Certificate{}, err
		}
		parent, signer = unknown.root, unknown.key
	case CertificateExpiring:
		template.NotAfter = now.Add(life)
	default:
		return tls.Certificate{}, fmt.Errorf("certificate %q is none of %s, %s, %s, %s, %s, %s", as, CertificateGood, CertificateSelfSigned,
			CertificateExpired, CertificateWrongName, CertificateUnknownAuthority, CertificateExpiring)
	}
	der, err := x509.CreateCertificate(rand.Reader, template, parent, key.Public(), signer)
	if err != nil {
		return tls.Certificate{}, fmt.Errorf("make server certificate: %w", err)
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}, nil
}

func (a *authority) pem() []byte {
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: a.root.Raw})
}
