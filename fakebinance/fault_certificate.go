package fakebinance

import (
	"crypto/tls"
	"fmt"
	"sync/atomic"
	"time"
)

var certificateKind = FaultKind{
	Name:  KindCertificate,
	About: "shows another certificate to new connections; those that are open go on",
	Settings: []FaultSetting{
		{"as", CertificateExpired, "self-signed, expired, wrong-name, unknown-authority or expiring"},
		{"life", "1m", "of an expiring one"},
	},
	start: func(i *Injection, s settings) (effect, error) {
		if i.server.authority == nil {
			return nil, fmt.Errorf("fault %s: the server serves no TLS", i.fault.Kind)
		}
		as, err := s.choice("as", CertificateSelfSigned, CertificateExpired, CertificateWrongName, CertificateUnknownAuthority, CertificateExpiring)
		if err != nil {
			return nil, err
		}
		life, err := s.duration("life", time.Second, certificateLife)
		if err != nil {
			return nil, err
		}
		return &badCertificate{atDoor: atDoor{i}, as: as, life: life}, nil
	},
}

// badCertificate is shown in place of the server's own.
type badCertificate struct {
	atDoor
	as    string
	life  time.Duration
	made  tls.Certificate
	err   error
	shown atomic.Int64
}

// begin makes the certificate: an expiring one lives from now on.
func (f *badCertificate) begin() {
	f.made, f.err = f.server.authority.certificate(f.as, f.server.host(), f.life)
	f.atDoor.begin()
}

func (f *badCertificate) show() (*tls.Certificate, error) {
	f.shown.Add(1)
	return &f.made, f.err
}

func (f *badCertificate) proof([]*session) (bool, string) {
	n := f.shown.Load()
	return n > 0, fmt.Sprintf("%s shown a certificate that is %s", plural(n, "connection"), f.as)
}
