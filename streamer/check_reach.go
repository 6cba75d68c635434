package streamer

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"
)

// certificateWarning is how long before its end a certificate is worth a
// remark.
const certificateWarning = 14 * 24 * time.Hour

// reachURL is reach for the host of a URL. Behind a proxy there is nothing to
// reach directly.
func (k *checked) reachURL(ctx context.Context, c *Config, what, address string, config *tls.Config, proxy func(*http.Request) (*url.URL, error)) bool {
	u, err := url.Parse(address)
	if err != nil {
		k.fail(what+" "+address, err)
		return false
	}
	if proxy != nil {
		if via, err := proxy(&http.Request{URL: u}); err == nil && via != nil {
			k.note(what+" "+address, "through the proxy %s", via.Host)
			return true
		}
	}
	secure := u.Scheme == "https" || u.Scheme == "wss"
	if !secure {
		config = nil
	}
	host := u.Host
	if u.Port() == "" {
		port := "80"
		if secure {
			port = "443"
		}
		host = net.JoinHostPort(u.Hostname(), port)
	}
	return k.reach(ctx, c, what, host, config)
}

// reach resolves a name, connects, and judges the certificate, as far as there
// is one (config is nil without TLS).
func (k *checked) reach(ctx context.Context, c *Config, what, addr string, config *tls.Config) bool {
	what += " " + addr
	host, _, err := net.SplitHostPort(addr)
	if err != nil {
		k.fail(what, err)
		return false
	}
	ctx, cancel := context.WithTimeout(ctx, min(dialTimeout, remaining(ctx)/2))
	defer cancel()
	addresses, err := c.Resolve(ctx, host)
	if err != nil {
		k.fail(what, fmt.Errorf("name resolution: %w", err))
		return false
	}
	conn, err := c.Dial(ctx, "tcp", addr)
	if err != nil {
		k.fail(what, fmt.Errorf("connect (%s): %w", strings.Join(addresses, ", "), err))
		return false
	}
	defer conn.Close()
	if config == nil {
		k.ok(what, "connected (%s), no TLS", strings.Join(addresses, ", "))
		return true
	}
	config = config.Clone()
	if config.ServerName == "" {
		config.ServerName = host
	}
	secure := tls.Client(conn, config)
	if err := secure.HandshakeContext(ctx); err != nil {
		k.fail(what, fmt.Errorf("TLS: %w", err))
		return false
	}
	ends := expires(secure.ConnectionState())
	if left := time.Until(ends); left < certificateWarning {
		k.note(what, "connected, TLS, certificate ends %s, in %v", ends.UTC().Format(time.RFC3339), left.Round(time.Minute))
	} else {
		k.ok(what, "connected, TLS, certificate valid until %s", ends.UTC().Format(time.RFC3339))
	}
	return true
}

// expires is when the first certificate of the chain ends.
func expires(state tls.ConnectionState) time.Time {
	chain := state.PeerCertificates
	if len(state.VerifiedChains) > 0 {
		chain = state.VerifiedChains[0]
	}
	return slices.MinFunc(chain, func(a, b *x509.Certificate) int { return a.NotAfter.Compare(b.NotAfter) }).NotAfter
}

// remaining is the time until ctx ends, or a minute when it has no end.
func remaining(ctx context.Context) time.Duration {
	if ends, ok := ctx.Deadline(); ok {
		return time.Until(ends)
	}
	return time.Minute
}
