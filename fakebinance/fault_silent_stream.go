package fakebinance

import (
	"fmt"
	"strings"
)

var silentStreamKind = FaultKind{
	Name:  KindSilentStream,
	About: "one stream of a session delivers nothing while the others go on; REST has its trades",
	Settings: []FaultSetting{
		{"symbol", "", "whose @trade; empty: the first stream of each session"},
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

// silentStream withholds every event of a stream.
type silentStream struct {
	tamper
	withholding
	symbol  string
	onlyNew bool
}

func (f *silentStream) apply(s *session, opening bool) {
	if opening || !f.onlyNew {
		s.tamperWith(f)
	}
}

func (f *silentStream) alter(s *session, l *line, frames [][]byte) [][]byte {
	meant := l.symbol == f.symbol
	if f.symbol == "" {
		meant = f.aim.stream != "" || s.streams[0] == strings.ToLower(l.symbol)+"@trade"
	}
	if !meant {
		return frames
	}
	f.trades.Add(1)
	return nil
}

// silences: the first stream of a session need not be one of trades.
func (f *silentStream) silences(s *session, stream string) bool {
	meant := f.aim.stream == stream || f.aim.stream == "" && f.symbol == "" && s.streams[0] == stream
	if meant {
		f.others.Add(1)
	}
	return meant
}
