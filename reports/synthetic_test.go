package reports

import (
	"fmt"
	"math"
	"math/rand/v2"
	"testing"
	"time"

	"steadfeed/soak"
)

// synthetic is a run made up for a test: a function of its fields, with a
// fixed clock and seed, so that its report can be compared byte by byte.
type synthetic struct {
	plan     soak.Plan
	ledger   soak.Ledger
	verdict  soak.Verdict
	course   soak.Course
	events   []soak.Event
	began    time.Time
	interval time.Duration
	leak     float64                          // bytes of RSS and heap a second
	absurd   func(n int, sample *soak.Sample) // spoils samples
}

var birth = time.Date(2026, 3, 14, 9, 26, 53, 0, time.UTC)

func ptr(v float64) *float64 { return &v }

// newSynthetic is a smoke-like run of the given length that passes. Its
// injections are spread over the second quarter and third of it.
func newSynthetic(length, interval time.Duration, injections int) *synthetic {
	s := &synthetic{began: birth, interval: interval}
	third := soak.Duration(length / 4)
	s.plan = soak.Plan{
		Name: "smoke", About: "Every trade accounted for through drops, slow frames and ping timeouts.", Seed: 7,
		Symbols: []string{"BTCUSDT", "ETHUSDT", "BNBUSDT"},
		Traffic: soak.Traffic{Rate: 50},
		Subject: soak.Subject{Name: "streamer", Command: []string{"bin/streamer"}, Settings: map[string]string{"STREAMER_COMMIT_INTERVAL": "50ms", "STREAMER_PING_INTERVAL": "30s"}},
		Phases:  []soak.Phase{{Name: soak.PhaseWarmUp, For: third / 2}, {Name: soak.PhaseChaos, For: 5 * third / 2, Chaos: true}, {Name: soak.PhaseCalm, For: third}},
		Limits: []soak.Limit{
			{ID: "memory.rss_limit", Role: soak.Gate, Max: ptr(400), Unit: "MB"},
			{ID: "freshness", Role: soak.Gate, Max: ptr(1), Unit: "s"},
		},
		SampleEvery: soak.Duration(interval), DrainWithin: soak.Duration(30 * time.Second),
	}
	s.inject(length, injections)
	s.account(length)
	s.judge(length)
	return s
}

// inject plans injections and records what became of them.
func (s *synthetic) inject(length time.Duration, n int) {
	kinds := []struct{ fault, kind, evidence string }{
		{"reset", "drop", "3 sessions were reset; the peer saw connection reset by peer 3 times"},
		{"stall", "ping timeout", "no byte left for 12.0 s on 1 session while TCP stayed up; 41,212 bytes queued"},
		{"slow-frames", "slow frames", "412 frames were delayed by 250 ms each"},
		{"close", "drop", "1 session was closed with code 1006"},
		{"no-pong", "ping timeout", "2 pings of 1 session went unanswered for 15.1 s"},
	}
	phases := []string{soak.PhaseWarmUp, soak.PhaseChaos, soak.PhaseCalm}
	var at time.Duration
	for i, name := range phases {
		s.events = append(s.events, soak.Event{At: s.began.Add(at), Kind: soak.EventPhase, Name: name, Text: "began"})
		at += s.plan.Phases[i].For.D()
	}
	chaos := s.plan.Phases[0].For.D()
	pitch := s.plan.Phases[1].For.D() / time.Duration(max(1, n))
	opened, session := s.began.Add(time.Second), int64(1)
	for i := range n {
		k := kinds[i%len(kinds)]
		begins, lasts := chaos+pitch*time.Duration(i)+pitch/8, pitch/3
		in := soak.Injection{
			Name: fmt.Sprintf("%d-%s", i+1, k.fault), Fault: k.fault, Kind: k.kind, Target: "open",
			At: soak.Duration(begins), For: soak.Duration(lasts),
			Disturbance: soak.Disturbance{Pause: soak.Duration(lasts + 10*time.Second), Reconnects: 1, Settle: soak.Duration(pitch / 5)},
			Began:       s.began.Add(begins + 3*time.Millisecond), Ended: s.began.Add(begins + lasts), Proven: true, Evidence: k.evidence,
		}
		if k.fault == "close" {
			in.Settings = map[string]string{"code": "1006", "reason": "going away"}
		}
		s.plan.Injections = append(s.plan.Injections, in)
		s.ledger.Windows = append(s.ledger.Windows, soak.Window{
			Injection: in.Name, Began: in.Began, Ended: in.Ended, Closed: in.Ended.Add(pitch / 5), Trades: 900 + int64(i)*17,
			Backlog: int64(lasts.Seconds() * 150), LongestPause: lasts.Seconds() + 0.31, CatchUp: 0.82, CaughtUp: true,
		})
		closed := in.Began.Add(lasts / 2)
		s.ledger.Sessions = append(s.ledger.Sessions, soak.Session{N: session, Opened: opened, Closed: closed, EndedBy: "fault", Reason: k.fault,
			During: in.Name, Streams: 3, Trades: 2100 + 13*session, PingsSent: 2, PongsGot: 2, ClientPings: 1, PongsSent: 1})
		s.events = append(s.events,
			soak.Event{At: in.Began, Kind: soak.EventInjection, Name: in.Name, Text: "began: " + in.Fault + " on open sessions"},
			soak.Event{At: in.Ended, Kind: soak.EventInjection, Name: in.Name, Text: "ended: " + in.Evidence})
		opened = closed.Add(1200 * time.Millisecond)
		session++
	}
	end := s.began.Add(length)
	s.ledger.Sessions = append(s.ledger.Sessions, soak.Session{N: session, Opened: opened, Closed: end.Add(2 * time.Second), EndedBy: "client",
		Reason: "close 1000", Streams: 3, Trades: 9004, PingsSent: 4, PongsGot: 4, ClientPings: 2, PongsSent: 2})
	s.events = append(s.events,
		soak.Event{At: s.began.Add(600 * time.Millisecond), Kind: soak.EventSubject, Name: "streamer", Text: "started"},
		soak.Event{At: s.began.Add(1400 * time.Millisecond), Kind: soak.EventSubject, Name: "streamer", Text: "ready"},
		soak.Event{At: end, Kind: soak.EventPhase, Name: soak.PhaseDrain, Text: "began"},
		soak.Event{At: end.Add(2 * time.Second), Kind: soak.EventSubject, Name: "streamer", Text: "ended: exit status 0"})
}

// account fills the ledger of a run in which nothing was lost.
func (s *synthetic) account(length time.Duration) {
	l := &s.ledger
	l.Source = "market seed=7 rate=50/s"
	l.Began, l.Ended = s.began, s.began.Add(length)
	for i, symbol := range s.plan.Symbols {
		n := int64(length.Seconds()*50) + int64(i*13)
		first := int64(4_100_000_000 + i*1_000_000)
		l.Accounts = append(l.Accounts, soak.Account{Symbol: symbol, FirstID: first, LastID: first + n - 1, Published: n, Delivered: n})
		l.Phases = append(l.Phases, soak.PhaseLag{Phase: s.plan.Phases[i].Name, Trades: n - 400, P50: 0.0412 + float64(i)/1000, P99: 0.0911, Max: 0.241})
	}
	l.Uptime = soak.Uptime{Seconds: int64(length.Seconds()), Disturbed: int64(length.Seconds() / 3)}
	l.PublisherLateP99, l.PublisherLateMax, l.ClockStep = 0.0021, 0.0184, 0.00031
}

// judge gives the verdict that a judge would.
func (s *synthetic) judge(length time.Duration) {
	sum := int64(0)
	for _, a := range s.ledger.Accounts {
		sum += a.Published
	}
	build := soak.SubjectBuild{Name: "streamer", Command: "bin/streamer", Version: "steadfeed v0.1.0 go1.26.8",
		SHA256: "9f2b0c7d1e3a4b5c6d7e8f90a1b2c3d4e5f60718293a4b5c6d7e8f90a1b2c3d4", Exit: "exit status 0"}
	s.course = soak.Course{Subject: build, Began: s.began.Add(-700 * time.Millisecond), Ended: s.began.Add(length + 4*time.Second)}
	v := &s.verdict
	*v = soak.Verdict{
		Schema: soak.VerdictSchema, Run: "20260314T092653Z-smoke-7", Plan: "smoke", Seed: 7, Subject: build,
		Began: s.course.Began, Ended: s.course.Ended, Outcome: soak.Pass,
		Why:        fmt.Sprintf("All %s trades delivered once, in order and unaltered through %d injections; memory over 24 h is not claimed.", count(sum), len(s.plan.Injections)),
		Claims:     []string{"every published trade was delivered exactly once, in order, unaltered", "the subject recovered from each injection within its declaration"},
		NotClaimed: []string{"memory.trend: four minutes show no trend at any rate of leak; the plans of 12 and 24 hours judge it"},
		Power:      []string{"a loss rate below 1 trade in 11,000 (95 %) could have been missed", "no broker fault was injected"},
		Delivery:   soak.Delivery{Published: sum, Delivered: sum},
		Injections: s.plan.Injections,
	}
	check := func(id string, role soak.Role, limit string, observed *float64, unit string, why, evidence string) {
		c := soak.Check{ID: id, Role: role, Limit: limit, Observed: observed, Unit: unit, Why: why, Evidence: evidence}
		if role != soak.NotClaimed {
			c.Outcome = soak.Pass
		}
		v.Checks = append(v.Checks, c)
	}
	none := fmt.Sprintf("none of %s trades", count(sum))
	for _, id := range []string{"delivery.complete", "delivery.unique", "delivery.ordered", "delivery.faithful"} {
		check(id, soak.Gate, "none", ptr(0), "trades", none, soak.LedgerFile)
	}
	check("memory.growth", soak.Report, "reported", ptr(0.82), "MB", "from 23.10 to 23.92 MB after warm-up; four minutes from a cold start cannot tell growth from warming up", soak.SamplesFile)
	check("memory.trend", soak.NotClaimed, "", nil, "", "four minutes show no trend at any rate of leak; the plans of 12 and 24 hours judge it", "")
	check("memory.rss_limit", soak.Gate, "at most 400 MB", ptr(31.2), "MB", "highest resident memory of 44 samples, at 09:28:03Z", soak.SamplesFile)
	check("throughput", soak.Gate, "at least 10 trades/s", ptr(150.2), "trades/s", "33,039 delivered of 33,039 published in 3m40s", soak.LedgerFile)
	check("freshness", soak.Gate, "at most 1 s", ptr(0.0911), "s", "p99 in warm-up, the worst phase: median 41.2 ms, p99 91.1 ms, longest 241 ms", soak.LedgerFile)
	check("catchup", soak.Gate, "at most 30 s + backlog / 2,000 a second", ptr(0.82), "s", "1-reset: trades were fresh again 820ms after it ended", soak.LedgerFile)
	check("pause", soak.Gate, "as declared", ptr(12.3), "s", "2-stall: a due trade stayed invisible for 12.3s, declared 22s", soak.LedgerFile)
	check("pings", soak.Gate, "all answered", ptr(0), "pings", "14 server pings and 7 client pings answered", soak.LedgerFile)
	check("reconnects", soak.Gate, "none", ptr(0), "sessions", "5 sessions ended, all within what the injections declare", soak.LedgerFile)
	check("uptime", soak.Gate, "at least 100 %", ptr(100), "%", "0 bad of 147 s outside disturbance (73 s were disturbed)", soak.LedgerFile)
	check("alerts.expected", soak.NotClaimed, "", nil, "", "no Prometheus runs in this plan", "")
	for _, id := range []string{"duration", "samples", "injections", "subject", "host"} {
		check("validity."+id, soak.Gate, "fit", ptr(100), "%", "as planned", soak.EventsFile)
	}
}

// write makes the run directory, samples included.
func (s *synthetic) write(t testing.TB) *soak.Run {
	t.Helper()
	run, err := soak.Create(t.TempDir(), s.plan, birth)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { run.Close() })
	for _, event := range s.events {
		must(t, run.AppendEvent(event))
	}
	n := 0
	s.sample(func(sample soak.Sample) {
		if s.absurd != nil {
			s.absurd(n, &sample)
		}
		must(t, run.AppendSample(sample))
		n++
	})
	must(t, run.WriteCourse(s.course))
	must(t, run.WriteLedger(s.ledger))
	must(t, run.WriteVerdict(s.verdict))
	return run
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// sample plays the course of the run: traffic with noise, pauses while an
// injection lasts, a burst after it.
func (s *synthetic) sample(yield func(soak.Sample)) {
	rng := rand.New(rand.NewPCG(s.plan.Seed, 1))
	end := s.began.Add(s.plan.Length())
	var published, delivered float64
	cpu, heap := 0.4, 3.0e6
	for at := s.began.Add(s.interval); !at.After(end); at = at.Add(s.interval) {
		step, age := s.interval.Seconds(), at.Sub(s.began).Seconds()
		published += step * 150 * (0.7 + 0.6*rng.Float64())
		paused, settling := s.disturbed(at)
		if !paused {
			delivered = published
		}
		lag := 0.04 + 0.08*rng.Float64()
		switch {
		case paused:
			lag = 0
		case settling:
			lag = 12 * rng.Float64()
		}
		if heap += 4e5 * rng.Float64(); heap > 6.5e6 {
			heap = 2.8e6 // a collection
		}
		cpu += step * (0.012 + 0.006*rng.Float64())
		phase := soak.PhaseWarmUp
		if after := at.Sub(s.began); after > s.plan.Phases[0].For.D()+s.plan.Phases[1].For.D() {
			phase = soak.PhaseCalm
		} else if after > s.plan.Phases[0].For.D() {
			phase = soak.PhaseChaos
		}
		rss := 19e6 + 4e6*(1-math.Exp(-age/20)) + 2e5*rng.Float64() + s.leak*age
		if settling {
			rss += 6e6 * rng.Float64()
		}
		yield(soak.Sample{
			At: at.Add(time.Duration(rng.IntN(4)) * time.Millisecond), Subject: "streamer", Phase: phase,
			RSSBytes: int64(rss), VMSBytes: 1_260e6, CPUSeconds: cpu, Threads: 9 + rng.IntN(2), OpenFiles: 17 + rng.IntN(3),
			HeapLiveBytes: int64(heap + s.leak*age), Goroutines: 31 + rng.IntN(5),
			Counters:  map[string]float64{"binance_messages_received_total": published},
			Published: int64(published), Delivered: int64(delivered), Behind: int64(published - delivered),
			LagP50: lag / 2, LagMax: lag, HarnessRSSBytes: 58e6 + int64(4e5*rng.Float64()), HarnessCPUSeconds: age * 0.06,
		})
	}
}

// disturbed is whether an injection lasts at a moment, or has just ended.
func (s *synthetic) disturbed(at time.Time) (paused, settling bool) {
	for _, w := range s.ledger.Windows {
		if at.After(w.Began) && at.Before(w.Ended) {
			return true, false
		}
		if at.After(w.Ended) && at.Before(w.Ended.Add(w.Closed.Sub(w.Ended)/3+s.interval)) {
			settling = true
		}
	}
	return false, settling
}
