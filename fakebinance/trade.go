package fakebinance

import "time"

// Trade is one trade of one symbol. TradedAt (matching engine) and EventAt
// (stream server) are Unix microseconds.
type Trade struct {
	Symbol       string // upper case
	ID           int64
	Price        Decimal
	Quantity     Decimal
	BuyerIsMaker bool // true: the taker sold
	TradedAt     int64
	EventAt      int64
}

// Source says what every trade is and when it is due.
//
// Trade is a pure function: the same answer for the same arguments, for any
// id from FirstID(symbol) on, in any order, from any goroutine. EventAt is the
// instant at which a trade is due on the wire; it never falls as ids rise. The
// n-th trade of a symbol has id FirstID+n: there are no holes.
//
// Because of this a ledger that keeps id ranges also knows their content, and
// a run of any length needs no memory for it.
type Source interface {
	Symbols() []string // upper case; always the same, in the same order
	FirstID(symbol string) int64
	Trade(symbol string, id int64) Trade
	Describe() string // such as "market seed=7 rate=50/s"
}

// aggregator is what a Source also has when it knows aggregate trades: runs
// of consecutive trades of one taker order at one price. Aggregates have ids
// of their own that rise by one, and the first trade of one follows the last
// of the one before. A Source without it has each trade as its own aggregate.
type aggregator interface {
	aggregateOf(symbol string, id int64) int64           // the aggregate that trade id is part of
	aggregateStart(symbol string, aggregate int64) int64 // its first trade
}

// never is the time of a trade that is not due in any run: the end of the year 9999.
var never = time.Date(9999, 12, 31, 23, 59, 59, 0, time.UTC).UnixMicro()
