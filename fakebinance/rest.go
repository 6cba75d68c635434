package fakebinance

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
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
	return fmt.Appendf(nil, `{"serverTime":%d}`, r.time(s.now().UnixMicro())), nil
}

// marketDataOnly tells that a request is to the host without historicalTrades.
func (s *Server) marketDataOnly(r *http.Request) bool {
	return s.options.Switches.MarketDataOnly || hostOf(r.Host) == "data-api.binance.vision"
}
