package fakebinance

import (
	"encoding/json"
	"fmt"
	"io"
	"math/bits"
	"net/http"
	"net/url"
	"slices"
	"sort"
	"strconv"
	"strings"
	"time"
)

const (
	defaultRows = 500
	maxRows     = 1000
)

// restError is an answer other than 200, with the codes and texts of the exchange.
type restError struct {
	status int
	code   int
	text   string
}

func (e *restError) Error() string { return e.text }

// restRequest is one request while it is answered.
type restRequest struct {
	query        url.Values
	microseconds bool
}

// time is a time in Unix microseconds as the client wants to have it.
func (r *restRequest) time(micros int64) int64 {
	if r.microseconds {
		return micros
	}
	return micros / 1000
}

const historicalPath = "/api/v3/historicalTrades"

// restPaths are the endpoints, with their documented weights.
var restPaths = map[string]struct {
	weight int
	takes  string // names of its parameters, with a space around each
	answer func(*Server, *restRequest) ([]byte, error)
}{
	"/api/v3/ping":         {1, " ", (*Server).ping},
	"/api/v3/time":         {1, " ", (*Server).time},
	"/api/v3/exchangeInfo": {20, " symbol symbols permissions showPermissionSets symbolStatus ", (*Server).exchangeInfo},
	"/api/v3/trades":       {25, " symbol limit ", (*Server).recentTrades},
	historicalPath:         {25, " symbol limit fromId ", (*Server).historicalTrades},
	"/api/v3/aggTrades":    {4, " symbol limit fromId startTime endTime ", (*Server).aggTrades},
}

func (s *Server) serveREST(w http.ResponseWriter, r *http.Request) {
	endpoint, found := restPaths[r.URL.Path]
	if !found || r.Method != http.MethodGet || r.URL.Path == historicalPath && s.marketDataOnly(r) {
		if strings.Contains(r.Header.Get("Accept"), "text/html") {
			w.Header().Set("Content-Type", "text/html")
			w.WriteHeader(http.StatusNotFound)
			_, _ = io.WriteString(w, "<html><body><h2>404 Not found</h2></body></html>\n") // the client may have gone
			return
		}
		w.WriteHeader(http.StatusNotFound)
		return
	}
	charged := s.addresses.spend(hostOf(r.RemoteAddr), endpoint.weight)
	used := charged.used
	header := w.Header()
	header.Set("Content-Type", "application/json;charset=UTF-8")
	header.Set("X-MBX-USED-WEIGHT", strconv.Itoa(used))
	header.Set("X-MBX-USED-WEIGHT-1M", strconv.Itoa(used))
	if charged.status != 0 {
		header.Set("Retry-After", retryAfter(charged.wait))
		text := fmt.Sprintf("Too much request weight used; current limit is %d request weight per 1 MINUTE. Please use WebSocket Streams for live updates to avoid polling the API.", s.addresses.limit)
		if charged.status == http.StatusTeapot {
			text = fmt.Sprintf("Way too much request weight used; IP banned until %d. Please use WebSocket Streams for live updates to avoid bans.", charged.until.UnixMilli())
		}
		writeRESTError(w, &restError{charged.status, -1003, text})
		return
	}
	request := &restRequest{
		query:        r.URL.Query(),
		microseconds: strings.EqualFold(r.Header.Get("X-MBX-TIME-UNIT"), "MICROSECOND"),
	}
	if err := request.check(endpoint.takes); err != nil {
		writeRESTError(w, err)
		return
	}
	body, err := endpoint.answer(s, request)
	if err != nil {
		writeRESTError(w, err)
		return
	}
	_, _ = w.Write(body) // the client may have gone
}

func writeRESTError(w http.ResponseWriter, err error) {
	wrong, ok := err.(*restError)
	if !ok {
		wrong = &restError{http.StatusInternalServerError, -1000, err.Error()}
	}
	body, err := json.Marshal(struct {
		Code int    `json:"code"`
		Text string `json:"msg"`
	}{wrong.code, wrong.text})
	if err != nil {
		panic(err) // a number and a string can always be encoded
	}
	w.WriteHeader(wrong.status)
	_, _ = w.Write(body) // the client may have gone
}

func (s *Server) ping(*restRequest) ([]byte, error) { return []byte("{}"), nil }

func (s *Server) time(r *restRequest) ([]byte, error) {
	return fmt.Appendf(nil, `{"serverTime":%d}`, r.time(time.Now().UnixMicro())), nil
}

// symbol reads the mandatory parameter symbol.
func (s *Server) symbol(r *restRequest) (string, error) {
	symbol := r.query.Get("symbol")
	if symbol == "" {
		return "", &restError{http.StatusBadRequest, -1102, "Mandatory parameter 'symbol' was not sent, was empty/null, or malformed."}
	}
	if err := s.known(symbol); err != nil {
		return "", err
	}
	return symbol, nil
}

func (s *Server) known(symbol string) error {
	if symbol != strings.ToUpper(symbol) {
		return &restError{http.StatusBadRequest, -1100, `Illegal characters found in parameter 'symbol'; legal range is '^[A-Z0-9-_.]{1,20}$'.`}
	}
	if s.publisher.lines[symbol] == nil {
		return &restError{http.StatusBadRequest, -1121, "Invalid symbol."}
	}
	return nil
}

// number reads a parameter that is a whole number; given tells whether it is there.
func (r *restRequest) number(name string) (n int64, given bool, err error) {
	text := r.query.Get(name)
	if text == "" {
		return 0, r.query.Has(name), nil
	}
	n, err = strconv.ParseInt(text, 10, 64)
	if err != nil || n < 0 {
		return 0, true, &restError{http.StatusBadRequest, -1100, fmt.Sprintf(`Illegal characters found in parameter '%s'; legal range is '^[0-9]{1,20}$'.`, name)}
	}
	return n, true, nil
}

// limit reads the parameter limit; what is above the maximum means the maximum.
func (r *restRequest) limit() (int64, error) {
	n, given, err := r.number("limit")
	if err != nil || !given {
		return defaultRows, err
	}
	return min(max(n, 1), maxRows), nil
}

// check looks for parameters that an endpoint doesn't take, takes once only, or
// that are empty.
func (r *restRequest) check(takes string) error {
	known := 0
	for name, values := range r.query {
		switch {
		case !strings.Contains(takes, " "+name+" "):
			continue
		case len(values) > 1:
			return &restError{http.StatusBadRequest, -1101, "Duplicate values for a parameter detected."}
		case values[0] == "" && name != "symbol": // the symbol is mandatory and has its own error
			return &restError{http.StatusBadRequest, -1105, fmt.Sprintf("Parameter '%s' was empty.", name)}
		}
		known++
	}
	switch sent := len(r.query); {
	case sent == known:
		return nil
	case takes == " ":
		return &restError{http.StatusBadRequest, -1101, fmt.Sprintf("Too many parameters; expected '0' and received '%d'.", sent)}
	default:
		return &restError{http.StatusBadRequest, -1104, fmt.Sprintf("Not all sent parameters were read; read '%d' parameter(s) but was sent '%d'.", known, sent)}
	}
}

// marketDataOnly tells that a request is to the host without historicalTrades.
func (s *Server) marketDataOnly(r *http.Request) bool {
	return s.options.Switches.MarketDataOnly || hostOf(r.Host) == "data-api.binance.vision"
}

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
	if lag := s.options.Switches.DatabaseLag; lag > 0 {
		since := time.Now().Add(-lag).UnixMicro()
		trade := s.publisher.lines[symbol].trade
		last = first + int64(sort.Search(int(max(0, last-first+1)), func(i int) bool {
			return trade(first+int64(i)).EventAt > since
		})) - 1
	}
	return first, last
}

// page is what a request for rows asks for.
type page struct {
	symbol string
	from   int64 // first id, if given
	given  bool
	limit  int64
}

func (s *Server) page(r *restRequest) (p page, err error) {
	if p.symbol, err = s.symbol(r); err != nil {
		return p, err
	}
	if p.limit, err = r.limit(); err != nil {
		return p, err
	}
	p.from, p.given, err = r.number("fromId")
	return p, err
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
	last = min(last, from+asked.limit-1)
	if last < from {
		return []byte("[]"), nil
	}
	s.ledger.servedByREST(symbol, from, last)
	body := make([]byte, 0, (last-from+1)*160)
	for id := from; id <= last; id++ {
		t := s.publisher.lines[symbol].trade(id)
		body = append(body, ',')
		body = r.appendTrade(body, &t)
	}
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

// instant reads a parameter that is a time, in milliseconds or microseconds,
// and returns the first and the last Unix microsecond of it.
func (r *restRequest) instant(name string) (first, last int64, given bool, err error) {
	n, given, err := r.number(name)
	if n < 100_000_000_000_000 { // the year 5138 in milliseconds, 1973 in microseconds
		return n * 1000, n*1000 + 999, given, err
	}
	return n, n, given, err
}

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

type symbolFilter struct {
	Type     string `json:"filterType"`
	MinPrice string `json:"minPrice,omitempty"`
	MaxPrice string `json:"maxPrice,omitempty"`
	TickSize string `json:"tickSize,omitempty"`
	MinQty   string `json:"minQty,omitempty"`
	MaxQty   string `json:"maxQty,omitempty"`
	StepSize string `json:"stepSize,omitempty"`
}

type symbolEntry struct {
	Symbol         string         `json:"symbol"`
	Status         string         `json:"status"`
	BaseAsset      string         `json:"baseAsset"`
	BasePrecision  int            `json:"baseAssetPrecision"`
	QuoteAsset     string         `json:"quoteAsset"`
	QuotePrecision int            `json:"quoteAssetPrecision"`
	SpotAllowed    bool           `json:"isSpotTradingAllowed"`
	Filters        []symbolFilter `json:"filters"`
}

type rateLimit struct {
	Type     string `json:"rateLimitType"`
	Interval string `json:"interval"`
	Num      int    `json:"intervalNum"`
	Limit    int    `json:"limit"`
}

// exchangeInfo describes one symbol, those of a JSON array, or all.
func (s *Server) exchangeInfo(r *restRequest) ([]byte, error) {
	symbols := s.options.Source.Symbols()
	wanted := r.query.Get("symbolStatus")
	if wanted != "" && !symbolStatuses[wanted] {
		return nil, &restError{http.StatusBadRequest, -1130, "Data sent for parameter 'symbolStatus' is not valid."}
	}
	named := r.query.Has("symbol") || r.query.Has("symbols")
	switch {
	case wanted != "" && named, r.query.Has("permissions") && named, r.query.Has("symbol") && r.query.Has("symbols"):
		return nil, &restError{http.StatusBadRequest, -1128, "Combination of optional parameters invalid."}
	case r.query.Has("symbol"):
		symbol, err := s.symbol(r)
		if err != nil {
			return nil, err
		}
		symbols = []string{symbol}
	case r.query.Has("symbols"):
		symbols = nil
		if err := json.Unmarshal([]byte(r.query.Get("symbols")), &symbols); err != nil {
			return nil, &restError{http.StatusBadRequest, -1100, `Illegal characters found in parameter 'symbols'; legal range is '^\[("[A-Z0-9-_.]{1,20}"(,"[A-Z0-9-_.]{1,20}"){0,}){0,1}\]$'.`}
		}
		for _, symbol := range symbols {
			if err := s.known(symbol); err != nil {
				return nil, err
			}
		}
		slices.Sort(symbols)
		symbols = slices.Compact(symbols)
	}
	answer := struct {
		Timezone        string        `json:"timezone"`
		ServerTime      int64         `json:"serverTime"`
		RateLimits      []rateLimit   `json:"rateLimits"`
		ExchangeFilters []any         `json:"exchangeFilters"`
		Symbols         []symbolEntry `json:"symbols"`
	}{
		Timezone:        "UTC",
		ServerTime:      r.time(time.Now().UnixMicro()),
		RateLimits:      []rateLimit{{"REQUEST_WEIGHT", "MINUTE", 1, s.addresses.limit}, {"RAW_REQUESTS", "MINUTE", 5, 300000}},
		ExchangeFilters: []any{},
		Symbols:         []symbolEntry{},
	}
	for _, symbol := range symbols {
		entry := entryOf(symbol)
		entry.Status = s.statusOf(symbol)
		if wanted == "" || wanted == entry.Status {
			answer.Symbols = append(answer.Symbols, entry)
		}
	}
	return json.Marshal(answer)
}

func entryOf(symbol string) symbolEntry {
	spec := specOf(symbol)
	const largest = 1e6 * One
	return symbolEntry{
		Symbol:    symbol,
		BaseAsset: spec.baseAsset, BasePrecision: decimalDigits,
		QuoteAsset: spec.quoteAsset, QuotePrecision: decimalDigits,
		SpotAllowed: true,
		Filters: []symbolFilter{
			{Type: "PRICE_FILTER", MinPrice: spec.tick.String(), MaxPrice: largest.String(), TickSize: spec.tick.String()},
			{Type: "LOT_SIZE", MinQty: spec.lot.String(), MaxQty: largest.String(), StepSize: spec.lot.String()},
		},
	}
}
