package fakebinance

import "sync/atomic"

var silentKind = FaultKind{
	Name:  KindSilent,
	About: "delivers no trade at all, while pings and pongs go on; REST has the trades",
	start: func(i *Injection, _ settings) (effect, error) { return &silent{tamper: tamper{i, 1}}, nil },
}

// silent withholds every trade of a session.
type silent struct {
	tamper
	withheld atomic.Int64
}

func (f *silent) apply(s *session, _ bool) { s.tamperWith(f) }

func (f *silent) alter(*session, *line, [][]byte) [][]byte {
	f.withheld.Add(1)
	return nil
}

func (f *silent) proof([]*session) (bool, string) {
	n := f.withheld.Load()
	return n > 0, plural(n, "trade") + " withheld"
}
