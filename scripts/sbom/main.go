// Command sbom prints what a Go program is made of as SPDX 2.3 JSON, from the
// build information that the compiler put into it: the list of parts that a
// security scanner or an auditor asks for. It looks at the program itself, so
// it cannot be out of date.
package main

import (
	"debug/buildinfo"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"time"
)

func main() {
	if len(os.Args) != 2 {
		fmt.Fprintln(os.Stderr, "usage: sbom PROGRAM")
		os.Exit(64)
	}
	if err := write(os.Stdout, os.Args[1]); err != nil {
		fmt.Fprintln(os.Stderr, "sbom: "+err.Error())
		os.Exit(1)
	}
}

// Parts of an SPDX 2.3 document, those that are used here.
type document struct {
	Version       string         `json:"spdxVersion"`
	License       string         `json:"dataLicense"`
	ID            string         `json:"SPDXID"`
	Name          string         `json:"name"`
	Namespace     string         `json:"documentNamespace"`
	Creation      creation       `json:"creationInfo"`
	Packages      []part         `json:"packages"`
	Relationships []relationship `json:"relationships"`
}

type creation struct {
	Created  string   `json:"created"`
	Creators []string `json:"creators"`
}

type part struct {
	ID       string      `json:"SPDXID"`
	Name     string      `json:"name"`
	Version  string      `json:"versionInfo"`
	Location string      `json:"downloadLocation"`
	Analyzed bool        `json:"filesAnalyzed"`
	Refs     []reference `json:"externalRefs,omitempty"`
}

type reference struct {
	Category string `json:"referenceCategory"`
	Type     string `json:"referenceType"`
	Locator  string `json:"referenceLocator"`
}

type relationship struct {
	From string `json:"spdxElementId"`
	Kind string `json:"relationshipType"`
	To   string `json:"relatedSpdxElement"`
}

func write(w io.Writer, path string) error {
	build, err := buildinfo.ReadFile(path)
	if err != nil {
		return fmt.Errorf("read %s: %w", path, err)
	}
	name := filepath.Base(path)
	created := time.Unix(0, 0).UTC() // of a build without a revision: the same build has the same document
	for _, setting := range build.Settings {
		if at, err := time.Parse(time.RFC3339, setting.Value); setting.Key == "vcs.time" && err == nil {
			created = at
		}
	}
	d := document{
		Version: "SPDX-2.3", License: "CC0-1.0", ID: "SPDXRef-DOCUMENT", Name: name,
		Namespace: "https://spdx.org/spdxdocs/" + name + "-" + build.Main.Version,
		Creation:  creation{Created: created.Format(time.RFC3339), Creators: []string{"Tool: steadfeed-sbom"}},
	}
	add := func(id, module, version, kind, from string) {
		p := part{ID: id, Name: module, Version: version, Location: "NOASSERTION"}
		if module != "go" {
			p.Refs = []reference{{"PACKAGE-MANAGER", "purl", "pkg:golang/" + module + "@" + version}}
		}
		d.Packages = append(d.Packages, p)
		d.Relationships = append(d.Relationships, relationship{from, kind, id})
	}
	const main = "SPDXRef-main"
	add(main, build.Main.Path, build.Main.Version, "DESCRIBES", d.ID)
	add("SPDXRef-go", "go", strings.TrimPrefix(build.GoVersion, "go"), "DEPENDS_ON", main)
	for i, module := range build.Deps {
		if module.Replace != nil {
			module = module.Replace
		}
		add(fmt.Sprintf("SPDXRef-%d", i+1), module.Path, module.Version, "DEPENDS_ON", main)
	}
	out := json.NewEncoder(w)
	out.SetIndent("", "  ")
	return out.Encode(d)
}
