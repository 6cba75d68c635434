package main

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net/http"
	"os"
	"strings"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/sasl/plain"
	"github.com/twmb/franz-go/pkg/sasl/scram"
	"github.com/twmb/franz-go/pkg/sr"
	"github.com/urfave/cli/v3"
)

// The environment variables that hold secrets; each can be in a file instead.
// There are no flags for them: arguments are seen by everyone on the machine.
const (
	kafkaPassword    = "SOAK_KAFKA_PASSWORD"
	registryPassword = "SOAK_REGISTRY_PASSWORD"
)

// registryWithin bounds one request to the registry.
const registryWithin = 10 * time.Second

func kafkaFlags() []cli.Flag {
	return []cli.Flag{
		&cli.StringFlag{Name: "brokers", Usage: "addresses of Kafka, comma-separated"},
		&cli.StringFlag{Name: "topic", Usage: "its name"},
		&cli.BoolFlag{Name: "kafka-tls", Usage: "speak TLS, trusting the system's authorities"},
		&cli.StringFlag{Name: "kafka-tls-ca", Usage: "speak TLS, trusting the authorities in this PEM file"},
		&cli.StringFlag{Name: "kafka-tls-cert", Usage: "PEM file of the client's certificate"},
		&cli.StringFlag{Name: "kafka-tls-key", Usage: "PEM file of its key"},
		&cli.StringFlag{Name: "kafka-sasl", Usage: "plain, scram-sha-256 or scram-sha-512"},
		&cli.StringFlag{Name: "kafka-user"},
		&cli.StringFlag{Name: "kafka-password-file", Usage: "file with the password (default: the environment's " + kafkaPassword + ")"},
		&cli.StringFlag{Name: "schema-registry-url", Usage: "where the schemas of Avro values are"},
		&cli.StringFlag{Name: "registry-user"},
		&cli.StringFlag{Name: "registry-password-file", Usage: "file with the password (default: the environment's " + registryPassword + ")"},
		&cli.StringFlag{Name: "registry-tls-ca", Usage: "trust the authorities in this PEM file"},
	}
}

// kafkaSettings are the client's settings from the flags.
func kafkaSettings(command *cli.Command) (settings []kgo.Opt, err error) {
	if command.String("brokers") == "" {
		return nil, usage("soak %s needs -brokers", command.Name)
	}
	settings = append(settings, kgo.SeedBrokers(list(command.String("brokers"))...), kgo.ClientID("soak-audit"))
	trust, err := trustOf(command.String("kafka-tls-ca"))
	if err != nil {
		return nil, err
	}
	certificate, key := command.String("kafka-tls-cert"), command.String("kafka-tls-key")
	if certificate != "" || key != "" {
		pair, err := tls.LoadX509KeyPair(certificate, key)
		if err != nil {
			return nil, usage("-kafka-tls-cert, -kafka-tls-key: %w", err)
		}
		trust.Certificates = []tls.Certificate{pair}
	}
	if command.Bool("kafka-tls") || trust.RootCAs != nil || len(trust.Certificates) > 0 {
		settings = append(settings, kgo.DialTLSConfig(trust))
	}
	mechanism := strings.ToLower(command.String("kafka-sasl"))
	if mechanism == "" {
		return settings, nil
	}
	user := command.String("kafka-user")
	password, err := secret(command.String("kafka-password-file"), kafkaPassword)
	if err != nil {
		return nil, err
	}
	if user == "" || password == "" {
		return nil, usage("-kafka-sasl %s needs -kafka-user, and a password in -kafka-password-file or %s", mechanism, kafkaPassword)
	}
	switch mechanism {
	case "plain":
		return append(settings, kgo.SASL(plain.Auth{User: user, Pass: password}.AsMechanism())), nil
	case "scram-sha-256":
		return append(settings, kgo.SASL(scram.Auth{User: user, Pass: password}.AsSha256Mechanism())), nil
	case "scram-sha-512":
		return append(settings, kgo.SASL(scram.Auth{User: user, Pass: password}.AsSha512Mechanism())), nil
	}
	return nil, usage("-kafka-sasl %q: plain, scram-sha-256 and scram-sha-512 are possible", mechanism)
}

// registryClient is nil where no registry is named.
func registryClient(command *cli.Command) (*sr.Client, error) {
	urls := command.String("schema-registry-url")
	if urls == "" {
		return nil, nil
	}
	trust, err := trustOf(command.String("registry-tls-ca"))
	if err != nil {
		return nil, err
	}
	transport := http.DefaultTransport.(*http.Transport).Clone()
	transport.TLSClientConfig = trust
	options := []sr.ClientOpt{sr.URLs(list(urls)...), sr.HTTPClient(&http.Client{Transport: transport, Timeout: registryWithin})}
	if user := command.String("registry-user"); user != "" {
		password, err := secret(command.String("registry-password-file"), registryPassword)
		if err != nil {
			return nil, err
		}
		options = append(options, sr.BasicAuth(user, password))
	}
	client, err := sr.NewClient(options...)
	if err != nil {
		return nil, usage("-schema-registry-url %s: %w", urls, err)
	}
	return client, nil
}

// trustOf is a TLS configuration that trusts a file's authorities, or the
// system's where there is no file.
func trustOf(path string) (*tls.Config, error) {
	trust := &tls.Config{MinVersion: tls.VersionTLS12}
	if path == "" {
		return trust, nil
	}
	pem, err := os.ReadFile(path)
	if err != nil {
		return nil, usage("read authorities: %w", err)
	}
	trust.RootCAs = x509.NewCertPool()
	if !trust.RootCAs.AppendCertsFromPEM(pem) {
		return nil, &ending{64, fmt.Errorf("read authorities: no certificate in %s", path)}
	}
	return trust, nil
}

// secret is a file's first line, or an environment variable.
func secret(path, variable string) (string, error) {
	if path == "" {
		return os.Getenv(variable), nil
	}
	text, err := os.ReadFile(path)
	if err != nil {
		return "", usage("read password: %w", err)
	}
	line, _, _ := strings.Cut(string(text), "\n")
	if line = strings.TrimSuffix(line, "\r"); line == "" {
		return "", usage("read password: %w", errors.New(path+" begins with an empty line"))
	}
	return line, nil
}

func list(text string) (parts []string) {
	for part := range strings.SplitSeq(text, ",") {
		if part = strings.TrimSpace(part); part != "" {
			parts = append(parts, part)
		}
	}
	return parts
}
