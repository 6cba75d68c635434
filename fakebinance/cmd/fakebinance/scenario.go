package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"go.yaml.in/yaml/v3"

	"steadfeed/fakebinance"
)

// maxYAML bounds what is read of a scenario in YAML, as that in JSON is bounded.
const maxYAML = 1 << 20

// readScenario reads and checks a scenario, before anything is served; there is
// none without a path.
func readScenario(server *fakebinance.Server, path string) (scenario fakebinance.Scenario, err error) {
	if path == "" {
		return scenario, nil
	}
	f, err := os.Open(path)
	if err != nil {
		return scenario, usageError{err}
	}
	defer f.Close()
	text := io.Reader(f)
	switch filepath.Ext(path) {
	case ".yaml", ".yml":
		text, err = fromYAML(f)
	}
	if err == nil {
		scenario, err = fakebinance.ReadScenario(text)
	}
	if err == nil {
		err = server.CheckScenario(scenario)
	}
	if err != nil {
		return scenario, usageError{fmt.Errorf("-scenario %s: %w", path, err)}
	}
	return scenario, nil
}

// yamlFault is a fault of a scenario. Numbers are taken as they are written.
type yamlFault struct {
	At       string            `yaml:"at" json:"at,omitempty"`
	Kind     string            `yaml:"kind" json:"kind"`
	Target   string            `yaml:"target" json:"target,omitempty"`
	For      string            `yaml:"for" json:"for,omitempty"`
	Settings map[string]string `yaml:"settings" json:"settings,omitempty"`
}

// fromYAML turns a scenario in YAML into the JSON that the library reads, which
// needs no other library for it.
func fromYAML(r io.Reader) (io.Reader, error) {
	var rows []yamlFault
	decode := yaml.NewDecoder(io.LimitReader(r, maxYAML))
	decode.KnownFields(true)
	if err := decode.Decode(&rows); err != nil {
		return nil, fmt.Errorf("read scenario: %w", err)
	}
	if err := decode.Decode(new(any)); !errors.Is(err, io.EOF) {
		return nil, errors.New("read scenario: it goes on after the list of faults")
	}
	text, err := json.Marshal(rows)
	return bytes.NewReader(text), err
}
