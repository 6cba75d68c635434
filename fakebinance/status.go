package fakebinance

import (
	"maps"
	"slices"
	"time"
)

// Status is how a server is doing, as GET /status of the control API tells.
type Status struct {
	Source       string            `json:"source"`
	WebSocketURL string            `json:"websocket_url"`
	RESTURL      string            `json:"rest_url"`
	Opened       time.Time         `json:"opened"`
	Publishing   bool              `json:"publishing"`
	Sessions     int               `json:"sessions"` // open
	Streams      int               `json:"streams"`  // subscribed to, of all sessions
	Published    int64             `json:"published"`
	Rate         float64           `json:"rate"`  // trades published a second since it opened
	Rates        []SymbolRate      `json:"rates"` // of late
	ByStream     []StreamStatus    `json:"by_stream"`
	Newest       []SessionStatus   `json:"newest_sessions"` // open, at most 100, by number
	Faults       []InjectionStatus `json:"faults"`
	Ledger       LedgerStatus      `json:"ledger"`
}

// SymbolRate is how many trades of a symbol were published a second, over the
// last ten whole seconds or those since the start if they are fewer.
type SymbolRate struct {
	Symbol string  `json:"symbol"`
	Rate   float64 `json:"rate"`
}

// StreamStatus is a stream that exists and that sessions have subscribed to.
type StreamStatus struct {
	Stream   string `json:"stream"`
	Sessions int    `json:"sessions"`
}

// SessionStatus is a session that is open.
type SessionStatus struct {
	N       int64     `json:"n"` // what the target session:n means
	From    string    `json:"from"`
	Opened  time.Time `json:"opened"`
	Streams []string  `json:"streams"`         // at most 10
	Trades  int64     `json:"trades"`          // written to it
	Waiting int64     `json:"waiting"`         // bytes
	Fault   string    `json:"fault,omitempty"` // a kind that holds it back
}

const (
	// maxSessionStatus bounds the sessions of a status: a thousand would bury
	// the rest of it, and the ledger has them.
	maxSessionStatus = 100
	// maxStreamsStatus bounds the streams of each.
	maxStreamsStatus = 10
)

// LedgerStatus is the ledger, as GET /ledger of the control API tells.
type LedgerStatus struct {
	Published int64          `json:"published"`
	Symbols   []SymbolStatus `json:"symbols"`
	LateP99   float64        `json:"late_p99_seconds"`
	LateMax   float64        `json:"late_max_seconds"`
	// Sessions are left out of GET /status.
	Sessions []SessionRecord `json:"sessions,omitempty"`
}

// SymbolStatus is the range of ids of one symbol; both are 0 when the ledger
// owes none.
type SymbolStatus struct {
	Symbol  string `json:"symbol"`
	FirstID int64  `json:"first_id"`
	LastID  int64  `json:"last_id"`
}

// InjectionStatus is an injection, as the control API tells.
type InjectionStatus struct {
	N        int               `json:"n"`
	Kind     string            `json:"kind"`
	Target   string            `json:"target"`
	For      string            `json:"for,omitempty"` // such as "30s"
	Settings map[string]string `json:"settings,omitempty"`
	Active   bool              `json:"active"`
	Evidence Evidence          `json:"evidence"`
}

func (s *Server) status() Status {
	status := Status{
		Source:       s.options.Source.Describe(),
		WebSocketURL: s.WebSocketURL(),
		RESTURL:      s.RESTURL(),
		Opened:       s.opened,
		Published:    s.ledger.Total(),
		Rate:         float64(s.ledger.Total()) / time.Since(s.opened).Seconds(),
		Faults:       s.injectionStatus(),
		Ledger:       s.ledgerStatus(),
	}
	s.publisher.ask(func() {
		status.Publishing = s.publisher.publishing && !s.publisher.stopped
		status.Sessions = len(s.publisher.sessions)
		for session := range s.publisher.sessions {
			status.Streams += len(session.streams)
		}
		status.Rates, status.ByStream = s.publisher.rates(time.Now()), s.publisher.streamStatus()
		status.Newest = s.publisher.newest()
	})
	return status
}

func (s *Server) ledgerStatus() LedgerStatus {
	p99, most := s.ledger.Late()
	status := LedgerStatus{Published: s.ledger.Total(), LateP99: p99.Seconds(), LateMax: most.Seconds()}
	for _, symbol := range s.options.Source.Symbols() {
		first, last, _ := s.ledger.Published(symbol)
		status.Symbols = append(status.Symbols, SymbolStatus{symbol, first, last})
	}
	return status
}

func (s *Server) injectionStatus() []InjectionStatus {
	all := []InjectionStatus{}
	for _, injection := range s.faults.list() {
		all = append(all, injection.status())
	}
	return all
}

func (i *Injection) status() InjectionStatus {
	status := InjectionStatus{
		N: i.n, Kind: i.fault.Kind, Target: i.fault.Target, Settings: i.fault.Settings,
		Active: !i.over(), Evidence: i.Evidence(),
	}
	if i.fault.For > 0 {
		status.For = i.fault.For.String()
	}
	return status
}

// streamStatus tells who listens to what, by name.
func (p *publisher) streamStatus() []StreamStatus {
	all := []StreamStatus{}
	for _, name := range slices.Sorted(maps.Keys(p.byStream)) {
		sessions := 0
		for _, of := range p.byStream[name].of {
			sessions += len(of)
		}
		if sessions > 0 {
			all = append(all, StreamStatus{name, sessions})
		}
	}
	return all
}

// newest tells of the newest sessions.
func (p *publisher) newest() []SessionStatus {
	open := p.byNumber()
	all := []SessionStatus{}
	for _, s := range open[max(0, len(open)-maxSessionStatus):] {
		all = append(all, SessionStatus{
			N: s.n, From: s.conn.RemoteAddr().String(), Opened: s.snapshot().Opened,
			Streams: slices.Clone(s.streams[:min(len(s.streams), maxStreamsStatus)]),
			Trades:  s.trades.Load(), Waiting: s.out.size.Load(), Fault: s.fault(),
		})
	}
	return all
}

// rates tells the rate of each symbol, in the order of the source.
func (p *publisher) rates(now time.Time) []SymbolRate {
	all := []SymbolRate{}
	for _, symbol := range p.source.Symbols() {
		all = append(all, SymbolRate{symbol, p.lines[symbol].tally.rate(now, p.started)})
	}
	return all
}
