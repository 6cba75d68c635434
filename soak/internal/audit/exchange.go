package audit

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"sort"
	"strconv"
	"strings"
	"time"

	"golang.org/x/time/rate"
)

// The exchange's REST interface, as its documents have it.
const (
	pageRows   = 1000 // the most rows that one request gives; fewer cost as much
	pageWeight = 25   // of one request
	pageBytes  = 1 << 20

	// ExchangeWeight is what an address may spend in a minute, all that is
	// behind it together.
	ExchangeWeight = 6000
	// usedShare of it by others: then the minute is waited out.
	usedShare = 0.9
)

const (
	exchangeTries   = 5 // of one question, when the exchange has trouble of its own
	exchangePause   = 500 * time.Millisecond
	exchangeTimeout = 15 * time.Second // its own limit is 10 s

	// behindTries: the newest trades reach the database a little late.
	behindTries = 3
	behindPause = time.Second
)

// errUnasked says that the exchange will not be asked any more.
var errUnasked = errors.New("the exchange was not asked")

// exchange asks for trades by id, within a weight budget.
type exchange struct {
	base   string
	http   *http.Client
	budget *rate.Limiter
	weight int // spent
	// notBefore is when the minute that others have used up is over.
	notBefore time.Time
}

// row is a trade as the exchange tells it.
type row struct {
	ID           int64  `json:"id"`
	Price        string `json:"price"`
	Quantity     string `json:"qty"`
	Time         int64  `json:"time"` // Unix microseconds
	BuyerIsMaker bool   `json:"isBuyerMaker"`
}

// newExchange takes the weight that may be spent in a minute.
func newExchange(base string, client *http.Client, perMinute float64) *exchange {
	return &exchange{
		base: strings.TrimRight(base, "/"), http: client,
		// One request at a time and then the next when it is paid for: at the
		// end of a minute that began with a burst it would be over.
		budget: rate.NewLimiter(rate.Limit(perMinute/60), pageWeight),
	}
}

// page is what the exchange has from one id on.
type page struct {
	symbol string
	from   int64
	rows   []row // in order of ids
}

// through is the last id that the page says anything about.
func (p *page) through() int64 {
	if len(p.rows) == 0 {
		return p.from - 1
	}
	return p.rows[len(p.rows)-1].ID
}

func (p *page) find(id int64) (row, bool) {
	i := sort.Search(len(p.rows), func(i int) bool { return p.rows[i].ID >= id })
	if i == len(p.rows) || p.rows[i].ID != id {
		return row{}, false
	}
	return p.rows[i], true
}

// count is how many of the ids from first through last the page has.
func (p *page) count(first, last int64) (n int64) {
	for _, r := range p.rows {
		if first <= r.ID && r.ID <= last {
			n++
		}
	}
	return n
}

// exchangeSymbol is how the exchange writes a symbol.
func exchangeSymbol(symbol string) string {
	return strings.ToUpper(strings.NewReplacer("-", "", "/", "", "_", "").Replace(symbol))
}

// pageTo asks from one id on, and again when the answer ends before the last
// id wanted although there is room: the exchange's database is a little late.
func (e *exchange) pageTo(ctx context.Context, symbol string, from, wanted int64) (*page, error) {
	for try := 1; ; try++ {
		p, err := e.page(ctx, symbol, from)
		if err != nil || p.through() >= wanted || len(p.rows) == pageRows || try == behindTries {
			return p, err
		}
		if err := pauseFor(ctx, behindPause); err != nil {
			return nil, err
		}
	}
}

func (e *exchange) page(ctx context.Context, symbol string, from int64) (*page, error) {
	fail := func(err error) (*page, error) {
		return nil, fmt.Errorf("%w about %s from trade %d: %w", errUnasked, symbol, from, err)
	}
	pause := exchangePause
	for try := 1; ; try++ {
		if err := pauseFor(ctx, time.Until(e.notBefore)); err != nil {
			return fail(err)
		}
		if err := e.budget.WaitN(ctx, pageWeight); err != nil {
			return fail(err) // also when the time left is too short for it
		}
		rows, after, err := e.ask(ctx, symbol, from)
		switch {
		case err == nil && after == 0:
			return &page{symbol, from, rows}, nil
		case err == nil: // it wants to be left alone for a while; that is no try
			try--
			if until, limited := ctx.Deadline(); limited && time.Now().Add(after).After(until) {
				return fail(fmt.Errorf("it wants to be left alone for %s", after))
			}
		case ctx.Err() != nil, errors.Is(err, errRefused), try == exchangeTries:
			return fail(err)
		}
		if err := pauseFor(ctx, max(pause, after)); err != nil {
			return fail(err)
		}
		pause *= 2
	}
}

// errRefused marks an answer that will not change when the question is put again.
var errRefused = errors.New("refused")

// ask puts one question. A positive after means that the exchange wants to be
// asked again only then.
func (e *exchange) ask(ctx context.Context, symbol string, from int64) (rows []row, after time.Duration, err error) {
	query := url.Values{"symbol": {exchangeSymbol(symbol)}, "fromId": {strconv.FormatInt(from, 10)}, "limit": {strconv.Itoa(pageRows)}}
	ctx, cancel := context.WithTimeout(ctx, exchangeTimeout)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, e.base+"/api/v3/historicalTrades?"+query.Encode(), nil)
	if err != nil {
		return nil, 0, fmt.Errorf("%w: %w", errRefused, err)
	}
	request.Header.Set("X-MBX-TIME-UNIT", "MICROSECOND")
	e.weight += pageWeight
	response, err := e.http.Do(request)
	if err != nil {
		return nil, 0, err
	}
	defer response.Body.Close()
	body, err := io.ReadAll(io.LimitReader(response.Body, pageBytes))
	if err != nil {
		return nil, 0, err
	}
	switch code := response.StatusCode; {
	case code == http.StatusOK:
		if err := json.Unmarshal(body, &rows); err != nil {
			return nil, 0, fmt.Errorf("decode its answer: %w", err)
		}
		e.leaveRoom(response.Header, time.Now())
		return rows, 0, nil
	case code == http.StatusTooManyRequests || code == http.StatusTeapot:
		seconds, _ := strconv.Atoi(response.Header.Get("Retry-After")) // absent: until the minute ends
		if seconds <= 0 {
			return nil, minuteLeft(time.Now()), nil
		}
		return nil, time.Duration(seconds) * time.Second, nil
	case code < 500:
		return nil, 0, fmt.Errorf("%w: %s %.200s", errRefused, response.Status, body)
	default:
		return nil, 0, fmt.Errorf("%s %.200s", response.Status, body)
	}
}

// leaveRoom holds back when others behind this address have used up the
// minute: going on would get all of them banned.
func (e *exchange) leaveRoom(header http.Header, now time.Time) {
	used, err := strconv.Atoi(header.Get("X-MBX-USED-WEIGHT-1M"))
	if err == nil && float64(used) >= usedShare*ExchangeWeight {
		e.notBefore = now.Add(minuteLeft(now))
	}
}

// minuteLeft: the exchange counts by the minute of the clock.
func minuteLeft(now time.Time) time.Duration {
	return now.Truncate(time.Minute).Add(time.Minute + time.Second).Sub(now)
}
