package binance

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"
)

// Weights and limits of the endpoints (Binance: rest-api.md).
const (
	tradesWeight  = 25   // of a request for trades, newest or by id
	symbolsWeight = 20   // of a request for exchangeInfo
	sinceWeight   = 4    // of a request for aggregates
	HistoryLimit  = 1000 // trades in one answer, at most
)

// History fetches trades by id, and what the exchange lists. It spends at most
// its share of the weight that the exchange allows to one address. It is safe
// for concurrent use.
type History struct {
	*rest
	symbols  []string // by slot
	rejected func(why string, row []byte)
}

// HistoryOptions are what a History needs. All fields but Rejected are required.
type HistoryOptions struct {
	URL     string // such as https://api.binance.com
	Symbols []string
	Budget  float64 // share of the weight limit that may be spent, 0 to 1
	Seed    uint64
	// Client reaches the network; its transport must not be the default one,
	// whose connections outlive the streamer.
	Client *http.Client
	Log    *slog.Logger
	// Rejected is told of each row that is no trade; it must not keep it. It is
	// called from the goroutine that asked.
	Rejected func(why string, row []byte)
}

// NewHistory returns a History that has spent nothing yet.
func NewHistory(o HistoryOptions) *History {
	if o.Rejected == nil {
		o.Rejected = func(string, []byte) {}
	}
	return &History{rest: newREST(o), symbols: o.Symbols, rejected: o.Rejected}
}

// ErrNotListed is why a symbol cannot be streamed.
var ErrNotListed = errors.New("not listed on this exchange")

// codeInvalidSymbol is the exchange's name for a symbol that it does not list
// (Binance: errors.md).
const codeInvalidSymbol = -1121

// exchange is what exchangeInfo says, as far as it matters here.
type exchange struct {
	RateLimits []struct {
		Type     string `json:"rateLimitType"`
		Interval string `json:"interval"`
		Num      int    `json:"intervalNum"`
		Limit    int    `json:"limit"`
	} `json:"rateLimits"`
}

// describe asks exchangeInfo, and takes the weight limit that it names.
func (h *History) describe(ctx context.Context, query url.Values) (exchange, error) {
	var e exchange
	if err := h.get(ctx, symbolsWeight, "/api/v3/exchangeInfo", query, &e); err != nil {
		return e, err
	}
	for _, limit := range e.RateLimits {
		if limit.Type == "REQUEST_WEIGHT" && limit.Interval == "MINUTE" && limit.Num == 1 {
			h.allow(limit.Limit)
		}
	}
	return e, nil
}

// CheckSymbols asks whether the exchange lists all symbols. It returns an
// error that wraps ErrNotListed and names those that it does not list.
func (h *History) CheckSymbols(ctx context.Context) error {
	list, err := json.Marshal(h.symbols)
	if err != nil {
		return err
	}
	_, err = h.describe(ctx, url.Values{"symbols": {string(list)}})
	var no *refused
	if !errors.As(err, &no) || no.Code != codeInvalidSymbol {
		return err
	}
	// The answer does not say which; ask one by one.
	var unknown []string
	for _, symbol := range h.symbols {
		_, err := h.describe(ctx, url.Values{"symbol": {symbol}})
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
// that is no trade is shown to HistoryOptions.Rejected and left out. It tries
// once.
func (h *History) Trades(ctx context.Context, slot int, from int64, limit int) ([]Trade, error) {
	symbol := h.symbols[slot]
	trades, err := h.rows(ctx, slot, "/api/v3/historicalTrades", url.Values{
		"symbol": {symbol},
		"fromId": {strconv.FormatInt(from, 10)},
		"limit":  {strconv.Itoa(min(limit, HistoryLimit))},
	})
	if err != nil {
		return nil, fmt.Errorf("fetch trades of %s from id %d: %w", symbol, from, err)
	}
	for i, t := range trades {
		if t.ID < from || i > 0 && t.ID <= trades[i-1].ID {
			return nil, fmt.Errorf("fetch trades of %s from id %d: id %d out of order", symbol, from, t.ID)
		}
	}
	return trades, nil
}

// Newest fetches the newest trade of the symbol in slot; ok is false when there
// is none. It asks for recent trades, which come from memory: the database of
// the history may lag behind. It tries once.
func (h *History) Newest(ctx context.Context, slot int) (t Trade, ok bool, err error) {
	symbol := h.symbols[slot]
	trades, err := h.rows(ctx, slot, "/api/v3/trades", url.Values{"symbol": {symbol}, "limit": {"1"}})
	if err != nil {
		return Trade{}, false, fmt.Errorf("fetch the newest trade of %s: %w", symbol, err)
	}
	if len(trades) == 0 {
		return Trade{}, false, nil
	}
	return trades[len(trades)-1], true, nil
}

// FirstSince asks for the id of the first trade of the symbol in slot at or
// after the given time; ok is false when there is none. It tries once.
func (h *History) FirstSince(ctx context.Context, slot int, at time.Time) (id int64, ok bool, err error) {
	symbol := h.symbols[slot]
	var rows []struct {
		First int64 `json:"f"`
	}
	query := url.Values{"symbol": {symbol}, "startTime": {strconv.FormatInt(at.UnixMilli(), 10)}, "limit": {"1"}}
	if err := h.get(ctx, sinceWeight, "/api/v3/aggTrades", query, &rows); err != nil {
		return 0, false, fmt.Errorf("fetch the first trade of %s since %s: %w", symbol, at.UTC().Format(time.RFC3339), err)
	}
	if len(rows) == 0 {
		return 0, false, nil
	}
	// Aggregates that the exchange has repaired have -1 (Binance: CHANGELOG.md
	// 2022-04-12); they are old.
	if rows[0].First < 0 {
		return 0, false, fmt.Errorf("fetch the first trade of %s since %s: the aggregate names no trade", symbol, at.UTC().Format(time.RFC3339))
	}
	return rows[0].First, true, nil
}

// rows fetches trades of the symbol in slot.
func (h *History) rows(ctx context.Context, slot int, path string, query url.Values) ([]Trade, error) {
	var rows []json.RawMessage
	if err := h.get(ctx, tradesWeight, path, query, &rows); err != nil {
		return nil, err
	}
	now := time.Now().UnixMicro()
	trades := make([]Trade, 0, len(rows))
	for _, raw := range rows {
		var row historyRow
		err := json.Unmarshal(raw, &row)
		if err == nil {
			var t Trade
			if t, err = row.trade(h.symbols[slot], slot, now); err == nil {
				trades = append(trades, t)
				continue
			}
		}
		h.log.Error("a row of the history is no trade: "+err.Error(), "symbol", h.symbols[slot])
		h.rejected(err.Error(), raw)
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
