package fakebinance

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"
)

const (
	// clientTimeout bounds a request to the control API; all are answered at once.
	clientTimeout = 10 * time.Second
	// maxControlAnswer bounds an answer: 1000 sessions take some 300 KB.
	maxControlAnswer = 16 << 20
)

// Client is a client of a server's control API. The zero value is not usable.
// In the process of the server its methods are at hand without one.
type Client struct {
	base string
	http *http.Client
}

// NewClient makes a client of the control API at an address such as
// "http://127.0.0.1:9090".
func NewClient(baseURL string) *Client {
	return &Client{
		base: strings.TrimSuffix(baseURL, "/"),
		http: &http.Client{Timeout: clientTimeout, Transport: &http.Transport{DisableKeepAlives: true}},
	}
}

// Status tells how the server is doing.
func (c *Client) Status(ctx context.Context) (Status, error) {
	var status Status
	err := c.call(ctx, http.MethodGet, "/status", nil, &status)
	return status, err
}

// Ledger tells what was published, and the newest sessions.
func (c *Client) Ledger(ctx context.Context) (LedgerStatus, error) {
	var status LedgerStatus
	err := c.call(ctx, http.MethodGet, "/ledger", nil, &status)
	return status, err
}

// Faults tells which kinds of fault there are, and the injections so far.
func (c *Client) Faults(ctx context.Context) ([]FaultKind, []InjectionStatus, error) {
	var list faultList
	err := c.call(ctx, http.MethodGet, "/faults", nil, &list)
	return list.Kinds, list.Injections, err
}

// Begin begins a fault.
func (c *Client) Begin(ctx context.Context, f Fault) (InjectionStatus, error) {
	body := controlFault{Kind: f.Kind, Target: f.Target, Settings: f.Settings}
	if f.For != 0 {
		body.For = f.For.String()
	}
	var status InjectionStatus
	err := c.call(ctx, http.MethodPost, "/faults", body, &status)
	return status, err
}

// Injection returns the injection with number n.
func (c *Client) Injection(ctx context.Context, n int) (InjectionStatus, error) {
	var status InjectionStatus
	err := c.call(ctx, http.MethodGet, fmt.Sprintf("/faults/%d", n), nil, &status)
	return status, err
}

// End ends the injection with number n and returns it with its evidence.
func (c *Client) End(ctx context.Context, n int) (InjectionStatus, error) {
	var status InjectionStatus
	err := c.call(ctx, http.MethodDelete, fmt.Sprintf("/faults/%d", n), nil, &status)
	return status, err
}

// Stop ends traffic for good.
func (c *Client) Stop(ctx context.Context) (Status, error) {
	var status Status
	err := c.call(ctx, http.MethodPost, "/stop", nil, &status)
	return status, err
}

// call makes one request and decodes its answer into result.
func (c *Client) call(ctx context.Context, method, path string, body, result any) error {
	err := c.exchange(ctx, method, path, body, result)
	if err != nil {
		return fmt.Errorf("control %s %s: %w", method, path, err)
	}
	return nil
}

func (c *Client) exchange(ctx context.Context, method, path string, body, result any) error {
	var payload io.Reader
	if body != nil {
		encoded, err := json.Marshal(body)
		if err != nil {
			return err
		}
		payload = bytes.NewReader(encoded)
	}
	request, err := http.NewRequestWithContext(ctx, method, c.base+path, payload)
	if err != nil {
		return err
	}
	response, err := c.http.Do(request)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	answer, err := io.ReadAll(io.LimitReader(response.Body, maxControlAnswer))
	if err != nil {
		return err
	}
	if response.StatusCode >= 300 {
		var refused struct {
			Err string `json:"error"`
		}
		if json.Unmarshal(answer, &refused) == nil && refused.Err != "" {
			return errors.New(refused.Err)
		}
		return errors.New(response.Status)
	}
	return json.Unmarshal(answer, result)
}
