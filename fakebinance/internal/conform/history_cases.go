package conform

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
)

const (
	tradeRow     = `{id:int,price:"decimal.8",qty:"decimal.8",quoteQty:"decimal.8",time:ms,isBuyerMaker:bool,isBestMatch:true}`
	aggregateRow = `{a:int,p:"decimal.8",q:"decimal.8",f:int,l:int,T:ms,m:bool,M:true}`
)

// Section 7: REST.
var historyCases = []Case{
	{"rest-ping", "7", "ping answers {}", Documented, "", "200 {}", get("/api/v3/ping")},
	{"rest-time", "7", "time in milliseconds", Documented, "", "200 {serverTime:ms}", get("/api/v3/time")},
	{"rest-time-micro", "7", "X-MBX-TIME-UNIT has times in microseconds", Documented, "", "200 {serverTime:us}", get("/api/v3/time", "X-MBX-TIME-UNIT", "MICROSECOND")},
	{"rest-trades", "7", "rows of trades", Documented, "", "200 [" + tradeRow + "]", get("/api/v3/trades?symbol=$S&limit=2")},
	{"rest-historical", "7", "rows of historicalTrades", Documented, "", "200 [" + tradeRow + "]", get("/api/v3/historicalTrades?symbol=$S&limit=2")},
	{"rest-historical-micro", "7", "and in microseconds", Documented, "", "200 [" + strings.ReplaceAll(tradeRow, ":ms", ":us") + "]", get("/api/v3/historicalTrades?symbol=$S&limit=2", "X-MBX-TIME-UNIT", "MICROSECOND")},
	{"rest-historical-no-key", "7", "a key is not needed, and ignored", Documented, "", "200 [" + tradeRow + "]", get("/api/v3/historicalTrades?symbol=$S&limit=2", "X-MBX-APIKEY", "none")},
	{"rest-agg", "7", "rows of aggTrades", Documented, "", "200 [" + aggregateRow + "]", get("/api/v3/aggTrades?symbol=$S&limit=2")},
	{"rest-trades-default", "7", "500 trades unless asked otherwise", Documented, "", "500 rows, rising", rows("/api/v3/trades?symbol=$S", "id")},
	{"rest-historical-default", "7", "500 of historicalTrades, oldest first", Documented, "", "500 rows, rising", rows("/api/v3/historicalTrades?symbol=$S", "id")},
	{"rest-agg-default", "7", "500 aggregates, oldest first", Documented, "", "500 rows, rising", rows("/api/v3/aggTrades?symbol=$S", "a")},
	{"rest-historical-most", "7", "1000 at most", Documented, "", "1000 rows, rising", rows("/api/v3/historicalTrades?symbol=$S&limit=1000", "id")},
	{"rest-from-inclusive", "7", "fromId is the first row", Documented, "", "the one asked for", fromInclusive("/api/v3/historicalTrades", "id")},
	{"rest-agg-from-inclusive", "7", "so it is of aggregates", Documented, "", "the one asked for", fromInclusive("/api/v3/aggTrades", "a")},
	{"rest-from-too-old", "7", "a fromId before what is kept is no error: rows start at the first kept", Seen, "Switches.Kept", "200 [" + tradeRow + "]", get("/api/v3/historicalTrades?symbol=$S&fromId=1&limit=2")},
	{"rest-from-future", "7", "a fromId after the last gives no rows", Guess, "", "200 []", get("/api/v3/historicalTrades?symbol=$S&fromId=999999999999999")},
	{"rest-agg-times", "7", "startTime and endTime are inclusive", Documented, "", "within", aggregateTimes},
	{"rest-agg-from-and-start", "7", "fromId does not go with startTime", Guess, "", `400 {code:int,msg:"Combination of optional parameters invalid."}`, get("/api/v3/aggTrades?symbol=$S&fromId=5&startTime=1000")},
	{"rest-stream-row", "7", "a row of historicalTrades is the event of the stream", Documented, "", "the same", rowOfEvent},

	{"rest-symbol-missing", "7", "code -1102: a mandatory parameter is missing", Documented, "", `400 {"code":-1102,"msg":"Mandatory parameter 'symbol' was not sent, was empty/null, or malformed."}`, exactly("/api/v3/historicalTrades")},
	{"rest-symbol-unknown", "7", "code -1121: no such symbol", Documented, "", `400 {"code":-1121,"msg":"Invalid symbol."}`, exactly("/api/v3/trades?symbol=NOSUCHPAIR")},
	{"rest-symbol-lower-case", "7", "code -1100: characters that are not allowed", Documented, "", `400 {"code":-1100,"msg":"Illegal characters found in parameter 'symbol'; legal range is '^[A-Z0-9-_.]{1,20}$'."}`, exactly("/api/v3/trades?symbol=$s")},
	{"rest-from-illegal", "7", "code -1100: a fromId that is no number", Documented, "", `400 {"code":-1100,"msg":"Illegal characters found in parameter 'fromId'; legal range is '^[0-9]{1,20}$'."}`, exactly("/api/v3/historicalTrades?symbol=$S&fromId=x")},
	{"rest-parameter-empty", "7", "code -1105: a parameter is empty", Documented, "", `400 {"code":-1105,"msg":"Parameter 'limit' was empty."}`, exactly("/api/v3/trades?symbol=$S&limit=")},
	{"rest-parameter-unknown", "7", "code -1104, documented; that it answers a parameter that is not known", Guess, "", `400 {"code":-1104,"msg":"Not all sent parameters were read; read '1' parameter(s) but was sent '2'."}`, exactly("/api/v3/trades?symbol=$S&other=1")},
	{"rest-parameter-none", "7", "code -1101, documented; that it answers any parameter of ping", Guess, "", `400 {"code":-1101,"msg":"Too many parameters; expected '0' and received '1'."}`, exactly("/api/v3/ping?other=1")},
	{"rest-parameter-twice", "7", "code -1101, documented; that it answers a parameter sent twice", Guess, "", `400 {"code":-1101,"msg":"Duplicate values for a parameter detected."}`, exactly("/api/v3/trades?symbol=$S&symbol=$S")},
	{"rest-path-unknown", "7", "404 without a body", Documented, "", "404 ", exactly("/api/v3/nothing")},
	{"rest-path-unknown-html", "7", "404 with HTML if that is accepted", Documented, "", "404 text/html", contentType("/api/v3/nothing", "Accept", "text/html")},

	{"info-symbol", "7", "exchangeInfo of one symbol", Documented, "", "$S TRADING", exchangeInfo("?symbol=$S")},
	{"info-symbols", "7", "exchangeInfo of a list", Documented, "", "$S TRADING", exchangeInfo(`?symbols=["$S"]`)},
	{"info-both", "7", "not both at once", Documented, "", `400 {"code":-1128,"msg":"Combination of optional parameters invalid."}`, exactly(`/api/v3/exchangeInfo?symbol=$S&symbols=["$S"]`)},
	{"info-status-and-symbol", "7", "nor a status with a symbol", Guess, "", `400 {"code":-1128,"msg":"Combination of optional parameters invalid."}`, exactly(`/api/v3/exchangeInfo?symbol=$S&symbolStatus=TRADING`)},
	{"info-limits", "7", "rateLimits has the weight a minute", Documented, "RESTWeightLimit", "6000 a minute", weightLimit},

	{"weight-ping", "7", "weight of ping", Documented, "", "1", weightOf("/api/v3/ping")},
	{"weight-time", "7", "weight of time", Documented, "", "1", weightOf("/api/v3/time")},
	{"weight-info", "7", "weight of exchangeInfo", Documented, "", "20", weightOf("/api/v3/exchangeInfo?symbol=$S")},
	{"weight-trades", "7", "weight of trades", Documented, "", "25", weightOf("/api/v3/trades?symbol=$S&limit=1")},
	{"weight-historical", "7", "weight of historicalTrades", Documented, "", "25", weightOf("/api/v3/historicalTrades?symbol=$S&limit=1")},
	{"weight-agg", "7", "weight of aggTrades", Documented, "", "4", weightOf("/api/v3/aggTrades?symbol=$S&limit=1")},
	{"weight-legacy", "7", "the older header says the same", Documented, "", "the same", legacyWeight},
}

// most of an answer: 1000 rows are some 150 KB, exchangeInfo of the real
// exchange is never asked for without a symbol.
const maxAnswer = 4 << 20

func (e *Endpoint) get(ctx context.Context, path string, header ...string) (*http.Response, string, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, e.REST+e.expand(path), nil)
	if err != nil {
		return nil, "", err
	}
	for i := 0; i+1 < len(header); i += 2 {
		request.Header.Set(header[i], header[i+1])
	}
	response, err := e.HTTP.Do(request)
	if err != nil {
		return nil, "", err
	}
	defer response.Body.Close()
	body, err := io.ReadAll(io.LimitReader(response.Body, maxAnswer))
	return response, string(body), err
}

// get observes the status and the shape of an answer.
func get(path string, header ...string) func(context.Context, *Endpoint) (string, error) {
	return func(ctx context.Context, e *Endpoint) (string, error) {
		response, body, err := e.get(ctx, path, header...)
		if err != nil {
			return "", err
		}
		text, err := shape(body)
		return fmt.Sprintf("%d %s", response.StatusCode, text), err
	}
}

// exactly observes the status and the text of an answer.
func exactly(path string) func(context.Context, *Endpoint) (string, error) {
	return func(ctx context.Context, e *Endpoint) (string, error) {
		response, body, err := e.get(ctx, path)
		if err != nil {
			return "", err
		}
		return fmt.Sprintf("%d %s", response.StatusCode, body), nil
	}
}

func contentType(path string, header ...string) func(context.Context, *Endpoint) (string, error) {
	return func(ctx context.Context, e *Endpoint) (string, error) {
		response, _, err := e.get(ctx, path, header...)
		if err != nil {
			return "", err
		}
		kind, _, _ := strings.Cut(response.Header.Get("Content-Type"), ";")
		return fmt.Sprintf("%d %s", response.StatusCode, kind), nil
	}
}

// row is a trade or an aggregate of REST.
type row struct {
	ID           int64  `json:"id"`
	Price        string `json:"price"`
	Quantity     string `json:"qty"`
	Time         int64  `json:"time"`
	IsBuyerMaker bool   `json:"isBuyerMaker"`
	Aggregate    int64  `json:"a"`
	TradedAt     int64  `json:"T"`
}

func (r row) number(field string) int64 {
	if field == "a" {
		return r.Aggregate
	}
	return r.ID
}

func (e *Endpoint) rows(ctx context.Context, path string) ([]row, error) {
	response, body, err := e.get(ctx, path)
	if err != nil {
		return nil, err
	}
	var list []row
	if err := json.Unmarshal([]byte(body), &list); err != nil || len(list) == 0 {
		return nil, fmt.Errorf("get %s: %s, %.200s", path, response.Status, body)
	}
	return list, nil
}

func rows(path, field string) func(context.Context, *Endpoint) (string, error) {
	return func(ctx context.Context, e *Endpoint) (string, error) {
		list, err := e.rows(ctx, path)
		if err != nil {
			return "", err
		}
		for i := 1; i < len(list); i++ {
			if list[i].number(field) <= list[i-1].number(field) {
				return fmt.Sprintf("%d rows, falling", len(list)), nil
			}
		}
		return fmt.Sprintf("%d rows, rising", len(list)), nil
	}
}

// fromInclusive asks for the newest row but some, and again from there.
func fromInclusive(path, field string) func(context.Context, *Endpoint) (string, error) {
	return func(ctx context.Context, e *Endpoint) (string, error) {
		list, err := e.rows(ctx, path+"?symbol=$S&limit=10")
		if err != nil {
			return "", err
		}
		want := list[0].number(field)
		list, err = e.rows(ctx, fmt.Sprintf("%s?symbol=$S&limit=10&fromId=%d", path, want))
		if err != nil {
			return "", err
		}
		if got := list[0].number(field); got != want {
			return fmt.Sprintf("%d for %d", got, want), nil
		}
		return "the one asked for", nil
	}
}

func aggregateTimes(ctx context.Context, e *Endpoint) (string, error) {
	list, err := e.rows(ctx, "/api/v3/aggTrades?symbol=$S&limit=20")
	if err != nil {
		return "", err
	}
	start, end := list[0].TradedAt, list[len(list)-1].TradedAt
	list, err = e.rows(ctx, fmt.Sprintf("/api/v3/aggTrades?symbol=$S&limit=1000&startTime=%d&endTime=%d", start, end))
	if err != nil {
		return "", err
	}
	if list[0].TradedAt != start || list[len(list)-1].TradedAt != end {
		return fmt.Sprintf("%d to %d for %d to %d", list[0].TradedAt, list[len(list)-1].TradedAt, start, end), nil
	}
	return "within", nil
}

// rowOfEvent compares a trade of the stream with REST's.
func rowOfEvent(ctx context.Context, e *Endpoint) (string, error) {
	events, ended, err := e.events(ctx, "trade", 1)
	if err != nil || ended != "" {
		return ended, err
	}
	list, err := e.rows(ctx, fmt.Sprintf("/api/v3/historicalTrades?symbol=$S&limit=1&fromId=%d", events[0].ID))
	if err != nil {
		return "", err
	}
	r, ev := list[0], events[0]
	if r.ID != ev.ID || r.Price != ev.Price || r.Quantity != ev.Quantity || r.Time != ev.TradedAt || r.IsBuyerMaker != ev.Maker {
		return fmt.Sprintf("%+v for %+v", r, ev), nil
	}
	return "the same", nil
}

func exchangeInfo(query string) func(context.Context, *Endpoint) (string, error) {
	return func(ctx context.Context, e *Endpoint) (string, error) {
		_, body, err := e.get(ctx, "/api/v3/exchangeInfo"+query)
		if err != nil {
			return "", err
		}
		var answer struct {
			Symbols []struct{ Symbol, Status string }
		}
		if err := json.Unmarshal([]byte(body), &answer); err != nil {
			return "", fmt.Errorf("exchangeInfo: %.200s: %w", body, err)
		}
		var seen []string
		for _, symbol := range answer.Symbols {
			seen = append(seen, strings.ReplaceAll(symbol.Symbol, e.Symbol, "$S")+" "+symbol.Status)
		}
		return strings.Join(seen, ", "), nil
	}
}

func weightLimit(ctx context.Context, e *Endpoint) (string, error) {
	_, body, err := e.get(ctx, "/api/v3/exchangeInfo?symbol=$S")
	if err != nil {
		return "", err
	}
	var answer struct {
		RateLimits []struct {
			RateLimitType, Interval string
			IntervalNum, Limit      int
		}
	}
	if err := json.Unmarshal([]byte(body), &answer); err != nil {
		return "", fmt.Errorf("exchangeInfo: %.200s: %w", body, err)
	}
	for _, limit := range answer.RateLimits {
		if limit.RateLimitType == "REQUEST_WEIGHT" && limit.Interval == "MINUTE" && limit.IntervalNum == 1 {
			return fmt.Sprintf("%d a minute", limit.Limit), nil
		}
	}
	return "none", nil
}

const usedWeight = "X-MBX-USED-WEIGHT-1M"

// weightOf observes what a request costs. Where a minute began between the
// requests, it asks once more.
func weightOf(path string) func(context.Context, *Endpoint) (string, error) {
	return func(ctx context.Context, e *Endpoint) (string, error) {
		for range 2 {
			var used [2]int
			for i, path := range []string{"/api/v3/ping", path} {
				response, _, err := e.get(ctx, path)
				if err != nil {
					return "", err
				}
				if used[i], err = strconv.Atoi(response.Header.Get(usedWeight)); err != nil {
					return "no " + usedWeight, nil
				}
			}
			if used[1] > used[0] {
				return strconv.Itoa(used[1] - used[0]), nil
			}
		}
		return "less than before", nil
	}
}

func legacyWeight(ctx context.Context, e *Endpoint) (string, error) {
	response, _, err := e.get(ctx, "/api/v3/ping")
	if err != nil {
		return "", err
	}
	if a, b := response.Header.Get(usedWeight), response.Header.Get("X-MBX-USED-WEIGHT"); a != b || a == "" {
		return fmt.Sprintf("%q and %q", a, b), nil
	}
	return "the same", nil
}
