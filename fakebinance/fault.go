package fakebinance

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Fault is one kind of trouble to make for sessions.
type Fault struct {
	Kind     string            // one of Faults
	Target   string            // TargetOpen, TargetAll, or what begins as the other targets; empty is TargetOpen
	For      time.Duration     // it ends by itself after this; 0: until End
	Settings map[string]string // see Faults; what is left out has its default
}

// The kinds of fault, each in a file of its own.
const (
	KindReset       = "reset"
	KindSilentClose = "silent-close"
	KindClose       = "close"
	KindSlowBytes   = "slow-bytes"
	KindSlowFrames  = "slow-frames"
	KindNoPong      = "no-pong"
	KindStall       = "stall"
	KindHalfOpen    = "half-open"
	KindByteByByte  = "byte-by-byte"
	KindWrongPong   = "wrong-pong"
	KindPingFlood   = "ping-flood"

	KindServerShutdown  = "server-shutdown"
	KindSilentStream    = "silent-stream"
	KindGap             = "gap"
	KindRepeat          = "repeat"
	KindSwap            = "swap"
	KindGarble          = "garble"
	KindPingStorm       = "ping-storm"
	KindHandshakeStatus = "handshake-status"

	KindSilent    = "silent"
	KindDelay     = "delay"
	KindBurst     = "burst"
	KindFragments = "fragments"
	KindLost      = "lost"

	KindRefuse      = "refuse"
	KindMute        = "mute"
	KindTLSCut      = "tls-cut"
	KindCertificate = "certificate"

	KindRESTStatus = "rest-status"
	KindRESTSlow   = "rest-slow"
	KindRESTShift  = "rest-shift"
	KindRESTLag    = "rest-lag"
	KindClock      = "clock"
	KindHalt       = "halt"
)

// FaultKind describes a kind of fault.
type FaultKind struct {
	Name     string         `json:"name"`
	About    string         `json:"about"` // one line: what it does
	Settings []FaultSetting `json:"settings,omitempty"`

	start func(*Injection, settings) (effect, error)
}

// FaultSetting is one setting of a kind of fault.
type FaultSetting struct {
	Name    string `json:"name"`
	Default string `json:"default"`
	About   string `json:"about"`
}

// Evidence is what was seen of a fault. A fault that is not Proven met no
// session, or nothing happened that it could have disturbed: a run that counts
// on it can't claim to have been through it.
type Evidence struct {
	Began    time.Time `json:"began"`
	Ended    time.Time `json:"ended,omitzero"`
	Proven   bool      `json:"proven"`
	Sessions int       `json:"sessions"` // that it was aimed at
	Text     string    `json:"text"`     // one sentence of what was seen to happen, with figures
}

// effect is what a fault does, begun by the start of its kind. Its methods are
// called on the publisher's goroutine, but for proof.
type effect interface {
	// apply begins with a session; opening tells that it is just being opened.
	apply(s *session, opening bool)
	// proof says what was seen, with the sessions it was applied to.
	proof(sessions []*session) (proven bool, text string)
}

var faultKinds = []FaultKind{
	resetKind, silentCloseKind, closeKind, slowBytesKind, byteByByteKind, slowFramesKind, noPongKind, wrongPongKind, stallKind, halfOpenKind,
	serverShutdownKind, silentStreamKind, silentKind, gapKind, lostKind, repeatKind, swapKind, delayKind, burstKind, fragmentsKind, garbleKind,
	pingStormKind, pingFloodKind, handshakeStatusKind, refuseKind, muteKind, tlsCutKind, certificateKind,
	restStatusKind, restSlowKind, restShiftKind, restLagKind, clockKind, haltKind,
}

// Faults lists the kinds of fault.
func Faults() []FaultKind { return slices.Clone(faultKinds) }

// kind returns the kind of f, or an error that says what is wrong with f.
func (f *Fault) kind() (FaultKind, error) {
	at := slices.IndexFunc(faultKinds, func(k FaultKind) bool { return k.Name == f.Kind })
	if at < 0 {
		names := make([]string, len(faultKinds))
		for i, k := range faultKinds {
			names[i] = k.Name
		}
		return FaultKind{}, fmt.Errorf("fault %q is none of %s", f.Kind, strings.Join(names, ", "))
	}
	if f.Target == "" {
		f.Target = TargetOpen
	}
	if _, err := readAim(f.Target); err != nil {
		return FaultKind{}, fmt.Errorf("fault %s: %w", f.Kind, err)
	}
	if f.For < 0 {
		return FaultKind{}, fmt.Errorf("fault %s: for %s is negative", f.Kind, f.For)
	}
	kind := faultKinds[at]
	for _, name := range slices.Sorted(maps.Keys(f.Settings)) {
		if !slices.ContainsFunc(kind.Settings, func(s FaultSetting) bool { return s.Name == name }) {
			return FaultKind{}, fmt.Errorf("fault %s: it has no setting %q", f.Kind, name)
		}
	}
	return kind, nil
}

// settings are those of a fault, with the defaults of its kind.
type settings struct {
	kind  FaultKind
	given map[string]string
}

func (s settings) text(name string) string {
	if value, ok := s.given[name]; ok {
		return value
	}
	for _, setting := range s.kind.Settings {
		if setting.Name == name {
			return setting.Default
		}
	}
	panic("fakebinance: fault " + s.kind.Name + " reads a setting that it does not list: " + name)
}

// choice reads a setting that must be one of some words.
func (s settings) choice(name string, words ...string) (string, error) {
	text := s.text(name)
	if !slices.Contains(words, text) {
		return "", fmt.Errorf("fault %s: %s %q is none of %v", s.kind.Name, name, text, words)
	}
	return text, nil
}

// symbol reads a setting that is a symbol of the exchange, or empty.
func (s settings) symbol(i *Injection, name string) (string, error) {
	symbol := s.text(name)
	if symbol != "" && i.server.publisher.lines[symbol] == nil {
		return "", fmt.Errorf("fault %s: %s %q is not one of this exchange", s.kind.Name, name, symbol)
	}
	return symbol, nil
}

// integer reads a setting that must lie within low and high.
func (s settings) integer(name string, low, high int) (int, error) {
	text := s.text(name)
	value, err := strconv.Atoi(text)
	if err != nil || value < low || value > high {
		return 0, fmt.Errorf("fault %s: %s %q is not a whole number within %d and %d", s.kind.Name, name, text, low, high)
	}
	return value, nil
}

// duration reads a setting that must lie within low and high.
func (s settings) duration(name string, low, high time.Duration) (time.Duration, error) {
	text := s.text(name)
	value, err := time.ParseDuration(text)
	if err != nil || value < low || value > high {
		return 0, fmt.Errorf("fault %s: %s %q is not a duration within %s and %s", s.kind.Name, name, text, low, high)
	}
	return value, nil
}
