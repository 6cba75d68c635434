package fault

import (
	"cmp"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"time"

	"steadfeed/fakebinance"
	"steadfeed/soak"
	"steadfeed/soak/internal/testbed"
)

// What the criteria count: each plan with a chaos phase has at least one
// injection of every kind.
const (
	KindDrop        = "drop"         // the connection ends
	KindSlowFrames  = "slow frames"  // frames come, late
	KindPingTimeout = "ping timeout" // the exchange goes silent while TCP stays up
	KindShutdown    = "shutdown"     // the exchange announces the end of a session
)

// Fault is one way in which the exchange can misbehave.
type Fault struct {
	Name string // as fakebinance knows it; that of a case is its own
	Kind string
	draw func(*rand.Rand, timing) soak.Injection // one of it: length, settings, disturbance
	// begin starts it; nil: the exchange does it by itself.
	begin func(*testbed.Testbed, soak.Injection) (Begun, error)
}

// All are the faults that a schedule draws, in the order in which they are listed.
var All = []Fault{reset, silentClose, closeFrame, slowBytes, slowFrames, noPong, stall}

// brought are those that no lot decides about: a plan asks for them.
var brought = []Fault{shutdown}

// Contained are those that only a subject, a broker or a registry in a
// container can be made to have.
var Contained = []Fault{freeze, cutOff, squeezeCPU, squeezeMemory, brokerRestart, registryDown}

// every is all that there is.
func every() []Fault {
	return slices.Concat(All, BrokerFaults, Contained, deaths, brought, []Fault{registryAway})
}

// drawnIn are the faults of a plan's schedule, and the kinds of which there is
// one in each chaos phase at least. One that could not take effect is left out.
func drawnIn(plan soak.Plan, t timing) (faults []Fault, kinds []string) {
	faults, kinds = slices.Clone(All), []string{KindDrop, KindSlowFrames, KindPingTimeout}
	if !t.sessionsLast() {
		faults = slices.DeleteFunc(faults, func(f Fault) bool { return f.Name == noPong.Name })
	}
	switch {
	case plan.Virtual:
		if i := slices.IndexFunc(faults, func(f Fault) bool { return f.Name == noPong.Name }); i >= 0 {
			faults[i] = noPongAtAll
		}
		return slices.Concat(faults, BrokerFaults, deaths, singles(t), []Fault{registryAway}), append(kinds, KindBroker, KindDeath, KindSingle, KindRegistry)
	case plan.Containers == nil:
		return faults, kinds
	}
	faults, kinds = append(faults, Contained...), append(kinds, KindMachine, KindBroker, KindRegistry)
	if agesTwice(plan) {
		faults, kinds = append(faults, kill), append(kinds, KindDeath)
	}
	return faults, kinds
}

// LeftOut says which faults a plan has no occasion for, and why.
func LeftOut(plan soak.Plan) (sentences []string) {
	t, err := timingOf(plan.Subject, silenceOf(plan.Traffic, len(plan.Symbols)))
	if err != nil { // the schedule says what is wrong
		return nil
	}
	if !t.sessionsLast() {
		sentences = append(sentences, fmt.Sprintf("%s: sessions are replaced each %s, before a ping of theirs can be due and given up", noPong.Name, t.rotation))
	}
	if plan.Containers == nil {
		return sentences
	}
	faults, _ := drawnIn(plan, t)
	for _, f := range faults {
		if !slices.ContainsFunc(plan.Phases, func(p soak.Phase) bool { return p.Chaos && !tooLong(f, t, p.For.D()) }) {
			sentences = append(sentences, f.Name+": it is not compressed, and would leave too little of so short a chaos to the others")
		}
	}
	return sentences
}

// agesTwice tells whether a plan has the time for a second process to grow old
// enough for its memory to be judged, or judges no memory.
func agesTwice(plan soak.Plan) bool { return plan.Length() >= 10*plan.Settle.D() }

// find returns the fault with a name.
func find(name string) (Fault, bool) {
	for _, f := range every() {
		if f.Name == name {
			return f, true
		}
	}
	return Fault{}, false
}

// injection completes what a fault drew.
func (f Fault) injection(rng *rand.Rand, t timing) soak.Injection {
	in := f.draw(rng, t)
	in.Fault, in.Kind = cmp.Or(in.Fault, f.Name), f.Kind
	return in
}

// Validate says in one sentence why an injection cannot be done.
func Validate(in soak.Injection) error {
	f, known := find(in.Fault)
	if in.Kind == KindSingle {
		f, known = Fault{Name: in.Fault, Kind: KindSingle}, knownSingle(in.Fault)
	}
	switch {
	case !known:
		var names []string
		for _, f := range every() {
			names = append(names, f.Name)
		}
		return fmt.Errorf("injection %s: unknown fault %q: one of %s", in.Name, in.Fault, strings.Join(names, ", "))
	case in.Kind != f.Kind:
		return fmt.Errorf("injection %s: fault %s is of kind %q, not %q", in.Name, in.Fault, f.Kind, in.Kind)
	case in.Target != fakebinance.TargetOpen && in.Target != fakebinance.TargetAll:
		return fmt.Errorf("injection %s: unknown target %q: open or all", in.Name, in.Target)
	case in.For <= 0:
		return fmt.Errorf("injection %s: it lasts %s, which is no time", in.Name, in.For)
	case in.Also != nil:
		return Validate(*in.Also)
	}
	return nil
}

// timing is how fast a subject notices trouble; lengths and disturbances
// depend on it.
type timing struct {
	pingInterval time.Duration
	pongTimeout  time.Duration
	staleTimeout time.Duration
	rotation     time.Duration
	silence      time.Duration // within which a trade is sure to come, in whole seconds
}

// silenceOf is how long a plan's traffic may be silent: synthetic trades come in
// clusters of some dozens at most. A fault that slows what comes shows nothing
// when nothing does.
func silenceOf(traffic soak.Traffic, symbols int) time.Duration {
	const clusters = 150 // times the mean pause between trades
	if traffic.Rate <= 0 || symbols == 0 {
		return 0
	}
	return time.Duration(clusters / (traffic.Rate * float64(symbols)) * float64(time.Second)).Truncate(time.Second)
}

// timingOf reads the settings that a plan gives its subject. The fallbacks are
// the streamer's own defaults.
func timingOf(subject soak.Subject, silence time.Duration) (timing, error) {
	t := timing{pingInterval: 180 * time.Second, pongTimeout: 10 * time.Second, staleTimeout: 30 * time.Second, rotation: 4 * time.Hour, silence: silence}
	for name, field := range map[string]*time.Duration{
		"STREAMER_PING_INTERVAL":     &t.pingInterval,
		"STREAMER_PONG_TIMEOUT":      &t.pongTimeout,
		"STREAMER_STALE_TIMEOUT":     &t.staleTimeout,
		"STREAMER_ROTATION_INTERVAL": &t.rotation,
	} {
		text, set := subject.Settings[name]
		if !set {
			continue
		}
		value, err := time.ParseDuration(text)
		if err != nil {
			return t, fmt.Errorf("subject setting %s: %w", name, err)
		}
		*field = value
	}
	return t, nil
}

// alertPongTimeout is the alert of the rules file that a missing pong fires.
const alertPongTimeout = "BinancePongTimeout"

// alertStale is the one that ten minutes without a pong fire: what keeps the
// pongs of one session back may be the last of several that did.
const alertStale = "BinanceConnectionStale"

// Parts of every disturbance.
const (
	// reconnectPause is a backoff (1 s at first, jittered), a dial with TLS, and
	// a backfill over REST. Three times what it takes on a quiet machine.
	reconnectPause = 10 * time.Second
	// settle is how long after the end of an injection its effects are still
	// its own: one reconnect.
	settle = 8 * time.Second
)

// seconds draws a length between two bounds, both included.
func seconds(rng *rand.Rand, least, most int) time.Duration {
	return time.Duration(least+rng.IntN(most-least+1)) * time.Second
}

// grant gives an injection a time before catching up can begin.
func grant(in soak.Injection, grace time.Duration) soak.Injection {
	d := soak.Duration(grace)
	in.Disturbance.Grace = d
	in.Disturbance.Pause += d
	in.Disturbance.Settle += d
	return in
}
