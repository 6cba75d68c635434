package fakebinance

import (
	"net"
	"net/http"
	"strings"
	"sync/atomic"
)

var refuseKind = FaultKind{
	Name:  KindRefuse,
	About: "resets new connections as they are made; those that are open go on",
	Settings: []FaultSetting{
		{"host", "", "only connections whose first request names this host, as if one of several URLs could not be reached; empty: all"},
	},
	start: func(i *Injection, s settings) (effect, error) {
		return &refusal{atDoor: atDoor{i}, host: s.text("host")}, nil
	},
}

// refusal turns connections away.
type refusal struct {
	atDoor
	host    string
	refused atomic.Int64
}

func (f *refusal) greet(conn net.Conn) net.Conn {
	if f.host != "" {
		return conn // what it asks for shows later
	}
	f.refused.Add(1)
	reset(conn)
	return nil
}

func (f *refusal) meet(w http.ResponseWriter, r *http.Request) bool {
	if name, _, err := net.SplitHostPort(r.Host); f.host == "" || r.Host != f.host && (err != nil || !strings.EqualFold(name, f.host)) {
		return false
	}
	conn, _, err := http.NewResponseController(w).Hijack()
	if err != nil {
		return false
	}
	f.refused.Add(1)
	reset(conn)
	return true
}

func (f *refusal) proof([]*session) (bool, string) {
	n := f.refused.Load()
	return n > 0, plural(n, "connection") + " refused"
}
