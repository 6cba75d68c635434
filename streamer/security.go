package streamer

import (
	"crypto/tls"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"slices"
	"strings"

	"github.com/twmb/franz-go/pkg/sr"

	"steadfeed/streamer/internal/kafka"
)

// Secret is a text that is never printed: not by fmt, not in JSON, not in a
// log.
type Secret string

// String implements fmt.Stringer.
func (s Secret) String() string {
	if s == "" {
		return ""
	}
	return "(secret)"
}

// GoString implements fmt.GoStringer.
func (s Secret) GoString() string { return s.String() }

// MarshalText implements encoding.TextMarshaler, which JSON and logs use.
func (s Secret) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// maxSecret bounds a secret's file; a token is some kilobytes.
const maxSecret = 64 << 10

// reader returns a function that yields the secret itself, or what is in file
// at that moment, less the line's end.
func (s Secret) reader(flag, file string) func() (string, error) {
	return func() (string, error) {
		if file == "" {
			return string(s), nil
		}
		content, err := os.ReadFile(file)
		if err != nil {
			return "", fmt.Errorf("-%s: %w", flag, err)
		}
		text := strings.TrimRight(string(content), "\r\n")
		if text == "" || len(text) > maxSecret {
			return "", fmt.Errorf("-%s %s: has %d bytes, must have 1 to %d", flag, file, len(text), maxSecret)
		}
		return text, nil
	}
}

// validateSecurity is the part of Validate about credentials and certificates.
func (c *Config) validateSecurity(say func(flag string, value any, want string)) {
	hasPassword := c.KafkaPasswordFile != "" || c.KafkaPassword != ""
	switch {
	case c.KafkaSASL != "" && !slices.Contains(kafka.Mechanisms, c.KafkaSASL):
		say("kafka-sasl", fmt.Sprintf("%q", c.KafkaSASL), "must be "+strings.Join(kafka.Mechanisms, ", "))
	case c.KafkaSASL == "":
		if c.KafkaUser != "" || hasPassword || c.KafkaTokenFile != "" {
			say("kafka-sasl", `""`, "must name a mechanism, since there are credentials")
		}
	case c.KafkaSASL == kafka.OAuthBearer:
		if c.KafkaTokenFile == "" {
			say("kafka-token-file", `""`, "must name the file with the token for "+c.KafkaSASL)
		}
		if c.KafkaUser != "" || hasPassword {
			say("kafka-user", fmt.Sprintf("%q", c.KafkaUser), "and a password are not for "+c.KafkaSASL+", which takes a token")
		}
	default:
		if c.KafkaUser == "" {
			say("kafka-user", `""`, "must name the user for "+c.KafkaSASL)
		}
		if !hasPassword {
			say("kafka-password-file", `""`, "must name the file with the password for "+c.KafkaSASL+", or STREAMER_KAFKA_PASSWORD be set")
		}
		if c.KafkaTokenFile != "" {
			say("kafka-token-file", c.KafkaTokenFile, "is not for "+c.KafkaSASL)
		}
	}
	if c.KafkaPasswordFile != "" && c.KafkaPassword != "" {
		say("kafka-password-file", c.KafkaPasswordFile, "and STREAMER_KAFKA_PASSWORD are both set; which one?")
	}
	if (c.KafkaTLSCert == "") != (c.KafkaTLSKey == "") {
		say("kafka-tls-cert", fmt.Sprintf("%q", c.KafkaTLSCert), fmt.Sprintf("and -kafka-tls-key %q: one without the other", c.KafkaTLSKey))
	}
	if (c.SchemaRegistryUser == "") != (c.SchemaRegistryPassword == "" && c.SchemaRegistryPasswordFile == "") {
		say("schema-registry-user", fmt.Sprintf("%q", c.SchemaRegistryUser), "needs a password, and a password needs it")
	}
	if c.SchemaRegistryPasswordFile != "" && c.SchemaRegistryPassword != "" {
		say("schema-registry-password-file", c.SchemaRegistryPasswordFile, "and STREAMER_SCHEMA_REGISTRY_PASSWORD are both set; which one?")
	}
	if c.SchemaRegistryCA != "" && !c.registryOverTLS() {
		say("schema-registry-ca", c.SchemaRegistryCA, "is of no use: no address in -schema-registry-url begins with https://")
	}
}

// kafkaSecurity is how the brokers are reached. It reads every file once, so
// that one that is missing ends the start and not the first authentication.
func (c *Config) kafkaSecurity() (kafka.Security, error) {
	s := kafka.Security{Mechanism: c.KafkaSASL, User: c.KafkaUser, Secret: c.KafkaPassword.reader("kafka-password-file", c.KafkaPasswordFile)}
	if s.Mechanism == kafka.OAuthBearer {
		s.Secret = Secret("").reader("kafka-token-file", c.KafkaTokenFile)
	}
	if s.Mechanism != "" {
		if _, err := s.Secret(); err != nil {
			return s, err
		}
	}
	if !c.KafkaTLS && c.KafkaTLSCA == "" && c.KafkaTLSCert == "" {
		return s, nil
	}
	s.TLS = &tls.Config{MinVersion: tls.VersionTLS12}
	var err error
	if c.KafkaTLSCA != "" {
		s.TLS.RootCAs, err = readRoots("kafka-tls-ca", c.KafkaTLSCA)
	} else {
		s.TLS.RootCAs, err = defaultRoots()
	}
	if err != nil || c.KafkaTLSCert == "" {
		return s, err
	}
	// Read again at each handshake: short-lived certificates are replaced in
	// place.
	s.TLS.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) {
		pair, err := tls.LoadX509KeyPair(c.KafkaTLSCert, c.KafkaTLSKey)
		if err != nil {
			return nil, fmt.Errorf("-kafka-tls-cert %s, -kafka-tls-key %s: %w", c.KafkaTLSCert, c.KafkaTLSKey, err)
		}
		return &pair, nil
	}
	_, err = s.TLS.GetClientCertificate(nil)
	return s, err
}

// kafka is how the brokers are reached.
func (c *Config) kafka() (kafka.Connection, error) {
	security, err := c.kafkaSecurity()
	return kafka.Connection{Brokers: c.KafkaBrokers, Dial: c.Dial, Security: security, Log: c.Log}, err
}

// registryClient is the schema registry's client over transport, which it
// completes with what certificates are judged by.
func (c *Config) registryClient(transport *http.Transport) (*sr.Client, error) {
	var err error
	if transport.TLSClientConfig, err = c.registryTLS(); err != nil {
		return nil, err
	}
	options := []sr.ClientOpt{sr.URLs(c.SchemaRegistryURL...), sr.HTTPClient(&http.Client{Transport: transport, Timeout: registryTimeout})}
	if c.SchemaRegistryUser != "" {
		password := c.SchemaRegistryPassword.reader("schema-registry-password-file", c.SchemaRegistryPasswordFile)
		if _, err := password(); err != nil {
			return nil, err
		}
		options = append(options, sr.PreReq(func(request *http.Request) error {
			secret, err := password()
			if err != nil {
				return err
			}
			request.SetBasicAuth(c.SchemaRegistryUser, secret)
			return nil
		}))
	}
	client, err := sr.NewClient(options...)
	if err != nil {
		return nil, fmt.Errorf("-schema-registry-url %v: %w", c.SchemaRegistryURL, err)
	}
	return client, nil
}

// registryOverTLS tells whether a registry is reached over TLS.
func (c *Config) registryOverTLS() bool {
	return slices.ContainsFunc(c.SchemaRegistryURL, func(address string) bool { return strings.HasPrefix(address, "https:") })
}

// errCredentials is why an address with a user or password in it is refused:
// it would be printed with every error.
var errCredentials = errors.New("must not hold a user or password; there are settings for these")

// noCredentials tells whether address has no user or password in it.
func noCredentials(address string) error {
	if u, err := url.Parse(address); err == nil && u.User != nil {
		return errCredentials
	}
	return nil
}
