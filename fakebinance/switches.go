package fakebinance

import (
	"errors"
	"fmt"
	"time"
)

// Switches are the rules of the exchange that a test may want otherwise, and
// those that the public documents leave open. The zero value of each is what
// is documented or was seen; where nobody knows, what this server does is a
// guess, and the comment says so.
type Switches struct {
	// Compress divides every time limit of the exchange, those given in
	// Options included: 144 has 24 h pass in ten minutes. 0 is 1.
	Compress float64

	OldPings bool // a ping every 3 min and 10 min for its answer, as before February 2025
	// AnyPong takes any pong as the answer to all pings. The documents want the
	// payload of the ping; the streams were seen not to look at it.
	AnyPong bool

	// Life is how long a session lives; 0: 24 h; negative: for ever.
	Life time.Duration
	// LifeCode is the close code at the end of a life, which is not documented.
	// 0: 1001, seen when the server leaves; -1: no close frame at all.
	LifeCode int
	// LifeNotice is how long before it serverShutdown comes. Nothing says that
	// it does. 0: it doesn't.
	LifeNotice time.Duration

	// Connects is how many sessions an address may try to open in 5 minutes; 0:
	// 300; negative: any number. What comes then is not documented: ConnectStatus,
	// 0: 429.
	Connects, ConnectStatus int
	// Penalty is how many sessions of an address may end with "Too many
	// requests" within 5 minutes; 0: 10, a guess; negative: any number. From
	// then on new ones are closed with 1008 for 2 minutes, as was seen.
	Penalty int
	// Ban is how many requests an address may make within a minute after REST
	// answered 429; 0: 10, a guess; negative: any number. The next gets 418 and
	// a ban: 2 minutes, twice as long each time, up to 3 days.
	Ban int
	// BanStreams refuses sessions of a banned address too, with 403.
	BanStreams bool

	// MarketDataOnly serves REST as data-api.binance.vision does: without
	// historicalTrades. A request to that host name gets the same.
	MarketDataOnly bool
	// DatabaseLag is how old a trade must be before historicalTrades and
	// aggTrades have it. It is not compressed.
	DatabaseLag time.Duration
	// Kept is how many trades of a symbol REST keeps; 0: all.
	Kept int64

	// NoCompression leaves an offer of permessage-deflate unanswered.
	NoCompression bool
	// URLBytes is the longest target of a session's request; 0: as long as
	// net/http takes. In 2019 the exchange took 8004.
	URLBytes int

	// Status is what exchangeInfo says of a symbol: TRADING if it isn't there,
	// END_OF_DAY, HALT, BREAK or CANCEL_ONLY. It stops no trade; see [Halts].
	Status map[string]string
}

// The documented limits, and guesses where Switches says so.
const (
	defaultLife     = 24 * time.Hour
	defaultLifeCode = 1001
	defaultConnects = 300
	defaultPenalty  = 10
	defaultBan      = 10

	oldPingInterval = 3 * time.Minute
	oldPongTimeout  = 10 * time.Minute

	connectWindow = 5 * time.Minute
	penaltyTime   = 2 * time.Minute
	leastBan      = 2 * time.Minute
	mostBan       = 3 * 24 * time.Hour
)

// maxCompress has 24 h pass in nine seconds; the scheduler's delays would be
// seen as breaches beyond.
const maxCompress = 10_000

var symbolStatuses = map[string]bool{"TRADING": true, "END_OF_DAY": true, "HALT": true, "BREAK": true, "CANCEL_ONLY": true}

func (w *Switches) complete() error {
	if w.Compress == 0 {
		w.Compress = 1
	}
	if !(w.Compress >= 1 && w.Compress <= maxCompress) {
		return fmt.Errorf("make server: compress %v is not within 1 and %d", w.Compress, maxCompress)
	}
	if w.LifeNotice < 0 || w.DatabaseLag < 0 || w.Kept < 0 || w.URLBytes < 0 {
		return errors.New("make server: a negative notice, lag, number of trades kept or length of a URL")
	}
	if w.LifeCode != 0 && w.LifeCode != -1 && (w.LifeCode < 1000 || w.LifeCode > 4999) {
		return fmt.Errorf("make server: close code %d is not within 1000 and 4999", w.LifeCode)
	}
	if w.ConnectStatus != 0 && (w.ConnectStatus < 400 || w.ConnectStatus > 599) {
		return fmt.Errorf("make server: status %d for too many connects is not within 400 and 599", w.ConnectStatus)
	}
	for symbol, status := range w.Status {
		if !symbolStatuses[status] {
			return fmt.Errorf("make server: %s has no status %q", symbol, status)
		}
	}
	orElse := func(v *int, otherwise int) {
		if *v == 0 {
			*v = otherwise
		}
	}
	orElse(&w.LifeCode, defaultLifeCode)
	orElse(&w.Connects, defaultConnects)
	orElse(&w.ConnectStatus, 429)
	orElse(&w.Penalty, defaultPenalty)
	orElse(&w.Ban, defaultBan)
	if w.Life == 0 {
		w.Life = defaultLife
	}
	w.Life, w.LifeNotice = w.compressed(w.Life), w.compressed(w.LifeNotice)
	return nil
}

// compressed is a time limit as it is kept here.
func (w *Switches) compressed(d time.Duration) time.Duration {
	if w.Compress == 1 {
		return d
	}
	return time.Duration(float64(d) / w.Compress)
}
