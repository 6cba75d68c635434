package testbed

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"os/exec"
	"slices"
	"time"

	"steadfeed/soak"
)

// PrometheusImage is the Prometheus that watches a subject in a container
// where nothing else is asked for.
const PrometheusImage = "prom/prometheus:v3.5.0"

const (
	// rulesBytes bounds what is read of an answer about rules: a few hundred
	// alerts fit.
	rulesBytes = 4 << 20
	// rulesTimeout: Prometheus answers in milliseconds; a busy machine has others
	// to serve.
	rulesTimeout = 3 * time.Second
	// pullWithin bounds the attempt to get an image, of some 120 MB.
	pullWithin = 5 * time.Minute
)

// Prometheus reads the alerts of one that runs.
type Prometheus struct {
	base   string
	client *http.Client
}

// NewPrometheus returns a reader of the one at an address such as
// "127.0.0.1:9090".
func NewPrometheus(address string) *Prometheus {
	return &Prometheus{base: "http://" + address, client: &http.Client{Timeout: rulesTimeout, Transport: &http.Transport{MaxConnsPerHost: 1}}}
}

// Close drops idle connections.
func (p *Prometheus) Close() { p.client.CloseIdleConnections() }

// Alerts asks which alerts there are and which of them fire now, in no order.
// A rule that Prometheus cannot evaluate is an error: it would never fire.
func (p *Prometheus) Alerts(ctx context.Context) (rules []string, firing []soak.Alert, err error) {
	const path = "/api/v1/rules?type=alert"
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, p.base+path, nil)
	if err != nil {
		return nil, nil, fmt.Errorf("ask for alerts: %w", err)
	}
	response, err := p.client.Do(request)
	if err != nil {
		return nil, nil, fmt.Errorf("ask for alerts: %w", err)
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		return nil, nil, fmt.Errorf("ask for alerts: %s%s: %s", p.base, path, response.Status)
	}
	var answer struct {
		Data struct {
			Groups []struct {
				Rules []struct {
					Name, Health, LastError string
					Alerts                  []struct {
						State  string
						Labels map[string]string
					}
				}
			}
		}
	}
	if err := json.NewDecoder(io.LimitReader(response.Body, rulesBytes)).Decode(&answer); err != nil {
		return nil, nil, fmt.Errorf("read the alerts of %s: %w", p.base, err)
	}
	now := time.Now().UTC()
	for _, group := range answer.Data.Groups {
		for _, rule := range group.Rules {
			if rule.Health == "err" {
				return nil, nil, fmt.Errorf("the rule %s cannot be evaluated: %s", rule.Name, rule.LastError)
			}
			rules = append(rules, rule.Name)
			for _, alert := range rule.Alerts {
				if alert.State != "firing" {
					continue
				}
				labels := maps.Clone(alert.Labels)
				delete(labels, "alertname")
				firing = append(firing, soak.Alert{Name: rule.Name, Labels: labels, Began: now})
			}
		}
	}
	slices.Sort(rules)
	return rules, firing, nil
}

// ErrNoImage says that an image is not on this machine and cannot be pulled.
var ErrNoImage = errors.New("it is not on this machine and cannot be pulled")

// HaveImage makes sure that the engine has an image, and pulls it if need be.
func HaveImage(ctx context.Context, image string) error {
	if _, err := exec.LookPath("docker"); err != nil {
		return fmt.Errorf("image %s: %w", image, err)
	}
	if _, err := docker(ctx, "image", "inspect", "--format", "{{.Id}}", image); err == nil {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, pullWithin)
	defer cancel()
	if _, err := docker(ctx, "pull", "--quiet", image); err != nil {
		return fmt.Errorf("image %s: %w", image, ErrNoImage)
	}
	return nil
}
