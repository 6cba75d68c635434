package main

import (
	"cmp"
	"errors"
	"fmt"
	"os"
	"strings"
	"time"

	"steadfeed/streamer/schema"
)

// settings are the part of the streamer's environment that a canary needs.
type settings struct {
	symbols   []string
	wsURL     string
	restURL   string
	tlsCAFile string
	brokers   []string
	registry  string
	topic     string
	http      string

	pingInterval time.Duration
	pongTimeout  time.Duration
	staleTimeout time.Duration
	linger       time.Duration
	drainTimeout time.Duration
	rotation     time.Duration // of the canary that breaks first
}

// readSettings reads STREAMER_* with the streamer's own defaults for times.
// Addresses have none: a canary has no business at the real exchange.
func readSettings() (settings, error) {
	var problems []error
	text := func(name string) string {
		value := os.Getenv("STREAMER_" + name)
		if value == "" {
			problems = append(problems, fmt.Errorf("STREAMER_%s is not set", name))
		}
		return value
	}
	duration := func(name, preset string) time.Duration {
		value, err := time.ParseDuration(cmp.Or(os.Getenv("STREAMER_"+name), preset))
		if err != nil {
			problems = append(problems, fmt.Errorf("STREAMER_%s: %w", name, err))
		}
		return value
	}
	wsURL, _, _ := strings.Cut(text("WS_URL"), ",") // the first of the list is enough here
	s := settings{
		symbols:      strings.Split(strings.ToUpper(text("SYMBOLS")), ","),
		wsURL:        wsURL,
		restURL:      text("REST_URL"),
		tlsCAFile:    os.Getenv("STREAMER_TLS_CA_FILE"),
		brokers:      strings.Split(text("KAFKA_BROKERS"), ","),
		registry:     text("SCHEMA_REGISTRY_URL"),
		topic:        cmp.Or(os.Getenv("STREAMER_TOPIC"), schema.Topic),
		http:         cmp.Or(os.Getenv("STREAMER_HTTP"), "127.0.0.1:9091"),
		pingInterval: duration("PING_INTERVAL", "180s"),
		pongTimeout:  duration("PONG_TIMEOUT", "10s"),
		staleTimeout: duration("STALE_TIMEOUT", "30s"),
		linger:       duration("COMMIT_INTERVAL", "10ms"),
		drainTimeout: duration("DRAIN_TIMEOUT", "30s"),
		rotation:     duration("ROTATION_INTERVAL", "10s"), // often enough for a plan of four minutes
	}
	return s, errors.Join(problems...)
}
