package testbed

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
)

// standbyWord is what a subject says on /readyz when it is well and only waits
// for its turn.
const standbyWord = "standby"

// statusBytes bounds what is read of /status: thousands of symbols fit.
const statusBytes = 4 << 20

// Standing is what a subject among others says of its part in the work.
type Standing struct {
	Ready   bool // it delivers
	Standby bool // it is healthy and delivers nothing, because others do
	Reason  string
	// Partitions are those of the topic that it says are its own; Told is
	// false for a subject that says nothing of them.
	Partitions []int32
	Told       bool
}

// Standing asks /readyz and, as the answer requires, /healthz and /status. The
// error is for a subject that does not answer.
func (e *Endpoints) Standing(ctx context.Context) (Standing, error) {
	ctx, cancel := context.WithTimeout(ctx, metricsTimeout)
	defer cancel()
	status, text, err := e.ask(ctx, "/readyz")
	if err != nil {
		return Standing{}, err
	}
	s := Standing{Ready: status == http.StatusOK, Reason: text}
	if !s.Ready && strings.Contains(text, standbyWord) {
		status, _, err := e.ask(ctx, "/healthz")
		if err != nil {
			return Standing{}, err
		}
		s.Standby = status == http.StatusOK
	}
	if !s.Ready && !s.Standby {
		return s, nil
	}
	status, text, err = e.ask(ctx, "/status")
	if err != nil {
		return Standing{}, err
	}
	var own struct {
		Partitions *[]int32 `json:"partitions"`
	}
	if status == http.StatusOK && json.Unmarshal([]byte(text), &own) == nil && own.Partitions != nil {
		s.Partitions, s.Told = *own.Partitions, true
	}
	return s, nil
}

// ask reads one endpoint, whatever its status.
func (e *Endpoints) ask(ctx context.Context, path string) (status int, text string, err error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, e.base+path, nil)
	if err != nil {
		return 0, "", fmt.Errorf("get %s: %w", path, err)
	}
	response, err := e.client.Do(request)
	if err != nil {
		return 0, "", err // names method and URL already
	}
	defer response.Body.Close()
	body, err := io.ReadAll(io.LimitReader(response.Body, statusBytes))
	if err != nil {
		return 0, "", fmt.Errorf("get %s%s: %w", e.base, path, err)
	}
	return response.StatusCode, strings.TrimSpace(string(body)), nil
}
