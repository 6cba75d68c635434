package soak

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"sync"
	"testing"
	"time"
)

var noon = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

func newRun(t *testing.T) *Run {
	t.Helper()
	run, err := Create(t.TempDir(), Plan{Name: "smoke", Seed: 7}, noon)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { run.Close() })
	return run
}

func TestRunDirectoryIsReadBack(t *testing.T) {
	run := newRun(t)
	plan := Plan{Name: "smoke", Seed: 7, Injections: []Injection{{Name: "1-reset", At: Duration(90 * time.Second), Proven: true}}}
	course := Course{Subject: SubjectBuild{Name: "streamer", Exit: "exit status 0"}, Began: noon, Interrupted: true}
	ledger := Ledger{Source: "market", Accounts: []Account{{Symbol: "BTCUSDT", Published: 3}}}
	verdict := Verdict{Schema: VerdictSchema, Outcome: Pass, Why: "a < b"}
	events := []Event{{At: noon, Kind: EventPhase, Name: PhaseWarmUp, Text: "began"}, {At: noon, Kind: EventHarness, Text: "two\nlines"}}
	samples := []Sample{{At: noon, RSSBytes: 5}, {At: noon.Add(time.Second), RSSBytes: 6, Counters: map[string]float64{"x": 1}}}
	for _, err := range []error{
		run.WritePlan(plan), run.WriteCourse(course), run.WriteLedger(ledger), run.WriteVerdict(verdict),
		run.AppendEvent(events[0]), run.AppendEvent(events[1]), run.AppendSample(samples[0]), run.AppendSample(samples[1]),
		run.Close(),
	} {
		if err != nil {
			t.Fatal(err)
		}
	}

	for _, path := range []string{run.Dir(), filepath.Join(filepath.Dir(run.Dir()), Latest)} {
		got, err := Open(path)
		if err != nil {
			t.Fatal(err)
		}
		if want := "20260301T120000Z-smoke-7"; got.ID() != want || got.Dir() != run.Dir() {
			t.Errorf("%s opens %s in %s, want %s in %s", path, got.ID(), got.Dir(), want, run.Dir())
		}
		equal(t, got.Plan(), plan)
		equal(t, must(got.ReadCourse())(t), course)
		equal(t, must(got.ReadLedger())(t), ledger)
		equal(t, must(got.ReadVerdict())(t), verdict)
		equal(t, collect(t, got.Events()), events)
		equal(t, collect(t, got.Samples()), samples)
		if err := got.AppendEvent(events[0]); !errors.Is(err, fs.ErrClosed) {
			t.Errorf("append to a run that is only read: %v", err)
		}
	}
	for _, dir := range []string{LogsDir, ProfilesDir} {
		if info, err := os.Stat(filepath.Join(run.Dir(), dir)); err != nil || !info.IsDir() {
			t.Errorf("%s: %v", dir, err)
		}
	}
}

func must[T any](v T, err error) func(*testing.T) T {
	return func(t *testing.T) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
}

func equal[T any](t *testing.T, got, want T) {
	t.Helper()
	if !reflect.DeepEqual(got, want) {
		t.Errorf("\n got %+v\nwant %+v", got, want)
	}
}

func collect[T any](t *testing.T, lines func(func(T, error) bool)) (out []T) {
	t.Helper()
	for v, err := range lines {
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, v)
	}
	return out
}

func TestRunsOfOneSecondHaveDirectoriesOfTheirOwn(t *testing.T) {
	root := t.TempDir()
	for _, want := range []string{"20260301T120000Z-smoke-7", "20260301T120000Z-smoke-7-2", "20260301T120000Z-smoke-7-3"} {
		run, err := Create(root, Plan{Name: "smoke", Seed: 7}, noon)
		if err != nil {
			t.Fatal(err)
		}
		defer run.Close()
		latest, err := Open(filepath.Join(root, Latest))
		if err != nil || run.ID() != want || latest.ID() != want {
			t.Errorf("made %s, latest is %v (%v), want %s", run.ID(), latest, err, want)
		}
	}
}

func TestCreateAndOpenSayWhatIsWrong(t *testing.T) {
	f := func(err error, want string) {
		t.Helper()
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want %q", err, want)
		}
	}
	_, err := Create(t.TempDir(), Plan{Name: "../smoke"}, noon)
	f(err, "cannot be part of a directory name")
	_, err = Create(t.TempDir(), Plan{}, noon)
	f(err, "cannot be part of a directory name")
	_, err = Open(t.TempDir())
	f(err, "is not a run directory")
	_, err = Open(filepath.Join(t.TempDir(), "nowhere"))
	f(err, "nowhere")
	run := newRun(t)
	_, err = run.ReadVerdict()
	if !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("verdict of a run that was not judged: %v", err)
	}
}

func TestWriteFileReplacesWholeOrNotAtAll(t *testing.T) {
	run := newRun(t)
	write := func(text string, err error) error {
		return run.WriteFile("x.txt", func(w io.Writer) error {
			if _, err := io.WriteString(w, text); err != nil {
				return err
			}
			return err
		})
	}
	if err := write("old", nil); err != nil {
		t.Fatal(err)
	}
	broken := errors.New("broken")
	if err := write("half", broken); !errors.Is(err, broken) {
		t.Errorf("error %v", err)
	}
	if text, err := os.ReadFile(filepath.Join(run.Dir(), "x.txt")); err != nil || string(text) != "old" {
		t.Errorf("file holds %q, %v", text, err)
	}
	entries, err := os.ReadDir(run.Dir())
	if err != nil {
		t.Fatal(err)
	}
	for _, entry := range entries {
		if strings.HasPrefix(entry.Name(), ".") {
			t.Errorf("%s is left behind", entry.Name())
		}
	}
}

func TestLinesStayWholeFromManyGoroutines(t *testing.T) {
	run := newRun(t)
	const goroutines, each = 8, 50
	var group sync.WaitGroup
	for g := range goroutines {
		group.Go(func() {
			for i := range each {
				if err := run.AppendEvent(Event{Name: fmt.Sprint(g), Text: strings.Repeat("x", 100*i)}); err != nil {
					t.Error(err)
				}
			}
		})
	}
	group.Wait()
	if n := len(collect(t, run.Events())); n != goroutines*each {
		t.Errorf("%d events, want %d", n, goroutines*each)
	}
}

func TestTornLastLineIsLeftOut(t *testing.T) {
	f := func(text string, want int, wantErr string) {
		t.Helper()
		got := 0
		var err error
		for _, e := range decodeLines[Event](strings.NewReader(text)) {
			if err != nil {
				t.Errorf("%q: something follows %v", text, err)
			}
			if err = e; err == nil {
				got++
			}
		}
		if got != want || (err == nil) != (wantErr == "") || err != nil && !strings.Contains(err.Error(), wantErr) {
			t.Errorf("%q: %d events and %v, want %d and %q", text, got, err, want, wantErr)
		}
	}
	const line = `{"name":"a"}` + "\n"
	f("", 0, "")
	f(line+line, 2, "")
	f(line+line[:5], 1, "")
	f(line+strings.TrimSuffix(line, "\n"), 2, "") // only its newline is missing
	f(line+"\x00\x00\x00", 1, "")                 // what a file system leaves after a loss of power
	f(line+"{\n"+line, 1, "line 2")
	f(line+"\n"+line, 1, "line 2")
	f(line+strings.Repeat("x", maxLine+1)+"\n", 1, "line 2: longer than")
}

func TestLineBeyondTheBoundIsRefused(t *testing.T) {
	run := newRun(t)
	if err := run.AppendEvent(Event{Text: strings.Repeat("x", maxLine)}); err == nil {
		t.Error("a line was written that cannot be read")
	}
}

// FuzzDecodeLines: whatever is in the file,
//   - reading ends, and nothing follows an error;
//   - what was read and is written again is read as the same;
//   - cutting the text short loses no event but the last.
func FuzzDecodeLines(f *testing.F) {
	f.Add([]byte(`{"at":"2026-03-01T12:00:00Z","kind":"phase","name":"calm","text":"began"}`+"\n"), uint(3))
	f.Add([]byte("{\n}\n"), uint(1))
	f.Fuzz(func(t *testing.T, text []byte, cut uint) {
		events, err := drainLines(t, text)
		var again bytes.Buffer
		for _, e := range events {
			line, err := json.Marshal(e)
			if err != nil {
				return // a year that JSON cannot write
			}
			again.Write(append(line, '\n'))
		}
		reread, rereadErr := drainLines(t, again.Bytes())
		if rereadErr != nil || len(reread) != len(events) {
			t.Errorf("written again: %+v, %v; want %+v", reread, rereadErr, events)
		}
		for i := range reread { // as text: no fields and empty fields are the same there
			if got, want := must(json.Marshal(reread[i]))(t), must(json.Marshal(events[i]))(t); !bytes.Equal(got, want) {
				t.Errorf("written again: %s, want %s", got, want)
			}
		}
		if err != nil || !bytes.HasSuffix(text, []byte("\n")) {
			return
		}
		short := text[:len(text)-1-int(cut%uint(len(text)))]
		some, shortErr := drainLines(t, short)
		if shortErr != nil || len(some) > len(events) || !reflect.DeepEqual(some, events[:len(some)]) && len(some) > 0 && !reflect.DeepEqual(some[:len(some)-1], events[:len(some)-1]) {
			t.Errorf("cut short: %+v, %v; whole: %+v", some, shortErr, events)
		}
		if lines := bytes.Count(short, []byte("\n")); len(some) < lines {
			t.Errorf("cut short: %d events of %d whole lines", len(some), lines)
		}
	})
}

func drainLines(t *testing.T, text []byte) (events []Event, err error) {
	for e, lineErr := range decodeLines[Event](bytes.NewReader(text)) {
		if err != nil {
			t.Fatalf("something follows %v", err)
		}
		if err = lineErr; err == nil {
			events = append(events, e)
		}
	}
	return events, err
}

func TestDurationIsTextInJSON(t *testing.T) {
	text, err := json.Marshal(Duration(90 * time.Second))
	if err != nil || string(text) != `"1m30s"` {
		t.Errorf("%s, %v", text, err)
	}
	var d Duration
	for _, bad := range []string{`90`, `"ninety"`} {
		if err := json.Unmarshal([]byte(bad), &d); err == nil {
			t.Errorf("%s was read as %s", bad, d)
		}
	}
}
