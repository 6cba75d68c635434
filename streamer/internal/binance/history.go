package binance

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"golang.org/x/time/rate"
)

// Weights and limits of the REST interface (Binance: rest-api.md).
const (
	historyWeight = 25   // of a request for historical trades
	symbolsWeight = 20   // of a request for exchangeInfo
	HistoryLimit  = 1000 // trades in one answer, at most
	// weightLimit is what an address may spend in a minute.
	weightLimit = 6000
	// weightHeader says how much of it is spent.
	weightHeader = "X-Mbx-Used-Weight-1m"
	// answerLimit bounds an answer: 1,000 rows are about 150 KB, exchangeInfo
	// for all symbols some MB.
	answerLimit = 32 << 20
	// restTimeout is longer than the server's own limit of 10 s.
	restTimeout = 15 * time.Second
)

// History fetches trades by id, and what the exchange lists. It spends at most
// its share of the weight that the exchange allows to one address. It is for
// one goroutine at a time.
type History struct {
	base    string
	client  *http.Client
	limiter *rate.Limiter // in units of weight
	decoder *decoder
	jitter  *rand.Rand
	resume  time.Time // no request before it
	log     *slog.Logger
}

// HistoryOptions are what a History needs. All fields are required.
type HistoryOptions struct {
	URL     string // such as https://api.binance.com
	Symbols []string
	Budget  float64 // share of the weight limit that may be spent, 0 to 1
	Seed    uint64
	// Client reaches the network; its transport must not be the default one,
	// whose connections outlive the streamer.
	Client *http.Client
	Log    *slog.Logger
}

// NewHistory returns a History that has spent nothing yet.
func NewHistory(o HistoryOptions) *History {
	perMinute := o.Budget * weightLimit
	return &History{
		base:   strings.TrimSuffix(o.URL, "/"),
		client: o.Client,
		// A tenth of a minute's share may go at once, so that a short gap is
		// repaired without waiting.
		limiter: rate.NewLimiter(rate.Limit(perMinute/60), max(int(perMinute/10), historyWeight)),
		decoder: newDecoder(o.Symbols),
		jitter:  rand.New(rand.NewPCG(o.Seed, 0x41)),
		log:     o.Log,
	}
}

// ErrNotListed is why a symbol cannot be streamed.
var ErrNotListed = errors.New("not listed on this exchange")

// refused is an answer other than 200.
type refused struct {
	Status     int           `json:"-"`
	Code       int           `json:"code"`
	Text       string        `json:"msg"`
	RetryAfter time.Duration `json:"-"`
}

func (r *refused) Error() string {
	if r.Text == "" {
		return fmt.Sprintf("status %d", r.Status)
	}
	return fmt.Sprintf("status %d, code %d: %s", r.Status, r.Code, r.Text)
}

// codeInvalidSymbol is the exchange's code for a symbol that it does not have
// (Binance: errors.md).
const codeInvalidSymbol = -1121

// CheckSymbols asks whether the exchange lists all symbols. It returns an
// error that wraps ErrNotListed and names those that it does not list.
func (h *History) CheckSymbols(ctx context.Context) error {
	list, err := json.Marshal(h.decoder.symbols)
	if err != nil {
		return err
	}
	err = h.get(ctx, symbolsWeight, "/api/v3/exchangeInfo", url.Values{"symbols": {string(list)}}, nil)
	var no *refused
	if !errors.As(err, &no) || no.Code != codeInvalidSymbol {
		return err
	}
	// The answer does not say which; ask one by one.
	var unknown []string
	for _, symbol := range h.decoder.symbols {
		err := h.get(ctx, symbolsWeight, "/api/v3/exchangeInfo", url.Values{"symbol": {symbol}}, nil)
		if errors.As(err, &no) && no.Code == codeInvalidSymbol {
			unknown = append(unknown, symbol)
		} else if err != nil {
			return err
		}
	}
	return fmt.Errorf("%s: %w (%s)", strings.Join(unknown, ", "), ErrNotListed, h.base)
}

// historyRow is a row of historicalTrades. Its time is that of the trade; an
// event time does not exist here.
type historyRow struct {
	ID           *int64 `json:"id"`
	Price        string `json:"price"`
	Quantity     string `json:"qty"`
	Time         *int64 `json:"time"`
	BuyerIsMaker *bool  `json:"isBuyerMaker"`
}

// Trades fetches up to limit trades of the symbol in slot, from id on, oldest
// first. The first one may have a higher id, when the exchange no longer keeps
// the one asked for; there may be none, when its database lags behind. A row
// that is no trade is logged and left out. It tries once.
func (h *History) Trades(ctx context.Context, slot int, from int64, limit int) ([]Trade, error) {
	symbol := h.decoder.symbols[slot]
	query := url.Values{
		"symbol": {symbol},
		"fromId": {strconv.FormatInt(from, 10)},
		"limit":  {strconv.Itoa(min(limit, HistoryLimit))},
	}
	var rows []historyRow
	if err := h.get(ctx, historyWeight, "/api/v3/historicalTrades", query, &rows); err != nil {
		return nil, fmt.Errorf("fetch trades of %s from id %d: %w", symbol, from, err)
	}
	now := time.Now().UnixMicro()
	trades := make([]Trade, 0, len(rows))
	for _, row := range rows {
		t, err := row.trade(symbol, slot, now)
		if err != nil {
			h.log.Error("a row of the history is no trade: "+err.Error(), "symbol", symbol)
			continue
		}
		if t.ID < from || len(trades) > 0 && t.ID <= trades[len(trades)-1].ID {
			return nil, fmt.Errorf("fetch trades of %s from id %d: id %d out of order", symbol, from, t.ID)
		}
		trades = append(trades, t)
	}
	return trades, nil
}

func (row historyRow) trade(symbol string, slot int, now int64) (Trade, error) {
	if row.ID == nil || row.Time == nil || row.BuyerIsMaker == nil {
		return Trade{}, errors.New("a row lacks id, time or isBuyerMaker")
	}
	price, err := ParseDecimal(row.Price)
	if err != nil || price == 0 {
		return Trade{}, fmt.Errorf("price %q of id %d: %w", row.Price, *row.ID, errDecimal)
	}
	quantity, err := ParseDecimal(row.Quantity)
	if err != nil || quantity == 0 {
		return Trade{}, fmt.Errorf("quantity %q of id %d: %w", row.Quantity, *row.ID, errDecimal)
	}
	at := microseconds(*row.Time)
	return Trade{Symbol: symbol, Slot: slot, ID: *row.ID, Price: price, Quantity: quantity,
		BuyerIsMaker: *row.BuyerIsMaker, EventAt: at, TradedAt: at, ReceivedAt: now}, nil
}

// get makes one request within the budget and decodes the answer into value,
// if there is one.
func (h *History) get(ctx context.Context, weight int, path string, query url.Values, value any) error {
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(time.Until(h.resume)):
	}
	if err := h.limiter.WaitN(ctx, weight); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, restTimeout)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, h.base+path+"?"+query.Encode(), nil)
	if err != nil {
		return err
	}
	request.Header.Set("X-MBX-TIME-UNIT", "MICROSECOND")
	answer, err := h.client.Do(request)
	if err != nil {
		return err
	}
	defer answer.Body.Close()
	h.spent(answer.Header)
	body := io.LimitReader(answer.Body, answerLimit)
	if answer.StatusCode != http.StatusOK {
		no := &refused{Status: answer.StatusCode, RetryAfter: retryAfter(answer.Header)}
		// The body may be HTML (a firewall's) or nothing; then the status says it.
		_ = json.NewDecoder(body).Decode(no)
		no.Status = answer.StatusCode
		return no
	}
	if value == nil {
		_, err = io.Copy(io.Discard, body)
		return err
	}
	return json.NewDecoder(body).Decode(value)
}

// spent reads how much of the address's weight is used in this minute, by us
// and by others behind the same address, and stops spending for the rest of the
// minute when it comes near the limit: going on would end in a ban for all.
func (h *History) spent(header http.Header) {
	used, err := strconv.Atoi(header.Get(weightHeader))
	if err != nil || used < weightLimit-10*historyWeight {
		return
	}
	h.resume = time.Now().Truncate(time.Minute).Add(time.Minute)
	h.log.Warn("the exchange's request weight is nearly used up", "used", used, "limit", weightLimit, "until", h.resume)
}

// Delay is how long to wait before the next request after failures in a row of
// which err is the newest: what the exchange demands, or a backoff with jitter
// up to half a minute.
func (h *History) Delay(failures int, err error) time.Duration {
	limit := min(250*time.Millisecond<<min(failures, 7), 30*time.Second)
	delay := limit/2 + time.Duration(h.jitter.Int64N(int64(limit/2)))
	var no *refused
	if errors.As(err, &no) {
		switch no.Status {
		case http.StatusForbidden, http.StatusTeapot, http.StatusTooManyRequests, http.StatusUnavailableForLegalReasons:
			delay += 10 * time.Second
		}
		delay = max(delay, no.RetryAfter)
	}
	return delay
}

// FirstSince returns the id of the first trade since a time.
func (h *History) FirstSince(ctx context.Context, slot int, at time.Time) (id int64, ok bool, err error) {
	return 0, false, nil
}
