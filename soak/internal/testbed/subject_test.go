package testbed

import (
	"os"
	"os/exec"
	"strings"
	"testing"

	"steadfeed/soak"
)

func TestDescribe(t *testing.T) {
	build := Describe(soak.Subject{Name: "self", Command: []string{os.Args[0], "-x"}})
	if build.SHA256 == "" || !strings.Contains(build.Version, "go1.") || !strings.HasSuffix(build.Command, "-x") {
		t.Errorf("described as %+v", build)
	}
	if _, err := exec.LookPath("sh"); err == nil {
		if build := Describe(soak.Subject{Name: "sh", Command: []string{"sh"}}); build.SHA256 == "" || !strings.HasPrefix(build.Version, "sha256 ") {
			t.Errorf("a program that is not Go's: %+v", build)
		}
	}
}
