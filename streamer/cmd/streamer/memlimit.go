package main

import (
	"io/fs"
	"log/slog"
	"os"
	"path"
	"runtime/debug"
	"strconv"
	"strings"
)

const (
	// memoryShare of the container's limit is what Go may use before it
	// collects harder; the rest is for what Go does not count: the program
	// itself, the kernel's buffers on our account, a moment's excess.
	memoryShare = 0.85
	// noLimit is above any machine's memory: the first version of cgroups
	// writes "no limit" as the largest number of whole pages.
	noLimit = 1 << 60
)

// limitMemory makes the container's memory limit known to Go, unless GOMEMLIMIT
// says something else. Without it Go would let garbage pile up to twice what is
// alive, and a burst would end in the kernel's OOM killer where a collection
// would have done.
func limitMemory(root fs.FS, log *slog.Logger) {
	if set := os.Getenv("GOMEMLIMIT"); set != "" {
		log.Info("memory limit", "from", "GOMEMLIMIT", "limit", set)
		return
	}
	limit, from := containerLimit(root)
	if limit == 0 {
		log.Info("memory limit", "from", "nowhere: neither GOMEMLIMIT nor a container's limit is set")
		return
	}
	soft := int64(float64(limit) * memoryShare)
	debug.SetMemoryLimit(soft)
	log.Info("memory limit", "from", from, "limit", soft, "container", limit)
}

// containerLimit is the smallest memory limit of the control groups that this
// process is in, in bytes, and the file that says so; zero when there is none
// (Linux: Documentation/admin-guide/cgroup-v2.rst and cgroup-v1/memory.rst). root
// is the file system.
func containerLimit(root fs.FS) (limit int64, from string) {
	groups, err := fs.ReadFile(root, "proc/self/cgroup")
	if err != nil {
		return 0, "" // not Linux, or no control groups
	}
	for line := range strings.Lines(string(groups)) {
		// hierarchy:controllers:path; the second version has no controllers.
		fields := strings.SplitN(strings.TrimSpace(line), ":", 3)
		if len(fields) < 3 {
			continue
		}
		var below, name string
		switch {
		case fields[0] == "0" && fields[1] == "":
			below, name = "sys/fs/cgroup", "memory.max"
		case strings.Contains(","+fields[1]+",", ",memory,"):
			below, name = "sys/fs/cgroup/memory", "memory.limit_in_bytes"
		default:
			continue
		}
		// A group's parents limit it too. In a container the path may be that
		// of the host, and only its root is there: what is missing says nothing.
		for group := path.Clean("/" + fields[2]); ; group = path.Dir(group) {
			file := path.Join(below, group, name)
			if n := readLimit(root, file); n > 0 && (limit == 0 || n < limit) {
				limit, from = n, "/"+file
			}
			if group == "/" {
				break
			}
		}
	}
	return limit, from
}

// readLimit reads a limit in bytes; zero when there is none.
func readLimit(root fs.FS, file string) int64 {
	text, err := fs.ReadFile(root, file)
	if err != nil {
		return 0
	}
	n, err := strconv.ParseInt(strings.TrimSpace(string(text)), 10, 64) // "max" is none
	if err != nil || n >= noLimit {
		return 0
	}
	return n
}
