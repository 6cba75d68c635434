package main

import (
	"bytes"
	"log/slog"
	"math"
	"runtime/debug"
	"strings"
	"testing"
	"testing/fstest"
)

// files is a file system with these files.
func files(pairs ...string) fstest.MapFS {
	root := fstest.MapFS{}
	for i := 0; i < len(pairs); i += 2 {
		root[pairs[i]] = &fstest.MapFile{Data: []byte(pairs[i+1])}
	}
	return root
}

func TestContainerLimit(t *testing.T) {
	f := func(what string, root fstest.MapFS, want int64) {
		t.Helper()
		if got, from := containerLimit(root); got != want || (from == "") != (want == 0) {
			t.Errorf("%s: %d from %q, want %d", what, got, from, want)
		}
	}
	f("no control groups", files(), 0)
	f("version 2, in a container", files("proc/self/cgroup", "0::/\n", "sys/fs/cgroup/memory.max", "536870912\n"), 512<<20)
	f("version 2, no limit", files("proc/self/cgroup", "0::/\n", "sys/fs/cgroup/memory.max", "max\n"), 0)
	f("version 2, a service whose slice is smaller", files("proc/self/cgroup", "0::/system.slice/streamer.service\n",
		"sys/fs/cgroup/system.slice/streamer.service/memory.max", "1073741824\n", "sys/fs/cgroup/system.slice/memory.max", "536870912\n"), 512<<20)
	f("version 1, path of the host", files("proc/self/cgroup", "5:cpu,cpuacct:/docker/abc\n4:memory:/docker/abc\n", "sys/fs/cgroup/memory/memory.limit_in_bytes", "268435456\n"), 256<<20)
	f("version 1, no limit", files("proc/self/cgroup", "4:memory:/\n", "sys/fs/cgroup/memory/memory.limit_in_bytes", "9223372036854771712\n"), 0)
	f("both, the first with the memory", files("proc/self/cgroup", "4:memory:/x\n0::/x\n", "sys/fs/cgroup/memory/x/memory.limit_in_bytes", "1000000\n"), 1000000)
	f("something unreadable", files("proc/self/cgroup", "what\n0::/\n", "sys/fs/cgroup/memory.max", "lots\n"), 0)
}

func TestLimitMemory(t *testing.T) {
	before := debug.SetMemoryLimit(-1)
	defer debug.SetMemoryLimit(before)
	root := files("proc/self/cgroup", "0::/\n", "sys/fs/cgroup/memory.max", "536870912\n")
	f := func(environment string, root fstest.MapFS, want int64, says string) {
		t.Helper()
		debug.SetMemoryLimit(math.MaxInt64)
		t.Setenv("GOMEMLIMIT", environment)
		var out bytes.Buffer
		limitMemory(root, slog.New(slog.NewTextHandler(&out, nil)))
		if got := debug.SetMemoryLimit(-1); got != want || !strings.Contains(out.String(), says) {
			t.Errorf("limit %d, want %d; it said %s", got, want, &out)
		}
	}
	f("", root, 456340275, "from=/sys/fs/cgroup/memory.max")
	f("100MiB", root, math.MaxInt64, "from=GOMEMLIMIT")
	f("", files(), math.MaxInt64, "nowhere")
}
