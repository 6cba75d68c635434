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
	"sync"
	"time"

	"golang.org/x/time/rate"
)

const (
	// weightLimit is what an address may spend in a minute unless the exchange
	// names another limit (Binance: rest-api.md).
	weightLimit = 6000
	// weightHeader says how much of it is spent.
	weightHeader = "X-Mbx-Used-Weight-1m"
	// weightReserve is how far below the limit we stop: what others behind the
	// same address spend shows only in the next answer.
	weightReserve = 10 * tradesWeight
	// answerLimit bounds an answer: 1,000 rows are about 150 KB, exchangeInfo
	// for all symbols some MB.
	answerLimit = 32 << 20
	// restTimeout is longer than the server's own limit of 10 s.
	restTimeout = 15 * time.Second
)

// rest makes requests within the budget. It is safe for concurrent use.
type rest struct {
	base    string
	client  *http.Client
	share   float64       // of the limit that may be spent
	limiter *rate.Limiter // in units of weight
	log     *slog.Logger

	mu     sync.Mutex // never held while waiting
	limit  int        // of the address, in a minute
	used   int        // of it, by us and by others behind the same address, as the newest answer says
	until  time.Time  // when that minute is over
	said   time.Time  // the minute in which it was said that little is left
	resume time.Time  // no request before it, says a refusal
	jitter *rand.Rand
}

func newREST(o HistoryOptions) *rest {
	r := &rest{base: strings.TrimSuffix(o.URL, "/"), client: o.Client, share: o.Budget,
		limiter: rate.NewLimiter(0, 0), jitter: rand.New(rand.NewPCG(o.Seed, 0x41)), log: o.Log}
	r.allow(weightLimit)
	return r
}

// allow sets the weight that the exchange allows to one address in a minute. A
// tenth of a minute's share may go at once, so that a short gap is repaired
// without waiting; the rest is spread over the minute, so that no minute sees
// more than the share.
func (r *rest) allow(limit int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if limit <= 0 || limit == r.limit {
		return
	}
	if r.limit != 0 {
		r.log.Info("the exchange's request weight has another limit", "limit", limit)
	}
	r.limit = limit
	perMinute := r.share * float64(limit)
	burst := max(perMinute/10, tradesWeight)
	r.limiter.SetLimit(rate.Limit(max(perMinute-burst, perMinute/2) / 60))
	r.limiter.SetBurst(int(burst))
}

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

// get makes one request within the budget and decodes the answer into value.
func (r *rest) get(ctx context.Context, weight int, path string, query url.Values, value any) error {
	if err := r.spend(ctx, weight); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, restTimeout)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, r.base+path+"?"+query.Encode(), nil)
	if err != nil {
		return err
	}
	request.Header.Set("X-MBX-TIME-UNIT", "MICROSECOND")
	answer, err := r.client.Do(request)
	if err != nil {
		return err
	}
	defer answer.Body.Close()
	r.spent(answer.Header)
	body := io.LimitReader(answer.Body, answerLimit)
	if answer.StatusCode != http.StatusOK {
		no := &refused{Status: answer.StatusCode, RetryAfter: retryAfter(answer.Header)}
		// The body may be HTML (a firewall's) or nothing; then the status says it.
		_ = json.NewDecoder(body).Decode(no)
		r.obey(no)
		return no
	}
	return json.NewDecoder(body).Decode(value)
}

// spend waits until weight may be spent.
func (r *rest) spend(ctx context.Context, weight int) error {
	if err := r.limiter.WaitN(ctx, weight); err != nil {
		return err
	}
	for {
		wait := r.wait()
		if wait <= 0 {
			return ctx.Err()
		}
		timer := time.NewTimer(wait)
		select {
		case <-ctx.Done():
			timer.Stop()
			return ctx.Err()
		case <-timer.C: // another answer may have put it off meanwhile
		}
	}
}

// wait is how long nothing may be asked: as a refusal demands, or until the
// minute is over when the address's weight is nearly used up, by us or by
// others; going on would end in a ban for all. What is nearly depends on the
// limit, which the answer that says what is used may have brought too.
func (r *rest) wait() time.Duration {
	r.mu.Lock()
	defer r.mu.Unlock()
	wait := time.Until(r.resume)
	if left := time.Until(r.until); left > 0 && r.used >= r.limit-min(weightReserve, r.limit/10) {
		if r.said != r.until {
			r.said = r.until
			r.log.Warn("the exchange's request weight is nearly used up", "used", r.used, "limit", r.limit, "until", r.until.UTC())
		}
		wait = max(wait, left)
	}
	return wait
}

// spent reads how much of the address's weight is used in this minute.
func (r *rest) spent(header http.Header) {
	used, err := strconv.Atoi(header.Get(weightHeader))
	if err != nil {
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.used, r.until = used, time.Now().Truncate(time.Minute).Add(time.Minute)
}

// obey has every request wait as long as a refusal demands: going on after
// 429 ends in 418, a ban (Binance: rest-api.md, limits).
func (r *rest) obey(no *refused) {
	if no.RetryAfter > 0 {
		r.mu.Lock()
		defer r.mu.Unlock()
		if at := time.Now().Add(no.RetryAfter); at.After(r.resume) {
			r.resume = at
		}
	}
}

// Delay is how long to wait before the next request after failures in a row of
// which err is the newest: what the exchange demands, or a backoff with jitter
// up to half a minute.
func (r *rest) Delay(failures int, err error) time.Duration {
	limit := min(250*time.Millisecond<<min(failures, 7), 30*time.Second)
	r.mu.Lock()
	delay := limit/2 + time.Duration(r.jitter.Int64N(int64(limit/2)))
	r.mu.Unlock()
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
