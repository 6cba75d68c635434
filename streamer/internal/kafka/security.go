package kafka

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/sasl"
	"github.com/twmb/franz-go/pkg/sasl/oauth"
	"github.com/twmb/franz-go/pkg/sasl/plain"
	"github.com/twmb/franz-go/pkg/sasl/scram"
)

// Ways to authenticate (SASL mechanisms), as Kafka names them.
const (
	Plain       = "PLAIN"
	ScramSHA256 = "SCRAM-SHA-256"
	ScramSHA512 = "SCRAM-SHA-512"
	OAuthBearer = "OAUTHBEARER"
)

// Mechanisms are those that a Security can have.
var Mechanisms = []string{Plain, ScramSHA256, ScramSHA512, OAuthBearer}

// handshakeTimeout bounds a TLS handshake with a broker.
const handshakeTimeout = 10 * time.Second

// Security is how brokers are reached: the zero value is TCP without TLS and
// without authentication.
type Security struct {
	TLS       *tls.Config // nil: no TLS. Without a ServerName it takes the broker's
	Mechanism string      // one of Mechanisms; empty: no authentication
	User      string      // not for OAUTHBEARER
	// Secret is the password, or the token of OAUTHBEARER. It is asked for at
	// each authentication, so that a file that was replaced is used.
	Secret func() (string, error)
}

// Options are the client's options for these brokers: dial with TLS over it,
// and authentication.
func (s Security) Options(dial func(context.Context, string, string) (net.Conn, error)) []kgo.Opt {
	options := []kgo.Opt{kgo.Dialer(dialer(s.overTLS(dial)))}
	if mechanism := s.mechanism(); mechanism != nil {
		options = append(options, kgo.SASL(mechanism))
	}
	return options
}

// overTLS is dial with a TLS handshake after it, within the same context.
func (s Security) overTLS(dial func(context.Context, string, string) (net.Conn, error)) func(context.Context, string, string) (net.Conn, error) {
	if s.TLS == nil {
		return dial
	}
	return func(ctx context.Context, network, addr string) (net.Conn, error) {
		raw, err := dial(ctx, network, addr)
		if err != nil {
			return nil, err
		}
		config := s.TLS.Clone()
		if config.ServerName == "" {
			host, _, err := net.SplitHostPort(addr)
			if err != nil {
				raw.Close()
				return nil, err
			}
			config.ServerName = host
		}
		// A server that does not speak TLS answers nothing. Whoever asked must hear
		// that from here, and not that his own time was over.
		limit := handshakeTimeout
		if ends, ok := ctx.Deadline(); ok {
			limit = min(limit, time.Until(ends)/2)
		}
		ctx, cancel := context.WithTimeout(ctx, limit)
		defer cancel()
		conn := tls.Client(raw, config)
		if err := conn.HandshakeContext(ctx); err != nil {
			raw.Close()
			return nil, fmt.Errorf("TLS with %s: %w", addr, err)
		}
		return conn, nil
	}
}

// mechanism is nil when there is no authentication.
func (s Security) mechanism() sasl.Mechanism {
	secret := func() (string, error) {
		text, err := s.Secret()
		if err != nil {
			return "", s.named(err)
		}
		return text, nil
	}
	scrams := func(context.Context) (scram.Auth, error) {
		pass, err := secret()
		return scram.Auth{User: s.User, Pass: pass}, err
	}
	switch s.Mechanism {
	case Plain:
		return plain.Plain(func(context.Context) (plain.Auth, error) {
			pass, err := secret()
			return plain.Auth{User: s.User, Pass: pass}, err
		})
	case ScramSHA256:
		return scram.Sha256(scrams)
	case ScramSHA512:
		return scram.Sha512(scrams)
	case OAuthBearer:
		return oauth.Oauth(func(context.Context) (oauth.Auth, error) {
			token, err := secret()
			return oauth.Auth{Token: token}, err
		})
	}
	return nil
}

// Explain returns err with what to look at, where it is about authentication
// or about TLS that one side does not speak; the client's own text leaves that
// out. Any other error, nil too, comes back as it is.
func (s Security) Explain(err error) error {
	var first *kgo.ErrFirstReadEOF
	switch {
	case errors.Is(err, kerr.SaslAuthenticationFailed), errors.Is(err, kerr.UnsupportedSaslMechanism):
		return s.named(err)
	case errors.Is(err, io.EOF) && s.Mechanism != "" && !errors.As(err, &first):
		return fmt.Errorf("the broker closed the connection, as some do when they refuse who asks: %w", s.named(err))
	case errors.As(err, &first) && s.TLS == nil && s.Mechanism == "":
		return fmt.Errorf("the broker closed the connection at the first request; does it want TLS or SASL? %w", err)
	case errors.As(err, &first) && s.TLS == nil:
		return fmt.Errorf("the broker closed the connection at the first request; does it want TLS? %w", err)
	case errors.As(err, &first):
		return fmt.Errorf("the broker closed the connection at the first request; does it want SASL? %w", err)
	case err != nil && strings.Contains(err.Error(), "first record does not look like a TLS handshake"):
		return fmt.Errorf("the broker does not speak TLS at this port: %w", err)
	}
	return err
}

// named says who wanted to authenticate, and how. Never with what.
func (s Security) named(err error) error {
	if s.Mechanism == OAuthBearer {
		return fmt.Errorf("authenticate to Kafka with a token (%s): %w", s.Mechanism, err)
	}
	return fmt.Errorf("authenticate to Kafka as user %q with %s: %w", s.User, s.Mechanism, err)
}
