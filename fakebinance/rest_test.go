package fakebinance

import (
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"steadfeed/fakebinance/memnet"
)

func TestREST(t *testing.T) {
	market := newTestMarket(t, 20000, "BTCUSDT", "ETHUSDT")
	s := newTestServer(t, Options{Source: market, TLS: true})
	s.Start()
	eventually(t, "3000 trades", func() bool { return s.ledger.lastID("BTCUSDT") > market.FirstID("BTCUSDT")+3000 })
	s.StopPublishing()
	first, last := market.FirstID("BTCUSDT"), s.ledger.lastID("BTCUSDT")

	row := func(id, unit int64) string {
		trade := market.Trade("BTCUSDT", id)
		// The documented row; the product is exact because cents times lots fit.
		quote := int64(trade.Price) / 1e6 * (int64(trade.Quantity) / 1e3)
		return fmt.Sprintf(`{"id":%d,"price":"%s","qty":"%s","quoteQty":"%d.%08d","time":%d,"isBuyerMaker":%t,"isBestMatch":true}`,
			id, trade.Price, trade.Quantity, quote/1e7, quote%1e7*10, trade.TradedAt/unit, trade.BuyerIsMaker)
	}
	rows := func(from, to, unit int64) string {
		var all []string
		for id := from; id <= to; id++ {
			all = append(all, row(id, unit))
		}
		return "[" + strings.Join(all, ",") + "]"
	}
	f := func(path, want string, header ...string) {
		t.Helper()
		response, body := get(t, s, path, header...)
		if response.StatusCode != 200 || body != want {
			t.Errorf("%s: %d\ngot  %.300s\nwant %.300s", path, response.StatusCode, body, want)
		}
	}
	const history = "/api/v3/historicalTrades?symbol=BTCUSDT"
	f("/api/v3/ping", "{}")
	f(fmt.Sprintf("%s&fromId=%d&limit=2", history, first+1000), rows(first+1000, first+1001, 1000))
	f(fmt.Sprintf("%s&fromId=%d&limit=3", history, first+1000), rows(first+1000, first+1002, 1), "X-MBX-TIME-UNIT", "MICROSECOND")
	f(fmt.Sprintf("%s&fromId=%d", history, first+7), rows(first+7, first+506, 1000))
	f(history+"&fromId=1&limit=5", rows(first, first+4, 1000)) // before what is kept
	f(fmt.Sprintf("%s&fromId=%d", history, last-1), rows(last-1, last, 1000))
	f(fmt.Sprintf("%s&fromId=%d", history, last+1), "[]") // not published yet
	f(history+"&limit=5000", rows(last-999, last, 1000))
	f("/api/v3/trades?symbol=BTCUSDT&limit=4", rows(last-3, last, 1000))

	for _, id := range []int64{first, first + 4, first + 7, first + 1002, last} {
		if !s.Ledger().ByREST("BTCUSDT", id) {
			t.Errorf("trade %d (%d from the first) not by REST", id, id-first)
		}
	}
	for _, id := range []int64{first - 1, first + 5, first + 507, first + 999, first + 1003, last + 1} {
		if s.Ledger().ByREST("BTCUSDT", id) {
			t.Errorf("trade %d (%d from the first) by REST", id, id-first)
		}
	}
	if s.Ledger().ByREST("ETHUSDT", first) || s.Ledger().ByREST("XRPUSDT", first) {
		t.Error("trades of other symbols by REST")
	}
}

func TestAggTrades(t *testing.T) {
	market := newTestMarket(t, 20000, "BTCUSDT")
	s := newTestServer(t, Options{Source: market})
	s.Start()
	first := market.FirstID("BTCUSDT")
	eventually(t, "3000 trades", func() bool { return s.ledger.lastID("BTCUSDT") > first+3000 })
	s.StopPublishing()
	_, body := get(t, s, fmt.Sprintf("/api/v3/aggTrades?symbol=BTCUSDT&fromId=%d&limit=1000", first+10))
	var rows []struct {
		A       int64  `json:"a"`
		Price   string `json:"p"`
		Qty     string `json:"q"`
		F       int64  `json:"f"`
		L       int64  `json:"l"`
		At      int64  `json:"T"`
		Maker   bool   `json:"m"`
		Ignored bool   `json:"M"`
	}
	if err := json.Unmarshal([]byte(body), &rows); err != nil || len(rows) != 1000 {
		t.Fatalf("%d rows, %v: %.200s", len(rows), err, body)
	}
	for i, row := range rows {
		if row.A != first+10+int64(i) || i > 0 && row.F != rows[i-1].L+1 || row.L < row.F {
			t.Fatalf("row %d: %+v after %+v", i, row, rows[max(i-1, 0)])
		}
		var sum Decimal
		for id := row.F; id <= row.L; id++ {
			trade := market.Trade("BTCUSDT", id)
			sum += trade.Quantity
			if trade.Price.String() != row.Price || trade.TradedAt/1000 != row.At || trade.BuyerIsMaker != row.Maker {
				t.Fatalf("row %+v has trade %+v", row, trade)
			}
		}
		if sum.String() != row.Qty {
			t.Fatalf("row %+v: its trades sum up to %s", row, sum)
		}
	}
	_, body = get(t, s, "/api/v3/aggTrades?symbol=BTCUSDT&limit=1")
	if err := json.Unmarshal([]byte(body), &rows); err != nil || len(rows) != 1 || rows[0].L > s.ledger.lastID("BTCUSDT") {
		t.Errorf("the newest: %s, %v", body, err)
	}
	// By time: the first aggregate at or after it, up to the last within it.
	at := market.Trade("BTCUSDT", first+1500).TradedAt
	for _, unit := range []int64{1, 1000} {
		_, body = get(t, s, fmt.Sprintf("/api/v3/aggTrades?symbol=BTCUSDT&startTime=%d&limit=1", at/unit))
		if err := json.Unmarshal([]byte(body), &rows); err != nil || len(rows) != 1 ||
			market.Trade("BTCUSDT", rows[0].F).TradedAt/unit < at/unit || market.Trade("BTCUSDT", rows[0].F-1).TradedAt/unit >= at/unit {
			t.Errorf("since %d: %s, %v", at/unit, body, err)
		}
		_, body = get(t, s, fmt.Sprintf("/api/v3/aggTrades?symbol=BTCUSDT&endTime=%d&limit=1", at/unit))
		if err := json.Unmarshal([]byte(body), &rows); err != nil || len(rows) != 1 ||
			market.Trade("BTCUSDT", rows[0].F).TradedAt/unit > at/unit || market.Trade("BTCUSDT", rows[0].L+1).TradedAt/unit <= at/unit {
			t.Errorf("until %d: %s, %v", at/unit, body, err)
		}
	}
	if _, body = get(t, s, fmt.Sprintf("/api/v3/aggTrades?symbol=BTCUSDT&startTime=%d", time.Now().Add(time.Hour).UnixMilli())); body != "[]" {
		t.Errorf("in an hour: %s", body)
	}
	if answer, body := get(t, s, "/api/v3/aggTrades?symbol=BTCUSDT&startTime=1&fromId=1"); answer.StatusCode != 400 {
		t.Errorf("both an id and a time: %s %s", answer.Status, body)
	}
}

func TestRESTErrors(t *testing.T) {
	s := newTestServer(t, Options{Source: newTestMarket(t, 0, "BTCUSDT")})
	f := func(path string, status int, want string) {
		t.Helper()
		response, body := get(t, s, path)
		if response.StatusCode != status || body != want {
			t.Errorf("%s: %d %s, want %d %s", path, response.StatusCode, body, status, want)
		}
	}
	const invalid = `{"code":-1121,"msg":"Invalid symbol."}`
	f("/api/v3/trades?symbol=XXXUSDT", 400, invalid)
	f("/api/v3/exchangeInfo?symbol=XXXUSDT", 400, invalid)
	f(`/api/v3/exchangeInfo?symbols=["BTCUSDT","XXXUSDT"]`, 400, invalid)
	f(`/api/v3/exchangeInfo?symbols=["BTCUSDT"]&symbol=BTCUSDT`, 400, `{"code":-1128,"msg":"Combination of optional parameters invalid."}`)
	f("/api/v3/historicalTrades", 400, `{"code":-1102,"msg":"Mandatory parameter 'symbol' was not sent, was empty/null, or malformed."}`)
	f("/api/v3/historicalTrades?symbol=BTCUSDT&fromId=x", 400, `{"code":-1100,"msg":"Illegal characters found in parameter 'fromId'; legal range is '^[0-9]{1,20}$'."}`)
	f("/api/v3/aggTrades?symbol=btcusdt", 400, `{"code":-1100,"msg":"Illegal characters found in parameter 'symbol'; legal range is '^[A-Z0-9-_.]{1,20}$'."}`)
	f("/api/v3/historicalTrades?symbol=BTCUSDT", 200, "[]")
	f("/api/v3/aggTrades?symbol=BTCUSDT&fromId=1", 200, "[]")
	f("/api/v3/nothing", 404, "")
}

func TestExchangeInfo(t *testing.T) {
	s := newTestServer(t, Options{Source: newTestMarket(t, 0, "BTCUSDT", "ETHUSDT", "BNBBTC"), RESTWeightLimit: 1234})
	f := func(query string, want ...string) {
		t.Helper()
		_, body := get(t, s, "/api/v3/exchangeInfo"+query, "X-MBX-TIME-UNIT", "MICROSECOND")
		var answer struct {
			ServerTime int64
			RateLimits []struct {
				RateLimitType, Interval string
				IntervalNum, Limit      int
			}
			Symbols []struct{ Symbol, Status, BaseAsset, QuoteAsset string }
		}
		if err := json.Unmarshal([]byte(body), &answer); err != nil {
			t.Fatal(err)
		}
		var got []string
		for _, symbol := range answer.Symbols {
			got = append(got, symbol.Symbol+" "+symbol.Status+" "+symbol.BaseAsset+"/"+symbol.QuoteAsset)
		}
		if strings.Join(got, ", ") != strings.Join(want, ", ") {
			t.Errorf("%s: %s, want %s", query, got, want)
		}
		if limit := answer.RateLimits[0]; limit.RateLimitType != "REQUEST_WEIGHT" || limit.Limit != 1234 {
			t.Errorf("limit %+v", limit)
		}
		if age := time.Since(time.UnixMicro(answer.ServerTime)); age < 0 || age > patience {
			t.Errorf("server time %d", answer.ServerTime)
		}
	}
	f("", "BTCUSDT TRADING BTC/USDT", "ETHUSDT TRADING ETH/USDT", "BNBBTC TRADING BNB/BTC")
	f("?symbol=ETHUSDT", "ETHUSDT TRADING ETH/USDT")
	f(`?symbols=["BNBBTC","BTCUSDT"]`, "BNBBTC TRADING BNB/BTC", "BTCUSDT TRADING BTC/USDT")
}

// The window is the minute of the clock, which the bubble begins.
func TestRESTWeight(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		network := memnet.New()
		listener, err := network.Listen("127.0.0.1:8080")
		if err != nil {
			t.Fatal(err)
		}
		s := newTestServer(t, Options{Source: newTestMarket(t, 0, "BTCUSDT"), Listener: listener, RESTWeightLimit: 75})
		used := 0
		f := func(path string, weight int) {
			t.Helper()
			used += weight
			response, body := getOver(t, s, network, path)
			if got := response.Header.Get("X-MBX-USED-WEIGHT-1M"); got != strconv.Itoa(used) {
				t.Errorf("%s: used %s, want %d", path, got, used)
			}
			if used <= 75 {
				if response.StatusCode != 200 {
					t.Errorf("%s: %d", path, response.StatusCode)
				}
				return
			}
			wait := response.Header.Get("Retry-After")
			if response.StatusCode != 429 || wait != strconv.Itoa(60-time.Now().Second()) || !strings.HasPrefix(body, `{"code":-1003,"msg":"Too much request weight used; current limit is 75 request weight per 1 MINUTE.`) {
				t.Errorf("%s: %d, wait %s, %s", path, response.StatusCode, wait, body)
			}
		}
		f("/api/v3/ping", 1)
		f("/api/v3/time", 1)
		f("/api/v3/exchangeInfo", 20)
		f("/api/v3/trades?symbol=BTCUSDT", 25)
		f("/api/v3/historicalTrades?symbol=BTCUSDT", 25)
		time.Sleep(17 * time.Second)
		f("/api/v3/aggTrades?symbol=BTCUSDT", 4)
		f("/api/v3/ping", 1)
		f("/api/v3/ping", 1)
		time.Sleep(42 * time.Second)
		f("/api/v3/ping", 1)
		time.Sleep(time.Second) // as Retry-After says
		most := used
		used = 0
		f("/api/v3/historicalTrades?symbol=BTCUSDT", 25)
		if got := s.MostRESTWeight(); got != most || got <= 75 {
			t.Errorf("the most in a minute is %d, want %d, of the first", got, most)
		}
	})
}
