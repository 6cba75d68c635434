package streamer

import (
	"context"
	"log/slog"
	"slices"
	"time"

	"golang.org/x/sync/errgroup"

	"steadfeed/streamer/internal/binance"
	"steadfeed/streamer/internal/sequence"
)

const (
	// lagPatience is how long the exchange's database may lag before trades
	// that it does not show are declared lost. It counts only while it answers.
	// A lag is no loss, and waiting costs little: later trades of the symbol are
	// held (maxHeld) or fetched afterwards.
	lagPatience = 15 * time.Minute
	// lagPause is the time between two looks at a database that lags.
	lagPause = 250 * time.Millisecond
	// lagPauseMax bounds it: looking costs request weight.
	lagPauseMax = 5 * time.Second
	// askBefore is from how many ids before a gap it is asked for, once an answer
	// has begun later than it should.
	askBefore = 10
	// goneTries is how often an answer that begins above the id asked for must
	// come before it is believed.
	goneTries = 3
	// gonePause is the time between those.
	gonePause = time.Second
	// repairsAtOnce is how many symbols are asked about at a time: one that
	// the exchange is slow about does not hold up the others.
	repairsAtOnce = 4
)

// ask is a request for the trades of a gap.
type ask struct {
	ctx     context.Context // of the ownership that wants to know
	replies chan<- answer   // with room for one answer a symbol
	slot    int
	gap     sequence.Gap
	since   time.Time // of the newest trade before the gap; zero: not known
	maxAge  time.Duration
	probe   bool // it is not known whether there are any
	silent  bool // a probe because the stream is silent
	newest  bool // only for the newest trade of all
}

// answer is what the history has of a gap: some first part of it, in order,
// possibly with trades beyond it.
type answer struct {
	ask
	left   int64 // up to this id the gap is too old to be fetched; 0: it is not
	trades []binance.Trade
	gone   bool // the history has no more of it and will not
}

// repairs fetches missing trades from the history. Each symbol has at most one
// request waiting, which bounds the queues.
type repairs struct {
	history *binance.History
	log     *slog.Logger
	gaps    chan ask
	probes  chan ask // go after the gaps
}

func newRepairs(history *binance.History, symbols int, log *slog.Logger) *repairs {
	return &repairs{history: history, log: log, gaps: make(chan ask, symbols), probes: make(chan ask, symbols)}
}

// ask queues a request. It never waits: it is refused when the queue is full,
// which takes requests of owners that are gone.
func (r *repairs) ask(a ask) bool {
	queue := r.gaps
	if a.probe {
		queue = r.probes
	}
	select {
	case queue <- a:
		return true
	default:
		return false
	}
}

// run answers requests until ctx ends.
func (r *repairs) run(ctx context.Context) error {
	var workers errgroup.Group
	for range repairsAtOnce {
		workers.Go(func() error {
			for {
				a, ok := r.next(ctx)
				if !ok {
					return nil
				}
				if a.ctx.Err() != nil {
					continue
				}
				if got, ok := r.fetch(a.ctx, a); ok {
					a.replies <- got
				}
			}
		})
	}
	return workers.Wait()
}

// next waits for a request.
func (r *repairs) next(ctx context.Context) (a ask, ok bool) {
	select {
	case a = <-r.gaps:
		return a, true
	default:
	}
	select {
	case a = <-r.gaps:
	case a = <-r.probes:
	case <-ctx.Done():
		return ask{}, false
	}
	return a, true
}

// fetch asks until the history has answered what there is to know about a. ok
// is false when ctx ended before.
func (r *repairs) fetch(ctx context.Context, a ask) (got answer, ok bool) {
	got = answer{ask: a}
	if a.newest {
		return r.newest(ctx, got)
	}
	if got.left, ok = r.tooOld(ctx, a); !ok {
		return answer{}, false
	}
	a.gap.First = max(a.gap.First, got.left+1)
	if a.probe {
		a.gap.Last = a.gap.First + binance.HistoryLimit - 1
	} else if a.gap.Len() <= 0 {
		return got, true
	}
	var failures, above int
	var lagging time.Time
	pause := lagPause
	limit := int(min(a.gap.Len(), binance.HistoryLimit))
	for {
		// Once an answer has begun later than asked for, it is asked for from
		// before the gap: a history that is some ids off has them all the same.
		from := a.gap.First
		if above > 0 {
			from = max(from-askBefore, 0)
		}
		trades, err := r.history.Trades(ctx, a.slot, from, limit+int(a.gap.First-from))
		trades = slices.DeleteFunc(trades, func(t binance.Trade) bool { return t.ID < a.gap.First })
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
			return got, true
		case len(trades) == 0:
			// The newest trades may not be in the database yet (Binance:
			// rest-api.md, data sources).
			failures = 0
			if lagging.IsZero() {
				lagging = time.Now()
			}
			if time.Since(lagging) >= lagPatience {
				got.gone = true
				return got, true
			}
			wait, pause = pause, min(2*pause, lagPauseMax)
		case holes(trades, a.gap) && above < goneTries:
			// No error is returned for an id that is no longer kept: the answer
			// just begins later.
			failures = 0
			above++
			wait = gonePause
		default:
			got.trades = trades
			return got, true
		}
		if !sleep(ctx, wait) {
			return answer{}, false
		}
	}
}

// newest asks for the exchange's newest trade until it is known.
func (r *repairs) newest(ctx context.Context, got answer) (answer, bool) {
	for failures := 0; ; failures++ {
		t, found, err := r.history.Newest(ctx, got.slot)
		switch {
		case ctx.Err() != nil:
			return answer{}, false
		case err == nil && found:
			got.trades = []binance.Trade{t}
			return got, true
		case err == nil:
			return got, true
		}
		wait := r.history.Delay(failures, err)
		r.log.Warn(err.Error(), "retry_in", wait)
		if !sleep(ctx, wait) {
			return answer{}, false
		}
	}
}

// tooOld returns the highest id of the gap that is older than what is fetched
// while live trades wait, or 0; ok is false when ctx ended before.
func (r *repairs) tooOld(ctx context.Context, a ask) (left int64, ok bool) {
	oldest := time.Now().Add(-a.maxAge)
	if a.since.IsZero() || !a.since.Before(oldest) {
		return 0, true
	}
	for failures := 0; ; failures++ {
		first, found, err := r.history.FirstSince(ctx, a.slot, oldest)
		switch {
		case ctx.Err() != nil:
			return 0, false
		case err != nil:
			wait := r.history.Delay(failures, err)
			r.log.Warn(err.Error(), "retry_in", wait)
			if !sleep(ctx, wait) {
				return 0, false
			}
		case found && first > a.gap.First && a.probe:
			return first - 1, true
		case found && first > a.gap.First:
			return min(first-1, a.gap.Last), true
		case !found && !a.probe:
			return a.gap.Last, true
		default: // nothing is missing before, or nobody knows of any trade since
			return 0, true
		}
	}
}

// sleep waits, and tells whether ctx has not ended.
func sleep(ctx context.Context, d time.Duration) bool {
	select {
	case <-ctx.Done():
		return false
	case <-time.After(d):
		return true
	}
}

// holes tells whether ids of the gap are left out before the last trade.
func holes(trades []binance.Trade, gap sequence.Gap) bool {
	last := trades[len(trades)-1]
	return last.ID-gap.First+1 != int64(len(trades))
}
