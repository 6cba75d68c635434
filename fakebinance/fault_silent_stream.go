package fakebinance

import (
	"fmt"
	"strings"
	"sync/atomic"
)

var silentStreamKind = FaultKind{
	Name:  KindSilentStream,
	About: "one stream of a session delivers nothing while the others go on; REST has its trades",
	Settings: []FaultSetting{
		{"symbol", "", "whose stream; empty: the first of each session"},
		{"sessions", "all", "with target all: all, or new, those that open while it lasts only"},
	},
	start: func(i *Injection, s settings) (effect, error) {
		symbol, err := s.symbol(i, "symbol")
		if err != nil {
			return nil, err
		}
		sessions := s.text("sessions")
		if sessions != "all" && sessions != "new" {
			return nil, fmt.Errorf("fault %s: sessions %q is neither all nor new", i.fault.Kind, sessions)
		}
		return &silentStream{tamper: tamper{i, 1}, symbol: symbol, onlyNew: sessions == "new"}, nil
	},
}

// silentStream withholds every trade of a stream.
type silentStream struct {
	tamper
	symbol   string
	onlyNew  bool
	withheld atomic.Int64
}

func (f *silentStream) apply(s *session, opening bool) {
	if opening || !f.onlyNew {
		s.tamperWith(f)
	}
}

func (f *silentStream) alter(s *session, l *line, frames [][]byte) [][]byte {
	meant := l.symbol == f.symbol
	if f.symbol == "" {
		meant = s.streams[0] == strings.ToLower(l.symbol)+"@trade"
	}
	if !meant {
		return frames
	}
	f.withheld.Add(1)
	return nil
}

func (f *silentStream) proof([]*session) (bool, string) {
	n := f.withheld.Load()
	return n > 0, plural(n, "trade") + " withheld"
}
