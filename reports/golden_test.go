package reports

import (
	"bytes"
	"flag"
	"os"
	"path/filepath"
	"testing"
	"time"

	"steadfeed/soak"
)

var update = flag.Bool("update", false, "write the golden files anew")

// golden compares got with a file in testdata. What changed is best seen by
// opening both pages side by side.
func golden(t *testing.T, name string, got []byte) {
	t.Helper()
	path := filepath.Join("testdata", name)
	if *update {
		must(t, os.WriteFile(path, got, 0o644))
		return
	}
	want, err := os.ReadFile(path)
	must(t, err)
	if bytes.Equal(got, want) {
		return
	}
	at := 0
	for at < min(len(got), len(want)) && got[at] == want[at] {
		at++
	}
	excerpt := func(b []byte) []byte { return b[max(0, min(at, len(b))-80):min(len(b), at+120)] }
	t.Errorf("%s differs from byte %d; if that is meant, run go test ./reports -update\ngot  ...%s...\nwant ...%s...", path, at, excerpt(got), excerpt(want))
}

func pageOf(t testing.TB, run *soak.Run) []byte {
	t.Helper()
	var b bytes.Buffer
	must(t, HTML(&b, run))
	return b.Bytes()
}

func TestGolden(t *testing.T) {
	t.Run("pass", func(t *testing.T) {
		golden(t, "pass.golden.html", pageOf(t, newSynthetic(2*time.Minute, 10*time.Second, 3).write(t)))
	})
	t.Run("fail", func(t *testing.T) {
		golden(t, "fail.golden.html", pageOf(t, newFailing().write(t)))
	})
	t.Run("broken", func(t *testing.T) {
		run := newSynthetic(time.Minute, 10*time.Second, 2).write(t)
		must(t, os.Remove(filepath.Join(run.Dir(), soak.VerdictFile)))
		must(t, os.Remove(filepath.Join(run.Dir(), soak.LedgerFile)))
		golden(t, "broken.golden.html", pageOf(t, run))
	})
}

func TestGoldenSVG(t *testing.T) {
	s := newSynthetic(2*time.Minute, 2*time.Second, 3)
	e := collect(s.write(t))
	drawn := newCharts(e, e.span(), e.marks())
	golden(t, "memory.golden.svg", []byte(drawn.memory.svg()))
	golden(t, "lag.golden.svg", []byte(drawn.lag.svg()))
}

func TestSameRunSameBytes(t *testing.T) {
	run := newFailing().write(t)
	if !bytes.Equal(pageOf(t, run), pageOf(t, run)) {
		t.Error("two reports of one run differ")
	}
}

func TestWrite(t *testing.T) {
	run := newSynthetic(time.Minute, 10*time.Second, 2).write(t)
	must(t, os.WriteFile(filepath.Join(run.Dir(), soak.ReportFile), []byte("older"), 0o644))
	must(t, Write(run))
	got, err := os.ReadFile(filepath.Join(run.Dir(), soak.ReportFile))
	must(t, err)
	if !bytes.HasPrefix(got, []byte("<!doctype html>")) || !bytes.HasSuffix(got, []byte("</html>\n")) {
		t.Errorf("report.html is not a whole page: %.60q ... %.60q", got, got[max(0, len(got)-60):])
	}
	left, err := filepath.Glob(filepath.Join(run.Dir(), ".report*"))
	must(t, err)
	if len(left) > 0 {
		t.Errorf("left behind: %v", left)
	}
}
