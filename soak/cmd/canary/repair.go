package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"time"
)

// Limits of a repair. REST lags behind the stream a little, so the newest
// trades may have to be asked for more than once.
const (
	pageTrades  = 1000                   // the most that Binance gives at once
	pageBytes   = 1 << 20                // a page has about 150 bytes a trade
	repairTries = 50                     // without progress; then the session starts anew
	repairWait  = 100 * time.Millisecond // between those
	retryMax    = time.Minute            // the longest Retry-After that is waited for
)

// repair fetches the trades from the next expected one through last, and
// admits them in order. last 0 means through the newest that REST has.
func (f *feed) repair(ctx context.Context, symbol string, last int64) error {
	for tries := 0; ; {
		from := f.next[symbol]
		if last > 0 && from > last {
			return nil
		}
		rows, wait, err := f.page(ctx, symbol, from)
		if err != nil {
			return err
		}
		for i := range rows {
			if rows[i].ID != f.next[symbol] {
				return fmt.Errorf("repair %s: asked for trade %d and was given %d", symbol, f.next[symbol], rows[i].ID)
			}
			if last > 0 && rows[i].ID > last {
				break // the stream has these
			}
			f.figures.backfilled.Inc()
			f.admit(rows[i].trade(symbol))
		}
		if len(rows) == pageTrades {
			continue // there is more
		}
		if last == 0 && wait == 0 || last > 0 && f.next[symbol] > last {
			return nil
		}
		tries++
		if len(rows) > 0 {
			tries = 0
		}
		if tries == repairTries {
			return fmt.Errorf("repair %s: trade %d is not to be had", symbol, from)
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(max(wait, repairWait)):
		}
	}
}

// page asks once. A positive wait means that the exchange wants to be asked
// again later.
func (f *feed) page(ctx context.Context, symbol string, from int64) (rows []row, wait time.Duration, err error) {
	query := url.Values{"symbol": {symbol}, "fromId": {strconv.FormatInt(from, 10)}, "limit": {strconv.Itoa(pageTrades)}}
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, f.settings.restURL+"/api/v3/historicalTrades?"+query.Encode(), nil)
	if err != nil {
		return nil, 0, fmt.Errorf("repair %s: %w", symbol, err)
	}
	request.Header.Set("X-MBX-TIME-UNIT", "MICROSECOND")
	response, err := f.rest.Do(request)
	if err != nil {
		return nil, 0, fmt.Errorf("repair %s: %w", symbol, err)
	}
	defer response.Body.Close()
	body, err := io.ReadAll(io.LimitReader(response.Body, pageBytes))
	if err != nil {
		return nil, 0, fmt.Errorf("repair %s: %w", symbol, err)
	}
	switch response.StatusCode {
	case http.StatusOK:
		if err := json.Unmarshal(body, &rows); err != nil {
			return nil, 0, fmt.Errorf("repair %s: %w", symbol, err)
		}
		return rows, 0, nil
	case http.StatusTooManyRequests, http.StatusTeapot: // over the limit, banned
		seconds, _ := strconv.Atoi(response.Header.Get("Retry-After")) // absent: the shortest wait
		return nil, min(max(time.Duration(seconds)*time.Second, time.Second), retryMax), nil
	default:
		return nil, 0, fmt.Errorf("repair %s: %s %.200q", symbol, response.Status, body)
	}
}
