package conform

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
)

const (
	rawAggregate = `{e:"aggTrade",E:ms,s:"$S",a:int,p:"decimal.8",q:"decimal.8",f:int,l:int,T:ms,m:bool,M:true}`
	rawBook      = `{u:int,s:"$S",b:"decimal.8",B:"decimal.8",a:"decimal.8",A:"decimal.8"}`
	inAggregate  = `{stream:"$s@aggTrade",data:`
	inBook       = `{stream:"$s@bookTicker",data:`
)

// Sections 5 and 6: what events say, and their ids.
var payloadCases = []Case{
	{"agg-raw", "5", "@aggTrade: fields in this order, without those of futures", Documented, "", rawAggregate, watch("/ws/$s@aggTrade")},
	{"agg-combined", "5", "@aggTrade wrapped", Documented, "", inAggregate + rawAggregate + "}", watch("/stream?streams=$s@aggTrade")},
	{"agg-micro", "5", "@aggTrade in microseconds", Documented, "", strings.ReplaceAll(rawAggregate, ":ms", ":us"), watch("/ws/$s@aggTrade?timeUnit=MICROSECOND")},
	{"book-raw", "5", "@bookTicker has no event type and no time", Documented, "", rawBook, watch("/ws/$s@bookTicker")},
	{"book-combined", "5", "@bookTicker wrapped", Documented, "", inBook + rawBook + "}", watch("/stream?streams=$s@bookTicker")},
	{"trade-event-after-trade", "5", "an event is not before its trade, nor a second after", Seen, "", "0 to 1000 ms", eventDelay},
	{"trade-ids", "6", "trade ids of a symbol rise by one", Seen, "", "20 in a row", consecutive("trade", func(e event) (int64, int64) { return e.ID, e.ID })},
	{"agg-ids", "6", "so do those of aggregates", Seen, "", "20 in a row", consecutive("aggTrade", func(e event) (int64, int64) { return e.Aggregate, e.Aggregate })},
	{"agg-covers", "6", "an aggregate begins with the trade after the one before", Seen, "", "20 in a row", consecutive("aggTrade", func(e event) (int64, int64) { return e.First, e.Last })},
	{"book-ids", "5", "update ids of @bookTicker rise", Documented, "", "rise", bookRises},
}

// event is what the cases need of a trade or an aggregate. Every key that
// differs from another only in its case is named, as encoding/json would
// otherwise take one for the other.
type event struct {
	Kind      string `json:"e"`
	EventAt   int64  `json:"E"`
	Symbol    string `json:"s"`
	ID        int64  `json:"t"`
	TradedAt  int64  `json:"T"`
	Price     string `json:"p"`
	Quantity  string `json:"q"`
	Aggregate int64  `json:"a"`
	First     int64  `json:"f"`
	Last      int64  `json:"l"`
	Maker     bool   `json:"m"`
	Best      bool   `json:"M"`
}

func (e *Endpoint) events(ctx context.Context, kind string, n int) ([]event, string, error) {
	frames, ended, err := e.frames(ctx, "/ws/"+e.stream(kind), n)
	if err != nil || ended != "" {
		return nil, ended, err
	}
	events := make([]event, n)
	for i, frame := range frames {
		if err := json.Unmarshal([]byte(frame), &events[i]); err != nil {
			return nil, "", fmt.Errorf("decode %s: %w", frame, err)
		}
	}
	return events, "", nil
}

func eventDelay(ctx context.Context, e *Endpoint) (string, error) {
	events, ended, err := e.events(ctx, "trade", 20)
	if err != nil || ended != "" {
		return ended, err
	}
	for _, event := range events {
		if delay := event.EventAt - event.TradedAt; delay < 0 || delay > 1000 {
			return fmt.Sprintf("%d ms", delay), nil
		}
	}
	return "0 to 1000 ms", nil
}

// consecutive observes whether each event begins where the last one ended.
func consecutive(kind string, span func(event) (first, last int64)) func(context.Context, *Endpoint) (string, error) {
	return func(ctx context.Context, e *Endpoint) (string, error) {
		events, ended, err := e.events(ctx, kind, 20)
		if err != nil || ended != "" {
			return ended, err
		}
		for i := 1; i < len(events); i++ {
			_, last := span(events[i-1])
			if first, _ := span(events[i]); first != last+1 {
				return fmt.Sprintf("%d follows %d", first, last), nil
			}
		}
		return "20 in a row", nil
	}
}

func bookRises(ctx context.Context, e *Endpoint) (string, error) {
	frames, ended, err := e.frames(ctx, "/ws/"+e.stream("bookTicker"), 20)
	if err != nil || ended != "" {
		return ended, err
	}
	var last int64
	for _, frame := range frames {
		var book struct {
			Update int64 `json:"u"`
		}
		if err := json.Unmarshal([]byte(frame), &book); err != nil {
			return "", err
		}
		if book.Update <= last {
			return fmt.Sprintf("%d follows %d", book.Update, last), nil
		}
		last = book.Update
	}
	return "rise", nil
}
