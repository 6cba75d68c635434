package streamer

import (
	"context"
	"log/slog"
	"time"

	"steadfeed/streamer/internal/binance"
	"steadfeed/streamer/internal/sequence"
)

const (
	// lagPatience is how long the exchange's database may lag before trades
	// that it does not show are declared lost. It counts only while it answers.
	lagPatience = 2 * time.Minute
	// lagPause is the time between two looks at a database that lags.
	lagPause = 250 * time.Millisecond
	// lagPauseMax bounds it: looking costs request weight.
	lagPauseMax = 5 * time.Second
	// goneTries is how often an answer that begins above the id asked for must
	// come before it is believed.
	goneTries = 3
	// gonePause is the time between those.
	gonePause = time.Second
)

// ask is a request for the trades of a gap.
type ask struct {
	slot  int
	gap   sequence.Gap
	probe bool // it is not known whether there are any
}

// answer is what the history has of a gap: some first part of it, in order,
// possibly with trades beyond it.
type answer struct {
	ask
	trades []binance.Trade
	gone   bool // the history has no more of it and will not
}

// repairs fetches missing trades from the history, one request at a time. Each
// symbol has at most one request waiting, which bounds the queues.
type repairs struct {
	history *binance.History
	log     *slog.Logger
	gaps    chan ask
	probes  chan ask // go after the gaps
	answers chan answer
}

func newRepairs(history *binance.History, symbols int, log *slog.Logger) *repairs {
	return &repairs{history: history, log: log,
		gaps: make(chan ask, symbols), probes: make(chan ask, symbols), answers: make(chan answer, 1)}
}

// ask queues a request. It never waits: a symbol that has one waiting does not
// make another.
func (r *repairs) ask(a ask) {
	if a.probe {
		r.probes <- a
	} else {
		r.gaps <- a
	}
}

// run answers requests until ctx ends.
func (r *repairs) run(ctx context.Context) error {
	for {
		var a ask
		select {
		case a = <-r.gaps:
		default:
			select {
			case a = <-r.gaps:
			case a = <-r.probes:
			case <-ctx.Done():
				return nil
			}
		}
		got, ok := r.fetch(ctx, a)
		if !ok {
			return nil
		}
		select {
		case r.answers <- got:
		case <-ctx.Done():
			return nil
		}
	}
}

// fetch asks until the history has answered what there is to know about a. ok
// is false when ctx ended before.
func (r *repairs) fetch(ctx context.Context, a ask) (got answer, ok bool) {
	var failures, above int
	var lagging time.Time
	pause := lagPause
	limit := int(min(a.gap.Len(), binance.HistoryLimit))
	for {
		trades, err := r.history.Trades(ctx, a.slot, a.gap.First, limit)
		if ctx.Err() != nil {
			return answer{}, false
		}
		wait := time.Duration(0)
		switch {
		case err != nil:
			wait = r.history.Delay(failures, err)
			failures++
			r.log.Warn(err.Error(), "retry_in", wait)
		case a.probe && len(trades) == 0:
			return answer{ask: a}, true
		case len(trades) == 0:
			// The newest trades may not be in the database yet (Binance:
			// rest-api.md, data sources).
			failures = 0
			if lagging.IsZero() {
				lagging = time.Now()
			}
			if time.Since(lagging) >= lagPatience {
				return answer{ask: a, gone: true}, true
			}
			wait, pause = pause, min(2*pause, lagPauseMax)
		case holes(trades, a.gap) && above < goneTries:
			// No error is returned for an id that is no longer kept: the answer
			// just begins later.
			failures = 0
			above++
			wait = gonePause
		default:
			return answer{ask: a, trades: trades}, true
		}
		select {
		case <-ctx.Done():
			return answer{}, false
		case <-time.After(wait):
		}
	}
}

// holes tells whether ids of the gap are left out before the last trade.
func holes(trades []binance.Trade, gap sequence.Gap) bool {
	last := trades[len(trades)-1]
	return last.ID-gap.First+1 != int64(len(trades))
}
