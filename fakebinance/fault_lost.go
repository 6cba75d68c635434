package fakebinance

import (
	"fmt"
	"sync"
	"sync/atomic"
)

// maxLost bounds the ids that REST is to leave out; they stay lost when the
// fault has ended.
const maxLost = 10000

var lostKind = FaultKind{
	Name:     KindLost,
	About:    "loses trades for good: neither @trade nor the trades of REST ever have them; aggregates still count them",
	Settings: []FaultSetting{everySetting},
	start: func(i *Injection, s settings) (effect, error) {
		common, err := newTamper(i, s)
		return &lost{tamper: common, drawn: make(map[*line]drawnTrade)}, err
	},
}

// lost leaves a trade out for every session that is meant alike.
type lost struct {
	tamper
	drawn map[*line]drawnTrade // the publisher's
	count atomic.Int64
}

// drawnTrade is the newest trade of a line about which the lot has decided.
type drawnTrade struct {
	id  int64
	hit bool
}

func (f *lost) apply(s *session, _ bool) { s.tamperWith(f) }

func (f *lost) alter(_ *session, l *line, frames [][]byte) [][]byte {
	drawn := f.drawn[l]
	if drawn.id != l.next.ID {
		drawn = drawnTrade{l.next.ID, f.hit() && f.server.lost.add(l.symbol, l.next.ID)}
		f.drawn[l] = drawn
		if drawn.hit {
			f.count.Add(1)
		}
	}
	if drawn.hit {
		return nil
	}
	return frames
}

func (f *lost) proof([]*session) (bool, string) {
	n := f.count.Load()
	return n > 0, fmt.Sprintf("%s lost for good", plural(n, "trade"))
}

// lostTrades are the ids that nobody can get.
type lostTrades struct {
	mu    sync.Mutex // never held while waiting
	ids   map[string]map[int64]struct{}
	count int
}

func (all *lostTrades) add(symbol string, id int64) bool {
	all.mu.Lock()
	defer all.mu.Unlock()
	if all.count == maxLost {
		return false
	}
	if all.ids == nil {
		all.ids = make(map[string]map[int64]struct{})
	}
	if all.ids[symbol] == nil {
		all.ids[symbol] = make(map[int64]struct{})
	}
	all.ids[symbol][id] = struct{}{}
	all.count++
	return true
}

func (all *lostTrades) has(symbol string, id int64) bool {
	all.mu.Lock()
	defer all.mu.Unlock()
	_, gone := all.ids[symbol][id]
	return gone
}

// Lost tells whether a trade was lost for good by a fault, so that no client
// can have it.
func (s *Server) Lost(symbol string, id int64) bool { return s.lost.has(symbol, id) }
