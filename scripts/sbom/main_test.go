package main

import (
	"bytes"
	"encoding/json"
	"os"
	"slices"
	"testing"
)

// The document of this test program names the compiler and every module in it.
func TestSBOM(t *testing.T) {
	var out bytes.Buffer
	if err := write(&out, os.Args[0]); err != nil {
		t.Fatal(err)
	}
	var d document
	if err := json.Unmarshal(out.Bytes(), &d); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"steadfeed", "go"} {
		if !slices.ContainsFunc(d.Packages, func(p part) bool { return p.Name == want }) {
			t.Errorf("it does not name %s: %s", want, out.String())
		}
	}
	if len(d.Relationships) != len(d.Packages) {
		t.Errorf("%d relationships for %d packages", len(d.Relationships), len(d.Packages))
	}
	if err := write(&out, "main.go"); err == nil {
		t.Error("a file that is no program was described")
	}
}
