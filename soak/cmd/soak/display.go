package main

import (
	"fmt"
	"io"
	"os"
	"strings"
	"sync"
	"time"

	"golang.org/x/term"

	"steadfeed/soak"
	"steadfeed/soak/internal/runner"
)

// plainEvery is how often progress is printed where there is no terminal to
// draw on: often enough to see that it lives, seldom enough for a log.
const plainEvery = 10 * time.Second

// maxShownFindings bounds the findings printed while a run lasts; all that are
// kept are in the events and the report.
const maxShownFindings = 10

// display shows a run while it lasts. On a terminal a block of lines is drawn
// anew each second below the events; elsewhere there are plain lines.
type display struct {
	mu       sync.Mutex // events come from several goroutines; held only while writing
	out      io.Writer
	live     bool
	width    func() int
	drawn    int // lines of the block on the screen
	last     runner.Progress
	printed  time.Time
	findings int
}

func newDisplay(out io.Writer) *display {
	d := &display{out: out, width: func() int { return 80 }}
	if file, isFile := out.(*os.File); isFile && term.IsTerminal(int(file.Fd())) && os.Getenv("TERM") != "dumb" {
		d.live = true
		d.width = func() int {
			if width, _, err := term.GetSize(int(file.Fd())); err == nil && width > 0 {
				return width
			}
			return 80
		}
	}
	return d
}

// begin says what is about to happen and how to make it happen again.
func (d *display) begin(plan soak.Plan) {
	fmt.Fprintf(d.out, "plan %s, seed %d, %s, %d injections, subject: %s\n",
		plan.Name, plan.Seed, plan.Length(), len(plan.Injections), strings.Join(plan.Subject.Command, " "))
}

// event prints an event above the block.
func (d *display) event(event soak.Event) {
	line := eventLine(event)
	if line == "" {
		return
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if event.Kind == soak.EventFinding {
		if d.findings++; d.findings > maxShownFindings {
			return
		}
	}
	d.erase()
	fmt.Fprintln(d.out, line)
	if d.live && d.last.Plan != "" {
		d.draw()
	}
}

// progress takes the figures of the second.
func (d *display) progress(p runner.Progress) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.last = p
	if d.live {
		d.erase()
		d.draw()
		return
	}
	if now := time.Now(); now.Sub(d.printed) >= plainEvery-watchSlack {
		d.printed = now
		fmt.Fprintln(d.out, plainLine(p))
	}
}

// watchSlack: figures come each second, a little late at times.
const watchSlack = 500 * time.Millisecond

// end leaves the screen to what comes next.
func (d *display) end() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.erase()
}

func (d *display) draw() {
	lines := block(d.last, d.width())
	fmt.Fprint(d.out, strings.Join(lines, "\n")+"\n")
	d.drawn = len(lines)
}

// erase takes the block off the screen: to the beginning of its first line,
// then everything below. The cursor need not be in the first column: a ctrl-C
// shows as "^C".
func (d *display) erase() {
	if d.drawn > 0 {
		fmt.Fprintf(d.out, "\r\x1b[%dA\x1b[J", d.drawn)
		d.drawn = 0
	}
}

// eventLine is an event for the eye; sessions come and go too often to be shown.
func eventLine(event soak.Event) string {
	if event.Kind == soak.EventSession {
		return ""
	}
	return fmt.Sprintf("%s  %-9s  %s: %s", event.At.Local().Format(time.TimeOnly), event.Kind, event.Name, event.Text)
}

// plainLine is progress in one line.
func plainLine(p runner.Progress) string {
	fields := []string{
		fmt.Sprintf("%-8s %s elapsed, %s left", p.Phase, clock(p.Elapsed), clock(p.Remaining)),
		fmt.Sprintf("%.0f msg/s", p.Rate),
		fmt.Sprintf("delivered %d of %d", p.Delivered, p.Published),
		fmt.Sprintf("lag %s (max %s)", short(p.LagP50), short(p.LagMax)),
		"RSS " + megabytes(p.RSSBytes),
		faults(p),
		fmt.Sprintf("findings %d", p.Findings),
	}
	return strings.Join(fields, ", ")
}

// block is progress as lines no wider than the terminal.
func block(p runner.Progress, width int) []string {
	lines := []string{
		fmt.Sprintf("%s  seed %d  subject %s", p.Plan, p.Seed, p.Subject),
		fmt.Sprintf("phase     %-9s %s  %s elapsed, %s left", p.Phase, bar(p, 20), clock(p.Elapsed), clock(p.Remaining)),
		fmt.Sprintf("trades    %.0f msg/s  delivered %d of %d  not yet visible %d", p.Rate, p.Delivered, p.Published, p.Behind),
		fmt.Sprintf("lag       %s median, %s longest", short(p.LagP50), short(p.LagMax)),
		fmt.Sprintf("memory    %s", megabytes(p.RSSBytes)),
		faults(p),
		fmt.Sprintf("findings  %d", p.Findings),
	}
	lines[5] = "faults    " + strings.TrimPrefix(lines[5], "faults ")
	for i, line := range lines {
		if len(line) >= width { // a line that wraps would spoil the next redraw
			lines[i] = line[:max(0, width-1)]
		}
	}
	return lines
}

func faults(p runner.Progress) string {
	text := fmt.Sprintf("faults %d of %d", p.Injections, p.Planned)
	if p.Active != "" {
		text += " (now " + p.Active + ")"
	}
	return text
}

// bar shows how much of the phases is over.
func bar(p runner.Progress, width int) string {
	total := p.Elapsed + p.Remaining
	full := width
	if total > 0 {
		full = int(float64(width) * float64(p.Elapsed) / float64(total))
	}
	full = min(max(full, 0), width)
	return "[" + strings.Repeat("#", full) + strings.Repeat(".", width-full) + "]"
}

func clock(d time.Duration) string {
	d = d.Round(time.Second)
	if d >= time.Hour {
		return fmt.Sprintf("%d:%02d:%02d", int(d.Hours()), int(d.Minutes())%60, int(d.Seconds())%60)
	}
	return fmt.Sprintf("%d:%02d", int(d.Minutes()), int(d.Seconds())%60)
}

func short(d time.Duration) string {
	if d >= time.Second {
		return d.Round(100 * time.Millisecond).String()
	}
	return d.Round(time.Millisecond).String()
}

func megabytes(bytes int64) string {
	if bytes == 0 { // no sample yet
		return "-"
	}
	return fmt.Sprintf("%.1f MB", float64(bytes)/1e6)
}
