package fakebinance

import (
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

// maxSessionRecords bounds how many sessions the ledger remembers: a client
// that reconnects once a minute has most of a day in it.
const maxSessionRecords = 1000

// SessionRecord is one session as the exchange saw it.
type SessionRecord struct {
	N            int64     `json:"n"` // counts from 1
	Opened       time.Time `json:"opened"`
	Closed       time.Time `json:"closed,omitzero"`
	EndedBy      string    `json:"ended_by,omitempty"` // client, server, fault or error
	Reason       string    `json:"reason,omitempty"`
	During       string    `json:"during,omitempty"` // the kind of fault that was acting on it when it ended
	Streams      int       `json:"streams"`
	Trades       int64     `json:"trades"` // written to it
	PingsSent    int64     `json:"pings_sent"`
	PongsGot     int64     `json:"pongs_got"`
	ClientPings  int64     `json:"client_pings"`
	PongsSent    int64     `json:"pongs_sent"`
	PongTimeouts int64     `json:"pong_timeouts"` // of the server's pings
}

// Who ended a session, in SessionRecord.EndedBy.
const (
	EndedByClient = "client" // close frame or end of its connection
	EndedByServer = "server" // a rule of the exchange, or Server.Close
	EndedByFault  = "fault"
	EndedByError  = "error" // the connection broke
)

// Ledger is what was really published: id ranges, because the [Source] knows
// the content. Its size is constant however long it runs, and it is safe for
// concurrent use.
//
// It is ahead of the wire, never behind: a trade is in the ledger before its
// first byte can reach a client.
type Ledger struct {
	accounts map[string]*account // fixed at New
	total    atomic.Int64
	late     lateness

	mu        sync.Mutex
	sessions  []SessionRecord                // the newest, by N
	open      map[int64]func() SessionRecord // how those that are open stand now, by N
	onSession func(SessionRecord)
}

// account is the range of one symbol.
type account struct {
	first atomic.Int64 // first id owed; notYet before
	last  atomic.Int64 // last id published; below the source's first before

	mu     sync.Mutex
	byREST intervals
}

const notYet = -1

func newLedger(source Source) *Ledger {
	l := &Ledger{accounts: make(map[string]*account), open: make(map[int64]func() SessionRecord)}
	for _, symbol := range source.Symbols() {
		a := new(account)
		a.first.Store(notYet)
		a.last.Store(source.FirstID(symbol) - 1)
		l.accounts[symbol] = a
	}
	return l
}

// Published returns the range of ids that the exchange owes to its clients:
// from the first one written to any session that subscribed to the symbol to
// the last one published so far. ok is false when there is none yet.
func (l *Ledger) Published(symbol string) (first, last int64, ok bool) {
	a := l.accounts[symbol]
	if a == nil {
		return 0, 0, false
	}
	// In this order: last may have moved on since, never back.
	first = a.first.Load()
	if first == notYet {
		return 0, 0, false
	}
	return first, a.last.Load(), true
}

// lastID is the last id published, whether or not a session was there.
func (l *Ledger) lastID(symbol string) int64 { return l.accounts[symbol].last.Load() }

// ByREST tells whether REST ever served the trade. It remembers a bounded
// number of id ranges a symbol and forgets the lowest first.
func (l *Ledger) ByREST(symbol string, id int64) bool {
	a := l.accounts[symbol]
	if a == nil {
		return false
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.byREST.contains(id)
}

func (l *Ledger) servedByREST(symbol string, first, last int64) {
	a := l.accounts[symbol]
	a.mu.Lock()
	defer a.mu.Unlock()
	a.byREST.add(first, last)
}

// Total is the number of trades published so far, of all symbols.
func (l *Ledger) Total() int64 { return l.total.Load() }

// Late tells how late the publisher was: when it handed a trade to the
// sessions, against the trade's EventAt. Delays that a fault or a slow client
// imposes are not in it. The p99 is the upper edge of its bucket, at most 10 %
// too high. Both are zero when the server runs flat out.
func (l *Ledger) Late() (p99, max time.Duration) { return l.late.read() }

// Sessions returns the newest sessions, at most 1000, oldest first. One that
// is open has a zero Closed and the counts of now.
func (l *Ledger) Sessions() []SessionRecord {
	l.mu.Lock()
	defer l.mu.Unlock()
	records := slices.Clone(l.sessions)
	for i := range records {
		if now := l.open[records[i].N]; now != nil {
			records[i] = now()
		}
	}
	return records
}

// OnSession has f called with each session when it opens and when it has
// closed. f runs on the session's own goroutine and should be quick. A later
// call replaces f.
func (l *Ledger) OnSession(f func(SessionRecord)) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.onSession = f
}

// sessionOpened notes a session; now tells how it stands while it is open.
func (l *Ledger) sessionOpened(r SessionRecord, now func() SessionRecord) {
	l.mu.Lock()
	l.keep(r)
	l.open[r.N] = now
	f := l.onSession
	l.mu.Unlock()
	if f != nil {
		f(r)
	}
}

// sessionClosed notes how a session came to its end.
func (l *Ledger) sessionClosed(r SessionRecord) {
	l.mu.Lock()
	l.keep(r)
	delete(l.open, r.N)
	f := l.onSession
	l.mu.Unlock()
	if f != nil {
		f(r)
	}
}

func (l *Ledger) keep(r SessionRecord) {
	for i := range l.sessions {
		if l.sessions[i].N == r.N {
			l.sessions[i] = r
			return
		}
	}
	if !r.Closed.IsZero() && len(l.sessions) == maxSessionRecords {
		return // opened so long ago that it has left the ring
	}
	if len(l.sessions) == maxSessionRecords {
		copy(l.sessions, l.sessions[1:])
		l.sessions = l.sessions[:maxSessionRecords-1]
	}
	l.sessions = append(l.sessions, r)
}
