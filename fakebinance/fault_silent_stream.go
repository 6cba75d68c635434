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
	},
	start: func(i *Injection, s settings) (effect, error) {
		symbol := s.text("symbol")
		if symbol != "" && i.server.publisher.lines[symbol] == nil {
			return nil, fmt.Errorf("fault %s: symbol %q is not one of this exchange", i.fault.Kind, symbol)
		}
		return &silentStream{tamper: tamper{i, 1}, symbol: symbol}, nil
	},
}

// silentStream withholds every trade of a stream.
type silentStream struct {
	tamper
	symbol   string
	withheld atomic.Int64
}

func (f *silentStream) apply(s *session, _ bool) { s.tamperWith(f) }

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
