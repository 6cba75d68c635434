package main

import (
	"bytes"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"steadfeed/soak"
	"steadfeed/soak/internal/runner"
)

// Not -update: a library that compose brings along has that flag.
var update = flag.Bool("rewrite", false, "write the golden files anew")

func golden(t *testing.T, name, got string) {
	t.Helper()
	path := filepath.Join("testdata", name)
	if *update {
		if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if got != string(want) {
		t.Errorf("%s differs; run with -rewrite if this is wanted\ngot:\n%s\nwant:\n%s", name, got, want)
	}
}

// scenes are a run at three moments.
func scenes() []runner.Progress {
	quiet := runner.Progress{
		Plan: "smoke", Seed: 7, Subject: "streamer", Phase: soak.PhaseWarmUp, PhaseN: 1, Phases: 3,
		Elapsed: 11 * time.Second, Remaining: 209 * time.Second,
		Rate: 149.6, Published: 1650, Delivered: 1648, Behind: 2,
		LagP50: 31 * time.Millisecond, LagMax: 64 * time.Millisecond, RSSBytes: 18_234_000, Planned: 5,
	}
	trouble := quiet
	trouble.Phase, trouble.PhaseN = soak.PhaseChaos, 2
	trouble.Elapsed, trouble.Remaining = 95*time.Second, 125*time.Second
	trouble.Rate, trouble.Behind, trouble.LagMax = 0, 2210, 14740*time.Millisecond
	trouble.Published, trouble.Delivered = 14_250, 12_040
	trouble.Active, trouble.Injections, trouble.Findings = "3-stall", 2, 1
	long := trouble
	long.Phase, long.PhaseN, long.Active = soak.PhaseDrain, 0, ""
	long.Elapsed, long.Remaining = 25*time.Hour+3*time.Minute, 0
	return []runner.Progress{quiet, trouble, long}
}

func TestProgressOnATerminal(t *testing.T) {
	var text strings.Builder
	for _, p := range scenes() {
		text.WriteString(strings.Join(block(p, 80), "\n") + "\n\n")
	}
	golden(t, "block.txt", text.String())
}

func TestProgressInPlainLines(t *testing.T) {
	var text strings.Builder
	for _, p := range scenes() {
		text.WriteString(plainLine(p) + "\n")
	}
	golden(t, "plain.txt", text.String())
}

func TestBlockFitsTheTerminal(t *testing.T) {
	for _, width := range []int{1, 20, 40, 80} {
		for _, line := range block(scenes()[1], width) {
			if len(line) >= width {
				t.Errorf("on a terminal of %d columns the line %q would wrap", width, line)
			}
		}
	}
}

// TestRedrawLeavesOneBlock replays what is written on a tiny terminal: cursor
// up, erase below, print.
func TestRedrawLeavesOneBlock(t *testing.T) {
	var out bytes.Buffer
	d := &display{out: &out, live: true, width: func() int { return 80 }}
	var want strings.Builder
	for i, p := range scenes() {
		d.progress(p)
		out.WriteString("^C") // the terminal echoes what is typed
		event := soak.Event{Kind: soak.EventPhase, Name: "p", Text: strings.Repeat("!", i+1)}
		d.event(event)
		want.WriteString(eventLine(event) + "\n")
	}
	want.WriteString(strings.Join(block(scenes()[2], 80), "\n") + "\n")
	if screen := emulate(out.String()); screen != want.String() {
		t.Errorf("on the screen:\n%s\nwant the events and one block:\n%s", screen, &want)
	}
	d.end()
	if screen := emulate(out.String()); strings.Contains(screen, "seed 7") {
		t.Errorf("the block is still there at the end:\n%s", screen)
	}
}

// emulate is a terminal that knows newline, carriage return, cursor up and
// erase below.
func emulate(text string) string {
	screen, row, col := [][]byte{nil}, 0, 0
	for text != "" {
		switch rest, sequence := strings.CutPrefix(text, "\x1b["); {
		case sequence:
			n := 0
			for rest[0] >= '0' && rest[0] <= '9' {
				n, rest = 10*n+int(rest[0]-'0'), rest[1:]
			}
			switch rest[0] {
			case 'A':
				row -= n
			case 'J':
				screen = screen[:row+1]
				screen[row] = screen[row][:min(col, len(screen[row]))]
			}
			text = rest[1:]
			continue
		case text[0] == '\r':
			col = 0
		case text[0] == '\n':
			row, col = row+1, 0
			if row == len(screen) {
				screen = append(screen, nil)
			}
		default:
			screen[row] = append(screen[row][:min(col, len(screen[row]))], text[0])
			col++
		}
		text = text[1:]
	}
	return string(bytes.Join(screen, []byte("\n")))
}
