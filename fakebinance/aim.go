package fakebinance

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// What a fault is aimed at.
const (
	TargetOpen = "open" // the sessions open when it begins
	TargetAll  = "all"  // those, and every session opened while it lasts
	// Beginnings of further targets.
	TargetSession = "session:" // one open session, by its number: "session:7"
	TargetStream  = "stream:"  // as all, of the sessions with a stream; what changes trades changes those of the stream only: "stream:btcusdt@trade"
	TargetShare   = "share:"   // as all, of a share of the sessions, by lot: "share:0.3"
)

// aim is a target, read.
type aim struct {
	session int64
	stream  string
	share   float64 // 0: no lot is drawn
	later   bool    // sessions opened while it lasts are meant too
}

func readAim(target string) (a aim, err error) {
	switch {
	case target == TargetOpen:
		return a, nil
	case target == TargetAll:
		a.later = true
		return a, nil
	case strings.HasPrefix(target, TargetSession):
		a.session, err = strconv.ParseInt(target[len(TargetSession):], 10, 64)
		if err == nil && a.session > 0 {
			return a, nil
		}
	case strings.HasPrefix(target, TargetStream):
		a.stream, a.later = target[len(TargetStream):], true
		if wellFormed(a.stream) {
			return a, nil
		}
	case strings.HasPrefix(target, TargetShare):
		a.share, err = strconv.ParseFloat(target[len(TargetShare):], 64)
		if a.later = true; err == nil && a.share > 0 && a.share <= 1 {
			return a, nil
		}
	}
	return a, fmt.Errorf("target %q is none of %s, %s, %s7, %sbtcusdt@trade, %s0.3", target, TargetOpen, TargetAll, TargetSession, TargetStream, TargetShare)
}

// meets tells whether a session is meant. It runs on the publisher's goroutine.
func (i *Injection) meets(s *session) bool {
	switch a := i.aim; {
	case a.session != 0:
		return s.n == a.session
	case a.stream != "":
		return slices.Contains(s.streams, a.stream)
	case a.share != 0:
		return i.draw.Float64() < a.share
	}
	return true
}

// concerns tells whether the trades of a line are meant.
func (i *Injection) concerns(l *line) bool {
	return i.aim.stream == "" || i.aim.stream == strings.ToLower(l.symbol)+"@trade"
}
