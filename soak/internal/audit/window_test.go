package audit

import (
	"math"
	"slices"
	"testing"
	"time"

	"steadfeed/soak"
)

// A scene is a run of a market of 100 trades a second: when each trade becomes
// visible, and what else happens when.
type scene struct {
	visible func(due float64) float64 // seconds; never visible: infinite
	acts    map[float64]func(*rig)
	end     float64 // of traffic and of the scene
}

// prompt is visible as a good subject's trades are.
func prompt(due float64) float64 { return due + lagged.Seconds() }

// stalled has nothing become visible from one time to another.
func stalled(from, to float64) func(float64) float64 {
	return func(due float64) float64 {
		if at := prompt(due); at < from || at >= to {
			return at
		}
		return to
	}
}

// play runs the scene, the auditor being asked for its figures each second.
func (s scene) play(t *testing.T) (*rig, soak.Ledger) {
	t.Helper()
	r := newRig(t, 100, "BTCUSDT")
	type act struct {
		at float64
		do func(*rig)
	}
	var acts []act
	for at, do := range s.acts {
		acts = append(acts, act{at, do})
	}
	for tick := 1.0; tick <= s.end; tick++ {
		acts = append(acts, act{tick, func(r *rig) { r.Now(second(tick)) }})
	}
	for id := r.market.FirstID("BTCUSDT"); ; id++ {
		record := r.record("BTCUSDT", id)
		due := time.UnixMicro(record.Trade.EventAt).Sub(start).Seconds()
		if due > s.end {
			break
		}
		if at := s.visible(due); at <= s.end {
			record.VisibleAt = second(at)
			acts = append(acts, act{at, func(r *rig) { r.Observe(record) }})
		}
	}
	slices.SortStableFunc(acts, func(a, b act) int {
		switch {
		case a.at < b.at:
			return -1
		case a.at > b.at:
			return 1
		}
		return 0
	})
	for _, act := range acts {
		r.book.publish(second(act.at))
		act.do(r)
	}
	r.book.publish(second(s.end))
	r.End(second(s.end))
	return r, r.Ledger()
}

func disturb(name string, at float64) func(*rig) {
	return func(r *rig) { r.Disturb(name, second(at)) }
}

func heal(name string, at, settle float64) func(*rig) {
	return func(r *rig) { r.Heal(name, second(at), time.Duration(settle*float64(time.Second))) }
}

// about compares to less than half a second: trades come in bursts, and
// windows are looked at each tenth.
func about(t *testing.T, what string, got, want float64) {
	t.Helper()
	if math.Abs(got-want) > 0.4 {
		t.Errorf("%s %.3f s, want about %.3f s", what, got, want)
	}
}

// since is a moment in seconds of the scene.
func since(at time.Time) float64 { return at.Sub(start).Seconds() }

func TestCleanSubjectIsNotBlamedForABacklog(t *testing.T) {
	_, l := scene{
		visible: stalled(10, 21), // also for trades that were on their way at 10
		acts:    map[float64]func(*rig){10: disturb("1-stall", 10), 20: heal("1-stall", 20, 5)},
		end:     40,
	}.play(t)
	w := l.Windows[0]
	about(t, "pause", w.LongestPause, 11)
	about(t, "catch-up", w.CatchUp, 1)
	about(t, "closed", since(w.Closed), 25)
	if !w.CaughtUp || w.CutShort != "" || w.Backlog < 500 || w.Trades < w.Backlog {
		t.Errorf("window %+v", w)
	}
	if p := l.Phases[0]; p.Max > 0.05 {
		t.Errorf("phase %+v: charged for an injection", p)
	}
	if u := l.Uptime; u.Bad != 0 || u.Seconds != 40 || u.Disturbed != 15 {
		t.Errorf("uptime %+v", u)
	}
	if l.Findings = slices.DeleteFunc(l.Findings, func(f soak.Finding) bool { return f.Guarantee == soak.Complete }); len(l.Findings) > 0 {
		t.Errorf("findings %+v", l.Findings)
	}
}

// A drop is over as soon as it began; the subject notices nothing at first.
// That it was fresh at that moment does not mean that it has caught up.
func TestCatchingUpIsTheLastTimeItBecameFresh(t *testing.T) {
	_, l := scene{
		visible: stalled(10, 14),
		acts:    map[float64]func(*rig){10: disturb("1-reset", 10), 10.001: heal("1-reset", 10.001, 10)},
		end:     30,
	}.play(t)
	about(t, "catch-up", l.Windows[0].CatchUp, 4)
	about(t, "closed", since(l.Windows[0].Closed), 20)
}

func TestDelayFromBeforeAWindowIsCharged(t *testing.T) {
	_, l := scene{
		visible: stalled(3, 21), // it stopped seven seconds before the injection
		acts:    map[float64]func(*rig){10: disturb("1-stall", 10), 20: heal("1-stall", 20, 5)},
		end:     40,
	}.play(t)
	about(t, "longest lag", l.Phases[0].Max, 7)
	about(t, "pause", l.Windows[0].LongestPause, 11)
	if u := l.Uptime; u.Bad != 2 { // those of 3 to 5 pass five seconds from 8 to 10
		t.Errorf("uptime %+v", u)
	}
}

func TestSubjectThatNeverRecoversIsInTheOpen(t *testing.T) {
	r, l := scene{
		visible: func(due float64) float64 {
			if due > 10 {
				return math.Inf(1)
			}
			return prompt(due)
		},
		acts: map[float64]func(*rig){10: disturb("1-stall", 10), 20: heal("1-stall", 20, 5)},
		end:  50,
	}.play(t)
	w := l.Windows[0]
	about(t, "closed", since(w.Closed), 30) // twice the settle time
	about(t, "pause", w.LongestPause, 20)   // until then it is the injection's
	about(t, "catch-up so far", w.CatchUp, 30)
	if w.CaughtUp {
		t.Error("it has caught up")
	}
	if u := l.Uptime; u.Disturbed != 20 || u.Bad < 14 { // from 35 on
		t.Errorf("uptime %+v", u)
	}
	if totals := r.Now(second(50)); totals.CaughtUp || totals.LagMax < 39*time.Second {
		t.Errorf("totals %+v", totals)
	}
}

func TestWindowWaitsForCatchingUp(t *testing.T) {
	_, l := scene{
		visible: stalled(10, 28),
		acts:    map[float64]func(*rig){10: disturb("1-stall", 10), 20: heal("1-stall", 20, 5)},
		end:     40,
	}.play(t)
	about(t, "closed", since(l.Windows[0].Closed), 28)
	about(t, "catch-up", l.Windows[0].CatchUp, 8)
	if p := l.Phases[0]; p.Max > 0.3 {
		t.Errorf("phase %+v", p)
	}
}

// What happens after a window has closed counts, also a moment after.
func TestTroubleAfterAWindowIsCharged(t *testing.T) {
	_, l := scene{
		visible: stalled(25, 35),
		acts:    map[float64]func(*rig){10: disturb("1-stall", 10), 20: heal("1-stall", 20, 5)},
		end:     40,
	}.play(t)
	about(t, "longest lag", l.Phases[0].Max, 10)
	about(t, "pause", l.Windows[0].LongestPause, 0)
	if l.Uptime.Bad < 4 {
		t.Errorf("uptime %+v", l.Uptime)
	}
}

func TestNextInjectionCutsAWindowShort(t *testing.T) {
	_, l := scene{
		visible: stalled(10, 34),
		acts: map[float64]func(*rig){
			10: disturb("1-stall", 10), 20: heal("1-stall", 20, 15),
			24: disturb("2-stall", 24), 30: heal("2-stall", 30, 5),
		},
		end: 50,
	}.play(t)
	first, next := l.Windows[0], l.Windows[1]
	if first.CaughtUp || first.CutShort != "2-stall" {
		t.Errorf("first window %+v", first)
	}
	about(t, "first closed", since(first.Closed), 24)
	about(t, "first pause", first.LongestPause, 14)
	about(t, "first catch-up so far", first.CatchUp, 4)
	about(t, "next pause", next.LongestPause, 10)
	about(t, "next catch-up", next.CatchUp, 4)
	if p := l.Phases[0]; p.Max > 0.05 {
		t.Errorf("phase %+v", p)
	}
}

// An injection within another answers for its own time; the outer one for the
// rest of its own.
func TestNestedWindows(t *testing.T) {
	_, l := scene{
		visible: stalled(10, 26),
		acts: map[float64]func(*rig){
			10: disturb("outer", 10), 12: disturb("inner", 12),
			13: heal("inner", 13, 2), 30: heal("outer", 30, 5),
		},
		end: 50,
	}.play(t)
	if got := l.Uptime.Disturbed; got != 25 {
		t.Errorf("%d s disturbed", got)
	}
	if p := l.Phases[0]; p.Max > 0.05 {
		t.Errorf("phase %+v", p)
	}
	about(t, "inner pause", l.Windows[1].LongestPause, 5) // to 17, twice its settle time
	about(t, "outer pause", l.Windows[0].LongestPause, 9) // from 17 to 26
}

// A subject that skips what it missed has a pause as long as one that catches
// up: the trades were due and invisible.
func TestPauseCountsTradesThatNeverCame(t *testing.T) {
	_, l := scene{
		visible: func(due float64) float64 {
			if due >= 10 && due < 18 {
				return math.Inf(1)
			}
			return prompt(due)
		},
		acts: map[float64]func(*rig){10: disturb("1-stall", 10), 20: heal("1-stall", 20, 5)},
		end:  40,
	}.play(t)
	if pause := l.Windows[0].LongestPause; pause < 6.5 || pause > 8.1 { // it is looked at each second
		t.Errorf("pause %g s", pause)
	}
}

// So has one whose run ends while it pauses.
func TestPauseCountsTradesThatAreStillInvisible(t *testing.T) {
	r := newRig(t, 100, "BTCUSDT")
	r.book.publish(second(10))
	r.observe(r.history("BTCUSDT"))
	r.Disturb("1-stall", second(10))
	r.book.publish(second(20))
	r.End(second(20))
	about(t, "pause", r.Ledger().Windows[0].LongestPause, 10)
}

// One lost trade is one finding and one bad second; the windows after it close
// in time and have nothing to do with it.
func TestLostTradeHoldsUpNothing(t *testing.T) {
	lost := 0
	_, l := scene{
		visible: func(due float64) float64 {
			if due >= 5 && lost == 0 {
				lost++
				return math.Inf(1)
			}
			return prompt(due)
		},
		acts: map[float64]func(*rig){10: disturb("1-reset", 10), 11: heal("1-reset", 11, 5)},
		end:  30,
	}.play(t)
	about(t, "closed", since(l.Windows[0].Closed), 16)
	about(t, "pause", l.Windows[0].LongestPause, 0)
	if !l.Windows[0].CaughtUp || l.Uptime.Bad != 1 {
		t.Errorf("window %+v, uptime %+v", l.Windows[0], l.Uptime)
	}
	if f := l.Findings[0]; f.Guarantee != soak.Complete || f.During != "" {
		t.Errorf("finding %+v", f)
	}
}

func TestFindingNamesItsInjection(t *testing.T) {
	lost := 0
	_, l := scene{
		visible: func(due float64) float64 {
			if due >= 10.5 && lost == 0 {
				lost++
				return math.Inf(1)
			}
			return prompt(due)
		},
		acts: map[float64]func(*rig){10: disturb("1-reset", 10), 11: heal("1-reset", 11, 5)},
		end:  30,
	}.play(t)
	if f := l.Findings[0]; f.Guarantee != soak.Complete || f.During != "1-reset" {
		t.Errorf("finding %+v", f)
	}
}

func TestPhasesAndDrift(t *testing.T) {
	_, l := scene{
		visible: func(due float64) float64 { return prompt(due) + 0.005*due }, // 5 ms a second
		acts: map[float64]func(*rig){
			40: func(r *rig) { r.Phase(soak.PhaseCalm, second(40)) },
			80: func(r *rig) { r.Phase(soak.PhaseDrain, second(80)) },
		},
		end: 81,
	}.play(t)
	if len(l.Phases) < 2 || l.Phases[1].Phase != soak.PhaseCalm {
		t.Fatalf("phases %+v", l.Phases)
	}
	if drift := l.Phases[1].P50 - l.Phases[0].P50; drift < 0.17 || drift > 0.23 { // 5 ms x 40 s between the middles
		t.Errorf("drift %g s", drift)
	}
}

func TestFiguresOfAMoment(t *testing.T) {
	r := newRig(t, 20, "BTCUSDT")
	r.book.publish(second(10))
	h := r.history("BTCUSDT")
	r.observe(h[:50])
	totals := r.Now(second(10))
	if totals.Published != int64(len(h)) || totals.Delivered != 50 || totals.Behind != int64(len(h)-50) || totals.CaughtUp {
		t.Errorf("totals %+v", totals)
	}
	if due := h[50].Trade.EventAt; totals.VisibleTo.UnixMicro() != due {
		t.Errorf("visible to %s, want when the oldest invisible trade is due", totals.VisibleTo)
	}
	oldest := second(10).Sub(time.UnixMicro(h[50].Trade.EventAt))
	if totals.LagMax != oldest {
		t.Errorf("longest lag %s, want the age of the oldest invisible trade, %s", totals.LagMax, oldest)
	}
	if d := totals.LagP50 - lagged; d.Abs() > lagged/50 {
		t.Errorf("median lag %s", totals.LagP50)
	}
	r.observe(h[50:])
	if totals := r.Now(second(10)); !totals.VisibleTo.Equal(second(10)) || !totals.CaughtUp || totals.Behind != 0 || totals.LagMax != lagged {
		t.Errorf("totals %+v", totals)
	}
	if totals := r.Now(second(11)); totals.LagMax != 0 || totals.LagP50 != 0 {
		t.Errorf("lags of an interval without records: %+v", totals)
	}
}

// What is broken is counted at every moment, and a hole that is filled is no
// longer lost.
func TestBrokenAtAMoment(t *testing.T) {
	r := newRig(t, 20, "BTCUSDT")
	r.book.publish(second(10))
	h := r.history("BTCUSDT")
	f := func(what string, lost, duplicate, disordered, altered int64) {
		t.Helper()
		if n := r.Now(second(10)); n.Lost != lost || n.Duplicate != duplicate || n.Disordered != disordered || n.Altered != altered {
			t.Errorf("%s: %d lost, %d duplicate, %d disordered, %d altered", what, n.Lost, n.Duplicate, n.Disordered, n.Altered)
		}
	}
	r.observe(h[:10])
	r.observe(h[13:20])
	f("three are passed over", 3, 0, 0, 0)
	r.observe(h[11:12])
	f("one of them comes late", 2, 0, 1, 0)
	r.observe(h[5:7])
	f("two come again", 2, 2, 1, 0)
	wrong := h[20]
	wrong.Trade.Price++
	r.Observe(wrong)
	f("a wrong price", 2, 2, 1, 1)
}

func TestPauseOfAnInjection(t *testing.T) {
	r := newRig(t, 20, "BTCUSDT")
	r.book.publish(second(10))
	h := r.history("BTCUSDT")
	n := len(h) / 2
	r.observe(h[:n])
	due := time.UnixMicro(h[n].Trade.EventAt)
	r.Disturb("kill-1", due.Add(-time.Millisecond))
	r.Now(due.Add(3 * time.Second))
	if pause := r.Pause("kill-1"); pause != 3*time.Second {
		t.Errorf("a trade is invisible for 3s, the pause is %s", pause)
	}
	if pause := r.Pause("kill-2"); pause != 0 {
		t.Errorf("an injection that never began paused for %s", pause)
	}
}
