package fakebinance

import (
	"fmt"
	"net/http"
	"sort"
)

// aggTrades serves aggregates whose last trade was published: from fromId or
// startTime on, else the newest; with endTime, none that began after it.
func (s *Server) aggTrades(r *restRequest) ([]byte, error) {
	asked, err := s.page(r)
	if err != nil {
		return nil, err
	}
	symbol, from := asked.symbol, asked.from
	firstTrade, lastTrade := s.kept(symbol)
	if lastTrade < firstTrade {
		return []byte("[]"), nil
	}
	all := aggregatesOf(s.options.Source)
	// The one that the next trade belongs to is not complete.
	last := all.aggregateOf(symbol, lastTrade+1) - 1
	first := all.aggregateOf(symbol, firstTrade)
	if all.aggregateStart(symbol, first) < firstTrade {
		first++ // its first trades are no longer kept
	}
	start, _, hasStart, err := r.instant("startTime")
	if err != nil {
		return nil, err
	}
	_, end, hasEnd, err := r.instant("endTime")
	if err != nil {
		return nil, err
	}
	if asked.given && (hasStart || hasEnd) {
		return nil, &restError{http.StatusBadRequest, -1128, "Combination of optional parameters invalid."}
	}
	// The first aggregate at or after a time; times never fall.
	since := func(micros int64) int64 {
		return first + int64(sort.Search(int(max(0, last-first+1)), func(i int) bool {
			return s.publisher.lines[symbol].trade(all.aggregateStart(symbol, first+int64(i))).TradedAt >= micros
		}))
	}
	if hasEnd {
		last = since(end+1) - 1
	}
	switch {
	case hasStart:
		from = since(start)
	case !asked.given:
		from = last - asked.limit + 1
	}
	from = max(from, first)
	last = min(last, from+asked.limit-1)
	if last < from {
		return []byte("[]"), nil
	}
	begin := all.aggregateStart(symbol, from)
	s.ledger.servedByREST(symbol, begin, all.aggregateStart(symbol, last+1)-1)
	body := make([]byte, 0, (last-from+1)*140)
	for a := from; a <= last; a++ {
		next := all.aggregateStart(symbol, a+1)
		t := s.publisher.lines[symbol].trade(begin)
		for id := begin + 1; id < next; id++ {
			t.Quantity += s.publisher.lines[symbol].trade(id).Quantity
		}
		body = fmt.Appendf(body, `,{"a":%d,"p":"%v","q":"%v","f":%d,"l":%d,"T":%d,"m":%t,"M":true}`,
			a, t.Price, t.Quantity, begin, next-1, r.time(t.TradedAt), t.BuyerIsMaker)
		begin = next
	}
	body[0] = '['
	return append(body, ']'), nil
}

func aggregatesOf(source Source) aggregator {
	if known, ok := source.(aggregator); ok {
		return known
	}
	return single{}
}

// single has each trade as its own aggregate.
type single struct{}

func (single) aggregateOf(_ string, id int64) int64           { return id }
func (single) aggregateStart(_ string, aggregate int64) int64 { return aggregate }
