package reports

import (
	"fmt"
	"html"
	"html/template"
	"strings"
	"time"

	"steadfeed/soak"
)

// timeline draws what happened as lanes over the same time axis as the charts
// below it: phases, injections, sessions, the subject, alerts, findings.
type timeline struct {
	span     span
	marks    marks
	sessions []soak.Session
	subject  []mark
	harness  []mark
	alerts   []mark
	findings []time.Time

	unplanned func(soak.Session) bool
}

// mark is a dated event in a lane.
type mark struct {
	at   time.Time
	text string
}

const (
	laneHeight   = 26
	sessionRows  = 5 // sessions that may overlap and still be told apart; more share the last row
	sessionPitch = 9
	// maxMarks bounds the labelled marks of a lane; beyond it there is no room
	// for labels anyway.
	maxMarks = 60
)

// caption says in a sentence what the timeline shows.
func (t *timeline) caption() string {
	proven, began := 0, 0
	for _, b := range t.marks.bands {
		if b.wasRun {
			began++
		}
		if b.proven {
			proven++
		}
	}
	return fmt.Sprintf("%s, %s begun of which %s proven, %s, %s.",
		plural(int64(len(t.marks.phases)), "phase"), plural(int64(began), "injection"), count(int64(proven)),
		plural(int64(len(t.sessions)), "session"), plural(int64(len(t.findings)), "finding"))
}

func (t *timeline) svg() template.HTML {
	var lanes strings.Builder
	y := 4
	lane := func(name string, height int, draw func(b *strings.Builder, y int)) {
		fmt.Fprintf(&lanes, `<path class="grid" d="M0 %dH%d"/><text class="lane" x="0" y="%d">%s</text>`, y+height, wideSize.width-wideSize.right, y+height/2+4, name)
		draw(&lanes, y)
		lanes.WriteByte('\n')
		y += height
	}
	top := y
	lane("phases", laneHeight, t.drawPhases)
	lane("injections", laneHeight+8, t.drawInjections)
	rows, placed := stack(t.sessions, t.span.ended)
	lane("sessions", max(laneHeight, rows*sessionPitch+12), func(b *strings.Builder, y int) { t.drawSessions(b, y, placed) })
	lane("subject", laneHeight, func(b *strings.Builder, y int) { t.drawMarks(b, y, t.subject) })
	if len(t.harness) > 0 {
		lane("harness", laneHeight, func(b *strings.Builder, y int) { t.drawMarks(b, y, t.harness) })
	}
	if len(t.alerts) > 0 {
		lane("alerts", laneHeight, func(b *strings.Builder, y int) { t.drawMarks(b, y, t.alerts) })
	}
	lane("findings", laneHeight, t.drawFindings)

	z := wideSize
	z.height, z.labels = y+2*labelRow+6, false
	var b strings.Builder
	fmt.Fprintf(&b, `<svg class="chart" id="timeline" viewBox="0 0 %d %d" role="img" aria-labelledby="timeline-t timeline-d">`, z.width, z.height)
	fmt.Fprintf(&b, "\n<title id=\"timeline-t\">Course of the run</title><desc id=\"timeline-d\">%s</desc>\n", html.EscapeString(t.caption()))
	t.marks.draw(&b, t.span, z, top, y)
	drawTimeAxis(&b, t.span, z, top, y)
	b.WriteString(lanes.String())
	b.WriteString("</svg>")
	return template.HTML(b.String())
}

func (t *timeline) x(at time.Time) float64 {
	return float64(wideSize.left) + t.span.place(at)*float64(wideSize.plot())
}

func (t *timeline) drawPhases(b *strings.Builder, y int) {
	for i, phase := range t.marks.phases {
		from, to := t.x(phase.at), t.x(t.span.ended)
		if i+1 < len(t.marks.phases) {
			to = t.x(t.marks.phases[i+1].at)
		}
		fmt.Fprintf(b, `<rect class="stage" x="%.1f" y="%d" width="%.1f" height="16" rx="2"/>`, from, y+5, max(1, to-from-1))
		if charWidth*float64(len(phase.name))+8 < to-from {
			fmt.Fprintf(b, `<text class="stage-label" x="%.1f" y="%d">%s</text>`, from+5, y+17, html.EscapeString(phase.name))
		}
	}
}

// drawInjections draws each injection with its number and fault above, and a
// filled bar where its effect was proven, an open one where it was not.
func (t *timeline) drawInjections(b *strings.Builder, y int) {
	free := 0.0
	for _, band := range t.marks.bands {
		if !band.wasRun {
			continue
		}
		ended := band.ended
		if ended.Before(band.began) {
			ended = t.span.ended
		}
		from, to := t.x(band.began), t.x(ended)
		class, state := "hit", "proven"
		if !band.proven {
			class, state = "hit open", "not proven"
		}
		fmt.Fprintf(b, `<rect class="%s" x="%.1f" y="%d" width="%.1f" height="11" rx="1"><title>%s, %s</title></rect>`,
			class, from, y+18, max(3, to-from), html.EscapeString(band.name), state)
		for _, label := range []string{band.name, fmt.Sprint(band.number)} { // the short one where the long one has no room
			if from > free {
				if width := charWidth * float64(len([]rune(label))); from+width < t.x(t.span.ended) {
					next := t.nextBegins(band.number)
					if from+width+4 < next || label == fmt.Sprint(band.number) {
						fmt.Fprintf(b, `<text class="tick" x="%.1f" y="%d">%s</text>`, from, y+13, html.EscapeString(label))
						free = from + width + 4
						break
					}
				}
			}
		}
	}
}

// nextBegins is where the injection after the given one begins.
func (t *timeline) nextBegins(number int) float64 {
	for _, band := range t.marks.bands {
		if band.number > number && band.wasRun {
			return t.x(band.began)
		}
	}
	return t.x(t.span.ended)
}

// placed is a session in a row of its lane.
type placedSession struct {
	soak.Session
	row   int
	ended time.Time
}

// stack puts sessions that overlap into different rows.
func stack(sessions []soak.Session, end time.Time) (rows int, placed []placedSession) {
	var free [sessionRows]time.Time
	for _, s := range sessions {
		p := placedSession{Session: s, row: sessionRows - 1, ended: s.Closed}
		if p.ended.IsZero() {
			p.ended = end
		}
		for row, at := range free {
			if !s.Opened.Before(at) {
				p.row = row
				break
			}
		}
		free[p.row] = p.ended
		rows = max(rows, p.row+1)
		placed = append(placed, p)
	}
	return rows, placed
}

// drawSessions draws all sessions in three paths, so that a thousand of them
// cost little: the bars, the planned ends, and the ends that nobody planned.
func (t *timeline) drawSessions(b *strings.Builder, y int, placed []placedSession) {
	var bars, ends, cuts strings.Builder
	for _, p := range placed {
		middle := float64(y+9) + float64(p.row*sessionPitch)
		from, to := t.x(p.Opened), t.x(p.ended)
		fmt.Fprintf(&bars, "M%.1f %.1fH%.1f", from, middle, max(to, from+1))
		switch {
		case p.Closed.IsZero():
		case t.unplanned(p.Session):
			fmt.Fprintf(&cuts, "M%.1f %.1fl6 6m0-6l-6 6", to-3, middle-3)
		default:
			fmt.Fprintf(&ends, "M%.1f %.1fv7", to, middle-3.5)
		}
	}
	for _, path := range []struct{ class, d string }{{"session", bars.String()}, {"ended", ends.String()}, {"cut-off", cuts.String()}} {
		if path.d != "" {
			fmt.Fprintf(b, `<path class="%s" d="%s"/>`, path.class, path.d)
		}
	}
}

func (t *timeline) drawMarks(b *strings.Builder, y int, events []mark) {
	free := 0.0
	for i, event := range events {
		if i == maxMarks {
			return
		}
		x := t.x(event.at)
		text := []rune(event.text)
		if len(text) > 28 {
			text = append(text[:27], '…')
		}
		fmt.Fprintf(b, `<circle class="moment" cx="%.1f" cy="%d" r="3"><title>%s</title></circle>`, x, y+13, html.EscapeString(event.text))
		width := charWidth*float64(len(text)) + 8
		end := float64(wideSize.left + wideSize.plot())
		switch {
		case x < free: // no room
		case x+width < end && (i+1 == len(events) || x+width < t.x(events[i+1].at)):
			fmt.Fprintf(b, `<text class="tick" x="%.1f" y="%d">%s</text>`, x+6, y+17, html.EscapeString(string(text)))
			free = x + width
		case i+1 == len(events) && x-width > free:
			fmt.Fprintf(b, `<text class="tick end" x="%.1f" y="%d">%s</text>`, x-6, y+17, html.EscapeString(string(text)))
		}
	}
}

func (t *timeline) drawFindings(b *strings.Builder, y int) {
	if len(t.findings) == 0 {
		fmt.Fprintf(b, `<text class="tick soft" x="%d" y="%d">none</text>`, wideSize.left+4, y+17)
		return
	}
	var d strings.Builder
	for _, at := range t.findings {
		fmt.Fprintf(&d, "M%.1f %dl4 8h-8z", t.x(at), y+9)
	}
	fmt.Fprintf(b, `<path class="finding" d="%s"/>`, d.String())
}
