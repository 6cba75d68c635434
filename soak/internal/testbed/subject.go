package testbed

import (
	"crypto/sha256"
	"debug/buildinfo"
	"encoding/hex"
	"io"
	"os"
	"strings"

	"steadfeed/soak"
)

// Describe says what a subject is: its command, the version in its build
// information and the hash of its program file. The hash is also the version
// of a program that has no other, such as one not written in Go. Of a program
// that is not there, both stay empty.
func Describe(subject soak.Subject) soak.SubjectBuild {
	build := soak.SubjectBuild{Name: subject.Name, Command: strings.Join(subject.Command, " ")}
	path, err := FindProgram(subject.Command)
	if err != nil {
		return build
	}
	build.Version = version(path)
	if f, err := os.Open(path); err == nil {
		defer f.Close()
		hash := sha256.New()
		if _, err := io.Copy(hash, f); err == nil {
			build.SHA256 = hex.EncodeToString(hash.Sum(nil))
		}
	}
	if build.Version == "" && build.SHA256 != "" {
		build.Version = "sha256 " + build.SHA256[:12]
	}
	return build
}

// version is the module version of a Go program, with its revision where the
// build recorded one.
func version(path string) string {
	build, err := buildinfo.ReadFile(path)
	if err != nil {
		return ""
	}
	parts := []string{build.Main.Version}
	for _, setting := range build.Settings {
		switch {
		case setting.Key == "vcs.revision" && !strings.Contains(build.Main.Version, setting.Value[:min(12, len(setting.Value))]):
			parts = append(parts, setting.Value)
		case setting.Key == "vcs.modified" && setting.Value == "true" && !strings.Contains(build.Main.Version, "dirty"):
			parts = append(parts, "modified")
		}
	}
	return strings.TrimSpace(strings.Join(parts, " ") + " " + build.GoVersion)
}
