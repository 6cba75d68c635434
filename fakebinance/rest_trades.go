package fakebinance

import (
	"math/bits"
	"sort"
	"strconv"
	"time"
)

// recentTrades serves the newest trades, from memory: it never lags.
func (s *Server) recentTrades(r *restRequest) ([]byte, error) {
	asked, err := s.page(r)
	if err != nil {
		return nil, err
	}
	return s.tradeRows(r, asked, s.ledger.lastID(asked.symbol))
}

// kept is the range of trades that the database has: not those that are too
// new, nor those that were too long ago.
func (s *Server) kept(symbol string) (first, last int64) {
	first, last = s.options.Source.FirstID(symbol), s.ledger.lastID(symbol)
	if kept := s.options.Switches.Kept; kept > 0 {
		first = max(first, last-kept+1)
	}
	if f := s.lagging.Load(); active(f) {
		last = min(last, f.limit(symbol))
	}
	if lag := s.options.Switches.DatabaseLag; lag > 0 {
		since := time.Now().Add(-lag).UnixMicro()
		trade := s.publisher.lines[symbol].trade
		last = first + int64(sort.Search(int(max(0, last-first+1)), func(i int) bool {
			return trade(first+int64(i)).EventAt > since
		})) - 1
	}
	return first, last
}

// historicalTrades serves what was published so far, from fromId on or, without
// it, the newest. A fromId before the first trade kept is no error: rows start
// at the first.
func (s *Server) historicalTrades(r *restRequest) ([]byte, error) {
	asked, err := s.page(r)
	if err != nil {
		return nil, err
	}
	_, last := s.kept(asked.symbol)
	return s.tradeRows(r, asked, last)
}

// tradeRows serves the trades asked for, up to last.
func (s *Server) tradeRows(r *restRequest, asked page, last int64) ([]byte, error) {
	symbol, from := asked.symbol, asked.from
	if !asked.given {
		from = last - asked.limit + 1
	}
	first, _ := s.kept(symbol)
	from = max(from, first)
	body := make([]byte, 0, max(min(last-from+1, asked.limit), 0)*160)
	id, rows := from, int64(0)
	for ; id <= last && rows < asked.limit; id++ {
		if s.lost.has(symbol, id) {
			continue // the next one takes its place
		}
		t := s.publisher.lines[symbol].trade(id)
		body = append(body, ',')
		body = r.appendTrade(body, &t)
		rows++
	}
	if rows == 0 {
		return []byte("[]"), nil
	}
	s.ledger.servedByREST(symbol, from, id-1)
	body[0] = '['
	return append(body, ']'), nil
}

func (r *restRequest) appendTrade(b []byte, t *Trade) []byte {
	b = append(b, `{"id":`...)
	b = appendUint(b, uint64(t.ID))
	b = append(b, `,"price":"`...)
	b = t.Price.Append(b)
	b = append(b, `","qty":"`...)
	b = t.Quantity.Append(b)
	b = append(b, `","quoteQty":"`...)
	b = product(t.Price, t.Quantity).Append(b)
	b = append(b, `","time":`...)
	b = appendUint(b, uint64(r.time(t.TradedAt)))
	b = append(b, `,"isBuyerMaker":`...)
	b = strconv.AppendBool(b, t.BuyerIsMaker)
	return append(b, `,"isBestMatch":true}`...)
}

// product is a times b, cut off after 8 decimals. Neither is negative.
func product(a, b Decimal) Decimal {
	high, low := bits.Mul64(uint64(a), uint64(b))
	if high >= uint64(One) {
		return Decimal(1<<63 - 1) // beyond anything that was ever traded
	}
	quotient, _ := bits.Div64(high, low, uint64(One))
	return Decimal(quotient)
}
