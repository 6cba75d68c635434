package scripts

import (
	"go/parser"
	"go/token"
	"io/fs"
	"path"
	"path/filepath"
	"strings"
	"testing"
)

// module is the path in go.mod.
const module = "steadfeed"

// part is one package: its comment, and what its files import.
type part struct {
	doc     string
	imports []string
}

// rule says what the packages that match From may import of this module. A
// pattern ending in /... matches the package and everything below it.
type rule struct {
	from string
	may  []string // of this module; what is not listed is forbidden
	why  string
}

// The arrows of the layout. A package is judged by the first rule that matches.
var rules = []rule{
	{"streamer/cmd/streamer", []string{"streamer"}, "the command wires flags and signals and nothing else"},
	{"streamer/schema", nil, "the contract with consumers stands alone"},
	{"streamer/internal/sequence", nil, "ids are arithmetic: no I/O, no trades"},
	{"streamer/internal/binance", nil, "the exchange knows nothing of Kafka"},
	{"streamer/internal/kafka", nil, "the writer knows nothing of trades"},
	{"streamer/internal/record", []string{"streamer/internal/binance", "streamer/schema"}, "a record is made of a trade"},
	{"streamer/internal/testlog", nil, "for tests alone"},
	{"streamer", []string{"streamer/internal/binance", "streamer/internal/kafka", "streamer/internal/record", "streamer/internal/sequence", "streamer/schema"}, "the streamer must not know its judge, nor what is for its tests"},
	{"fakebinance/cmd/fakebinance", []string{"fakebinance", "fakebinance/internal/conform"}, "the command wires flags and signals and nothing else"},
	{"fakebinance/memnet", nil, "the network in memory stands alone"},
	{"fakebinance/internal/conform", nil, "the rules are asked over the wire only"},
	{"fakebinance/clients", nil, "other people's clients are tested from outside"},
	{"fakebinance", nil, "the fake exchange is for anybody's tests"},
	{"soak/cmd/canary", []string{"streamer/schema"}, "a canary shares no code with the streamer"},
	{"soak/cmd/registry", nil, "it serves the library's fake and nothing else"},
	{"soak/cmd/soaksim", []string{"soak", "soak/internal/fault", "soak/internal/runner", "soak/internal/testbed", "fakebinance/memnet", "streamer"}, "the one place where judge and judged meet, in one process and without shared code"},
	{"soak/cmd/soak", []string{"soak/...", "reports"}, "only the command knows the report"},
	{"soak/internal/runner", []string{"soak", "soak/internal/...", "fakebinance"}, "the judge shares nothing with the judged"},
	{"soak/internal/rounds", []string{"soak", "soak/internal/...", "fakebinance", "streamer/schema"}, "the judge shares nothing with the judged"},
	{"soak/internal/testbed/stack", nil, "it knows containers and nothing of what they are for"},
	{"soak/internal/testbed", []string{"soak", "soak/internal/testbed/stack", "fakebinance", "fakebinance/memnet", "streamer/schema"}, "the judge shares nothing with the judged"},
	{"soak/internal/fault", []string{"soak", "soak/internal/testbed", "fakebinance"}, "the judge shares nothing with the judged"},
	{"soak/internal/audit", []string{"soak", "fakebinance", "streamer/schema"}, "the auditor shares the schema and no code"},
	{"soak/internal/judge", []string{"soak", "soak/internal/leak"}, "evidence in, judgement out"},
	{"soak/internal/...", []string{"soak"}, "evidence in, judgement out"},
	{"soak", nil, "the vocabulary stands alone"},
	{"reports", []string{"soak"}, "a report reads a run directory and nothing else"},
	{"scripts/nights", []string{"soak"}, "it reads verdicts"},
	{"scripts/...", nil, "thin glue only"},
}

// exclusive names the packages outside this module that only some may import.
var exclusive = map[string][]string{
	"github.com/testcontainers/testcontainers-go": {"soak/internal/testbed/..."},
	"os/signal": {"streamer/cmd/...", "fakebinance/cmd/...", "soak/cmd/..."},
	"testing":   {"soak/cmd/soaksim"},
}

func TestLayout(t *testing.T) {
	parts := list(t)
	if len(parts) < 10 {
		t.Fatalf("found %d packages only", len(parts))
	}
	for name, p := range parts {
		if len(p.doc) < 40 {
			t.Errorf("%s: the package comment says too little: %q", name, p.doc)
		}
		for _, complaint := range judge(name, p.imports) {
			t.Error(complaint)
		}
	}
}

// judge returns what is wrong with the imports of the package called name.
func judge(name string, imports []string) (complaints []string) {
	i := 0
	for i < len(rules) && !matches(rules[i].from, name) {
		i++
	}
	if i == len(rules) {
		return []string{name + ": no rule says what it may import; add one"}
	}
	for _, imported := range imports {
		if inner, ok := strings.CutPrefix(imported, module+"/"); ok {
			if !matchesAny(rules[i].may, inner) {
				complaints = append(complaints, name+" imports "+inner+": "+rules[i].why)
			}
			continue
		}
		for outside, may := range exclusive {
			if (imported == outside || strings.HasPrefix(imported, outside+"/")) && !matchesAny(may, name) {
				complaints = append(complaints, name+" imports "+imported+", which is not its business")
			}
		}
		// The fake exchange is to be cheap to import: any team's tests want it.
		if name == "fakebinance" && strings.Contains(imported, ".") && imported != "github.com/gorilla/websocket" {
			complaints = append(complaints, name+" imports "+imported+": it needs the standard library and gorilla/websocket only")
		}
		if (name == "soak" || name == "reports") && strings.Contains(imported, ".") {
			complaints = append(complaints, name+" imports "+imported+": it needs the standard library only")
		}
	}
	return complaints
}

// The rules themselves are tried: each of these imports must be refused.
func TestLayoutRefuses(t *testing.T) {
	f := func(name, imported string) {
		t.Helper()
		if !strings.Contains(imported, ".") && imported != "os/signal" && imported != "testing" {
			imported = module + "/" + imported
		}
		if got := judge(name, []string{imported}); len(got) != 1 {
			t.Errorf("%s importing %s: %v, want one complaint", name, imported, got)
		}
	}
	f("streamer", "soak")
	f("streamer", "fakebinance")
	f("streamer", "os/signal")
	f("streamer", "testing")
	f("streamer", "streamer/internal/testlog")
	f("streamer/internal/binance", "streamer/internal/kafka")
	f("soak/internal/audit", "streamer/internal/binance")
	f("soak/internal/runner", "streamer")
	f("soak/internal/runner", "reports")
	f("soak/internal/rounds", "streamer")
	f("soak/internal/rounds", "reports")
	f("soak/internal/judge", "fakebinance")
	f("soak/cmd/canary", "streamer")
	f("fakebinance", "soak")
	f("fakebinance", "github.com/twmb/franz-go/pkg/kgo")
	f("reports", "fakebinance")
	f("soak/internal/runner", "github.com/testcontainers/testcontainers-go/modules/compose")
	f("elsewhere", "soak")
}

func matchesAny(patterns []string, name string) bool {
	for _, pattern := range patterns {
		if matches(pattern, name) {
			return true
		}
	}
	return false
}

func matches(pattern, name string) bool {
	if tree, ok := strings.CutSuffix(pattern, "/..."); ok {
		return name == tree || strings.HasPrefix(name, tree+"/")
	}
	return name == path.Clean(pattern)
}

// list reads the package comments and imports of all packages of the module.
// It reads the files itself, and does not ask `go list`: the go command caches
// a test's result by the files that the test has opened.
func list(t *testing.T) map[string]*part {
	t.Helper()
	parts := map[string]*part{}
	root := ".."
	err := filepath.WalkDir(root, func(name string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		base := entry.Name()
		if entry.IsDir() && (base == "testdata" || name != root && strings.HasPrefix(base, ".")) {
			return filepath.SkipDir
		}
		if entry.IsDir() || !strings.HasSuffix(base, ".go") || strings.HasSuffix(base, "_test.go") {
			return nil
		}
		file, err := parser.ParseFile(token.NewFileSet(), name, nil, parser.ImportsOnly|parser.ParseComments)
		if err != nil {
			return err
		}
		dir, err := filepath.Rel(root, filepath.Dir(name))
		if err != nil {
			return err
		}
		p := parts[filepath.ToSlash(dir)]
		if p == nil {
			p = &part{}
			parts[filepath.ToSlash(dir)] = p
		}
		p.doc += file.Doc.Text()
		for _, spec := range file.Imports {
			p.imports = append(p.imports, strings.Trim(spec.Path.Value, `"`))
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return parts
}
