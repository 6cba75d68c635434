package fakebinance

import (
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// foreignTest is a test of somebody else: three lines make an exchange.
const foreignTest = `package other

import (
	"testing"

	"steadfeed/fakebinance"
)

func TestAgainstBinance(t *testing.T) {
	exchange, err := fakebinance.New(fakebinance.Options{})
	defer exchange.Close()
	exchange.Start()
	if err != nil || exchange.WebSocketURL() == "" || exchange.Source().Trade("BTCUSDT", exchange.Source().FirstID("BTCUSDT")).Price == 0 {
		t.Fatal(err)
	}
}
`

// Another module can use the package in a test, and gets no more than gorilla,
// what that needs, and the standard library with it.
func TestFromAnotherModule(t *testing.T) {
	if testing.Short() {
		t.Skip("-short: it builds a module")
	}
	root, err := filepath.Abs("..")
	if err != nil {
		t.Fatal(err)
	}
	sums, err := os.ReadFile(filepath.Join(root, "go.sum"))
	if err != nil {
		t.Fatal(err)
	}
	mod, err := os.ReadFile(filepath.Join(root, "go.mod"))
	if err != nil {
		t.Fatal(err)
	}
	var version, language string
	for line := range strings.Lines(string(mod)) {
		fields := strings.Fields(line)
		for i, word := range fields {
			if word == "github.com/gorilla/websocket" && i+1 < len(fields) {
				version = fields[i+1]
			}
		}
		if len(fields) == 2 && fields[0] == "go" {
			language = fields[1]
		}
	}
	dir := t.TempDir()
	for name, text := range map[string]string{
		"go.mod": "module other\n\ngo " + language + "\n\nrequire steadfeed v0.0.0\n\nrequire github.com/gorilla/websocket " + version +
			" // indirect\n\nreplace steadfeed => " + root + "\n",
		"go.sum": string(sums), "other_test.go": foreignTest,
	} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	run := func(args ...string) string {
		t.Helper()
		command := exec.Command("go", args...)
		command.Dir = dir
		command.Env = append(os.Environ(), "GOFLAGS=-mod=mod", "GOWORK=off")
		out, err := command.CombinedOutput()
		if err != nil {
			t.Fatalf("go %s: %v\n%s", strings.Join(args, " "), err, out)
		}
		return string(out)
	}
	run("test", "./...")
	needs := func(path string) []string {
		return strings.Fields(run("list", "-deps", "-f", "{{if not .Standard}}{{.ImportPath}}{{end}}", path))
	}
	gorilla := needs("github.com/gorilla/websocket") // it has a need of its own
	for _, imported := range needs("steadfeed/fakebinance") {
		if imported != "steadfeed/fakebinance" && !slices.Contains(gorilla, imported) {
			t.Errorf("the package needs %s", imported)
		}
	}
}
