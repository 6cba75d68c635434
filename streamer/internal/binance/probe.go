package binance

import (
	"context"
	"errors"
	"fmt"
	"time"

	"golang.org/x/sync/errgroup"
)

// timeWeight is the weight of a request for the exchange's time (Binance:
// rest-api.md).
const timeWeight = 1

// FirstTrades opens sessions at url that carry all symbols, and returns the
// first trade of each, by slot, as soon as all are there or ctx ends. A symbol
// that stayed silent has a Trade without a Symbol. It exists to try a stream
// out; a [Feed] is for more than the first trade.
func FirstTrades(ctx context.Context, o Options, url string) ([]Trade, error) {
	first := make([]Trade, len(o.Symbols))
	var listening errgroup.Group
	for _, g := range groups(o.Symbols) {
		listening.Go(func() error { return listen(ctx, &o, url, g, first) })
	}
	return first, listening.Wait()
}

// listen reads one session until each of its streams has delivered. Each slot
// of first is written by the session that carries it.
func listen(ctx context.Context, o *Options, url string, g group, first []Trade) error {
	conn, _, err := dial(ctx, o, streamURL(url, g.symbols))
	if err != nil {
		return err
	}
	defer conn.Close()
	defer context.AfterFunc(ctx, func() { conn.Close() })()
	conn.SetReadLimit(frameLimit)
	decoder := newDecoder(o.Symbols)
	for missing := len(g.slots); missing > 0; {
		_, frame, err := conn.ReadMessage()
		if ctx.Err() != nil {
			return nil
		}
		if err != nil {
			return fmt.Errorf("read from %s: %w", url, err)
		}
		var t Trade
		if what, _ := decoder.decode(frame, &t); what == kindTrade && first[t.Slot].Symbol == "" {
			first[t.Slot] = t
			missing--
		}
	}
	return nil
}

// Clock asks for the exchange's time and returns how far this machine's clock
// is ahead of it, and how long the question took: the offset is known to half
// of that.
func (h *History) Clock(ctx context.Context) (ahead, took time.Duration, err error) {
	var answer struct {
		ServerTime int64 `json:"serverTime"`
	}
	asked := time.Now()
	if err := h.get(ctx, timeWeight, "/api/v3/time", nil, &answer); err != nil {
		return 0, 0, fmt.Errorf("ask for the exchange's time: %w", err)
	}
	if answer.ServerTime == 0 {
		return 0, 0, errors.New("ask for the exchange's time: there is no serverTime in the answer")
	}
	took = time.Since(asked)
	return asked.Add(took / 2).Sub(time.UnixMicro(microseconds(answer.ServerTime))), took, nil
}
