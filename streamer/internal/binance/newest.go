package binance

import (
	"context"
	"fmt"
	"net/url"
	"time"
)

// Newest fetches the newest trade of the symbol in slot; ok is false when there
// is none. It asks for recent trades, which come from memory: the database of
// the history may lag behind. It tries once.
func (h *History) Newest(ctx context.Context, slot int) (t Trade, ok bool, err error) {
	symbol := h.decoder.symbols[slot]
	var rows []historyRow
	if err := h.get(ctx, historyWeight, "/api/v3/trades", url.Values{"symbol": {symbol}, "limit": {"1"}}, &rows); err != nil {
		return Trade{}, false, fmt.Errorf("fetch the newest trade of %s: %w", symbol, err)
	}
	if len(rows) == 0 {
		return Trade{}, false, nil
	}
	if t, err = rows[len(rows)-1].trade(symbol, slot, time.Now().UnixMicro()); err != nil {
		return Trade{}, false, fmt.Errorf("fetch the newest trade of %s: %w", symbol, err)
	}
	return t, true, nil
}
