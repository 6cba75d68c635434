package testbed

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// What a deployment script prints and how it ends says who delivers; anything
// else is trouble.
func TestDeployment(t *testing.T) {
	f := func(what, script, container string, kept bool, says string) {
		t.Helper()
		dir := t.TempDir()
		path := filepath.Join(dir, "deploy.sh")
		if err := os.WriteFile(path, []byte("#!/bin/sh\n"+script), 0o755); err != nil {
			t.Fatal(err)
		}
		got, err := Deployment{Script: path, Blue: "x-blue", Image: "image", Settings: []string{"WHO=x"}, LogPath: filepath.Join(dir, "log")}.Run(t.Context())
		said := ""
		if err != nil {
			said = err.Error()
		}
		if got != container || errors.Is(err, ErrNotDeployed) != kept || (says == "") != (err == nil) || !strings.Contains(said, says) {
			t.Errorf("%s: %q, %v; want %q and %q", what, got, err, container, says)
		}
	}
	f("replaced", "echo building; echo deployed $WHO-green 127.0.0.1:1", "x-green", false, "")
	f("taken back", "echo not ready >&2; echo kept $1 127.0.0.1:1; exit 1", "x-blue", true, "not ready")
	f("gave up", "echo 'both run' >&2; exit 4", "", false, "both run")
	f("says that it did and fails", "echo deployed x-green 127.0.0.1:1; exit 1", "", false, "exit status 1")
	f("says nothing", "exit 0", "", false, "deploy.sh x-blue image")
}
