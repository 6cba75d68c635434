package binance

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"steadfeed/fakebinance"
	"steadfeed/fakebinance/memnet"
)

func TestHistory(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b, s := one(t, nil)
		time.Sleep(10 * time.Minute)
		s.StopPublishing()
		_, last, _ := s.Ledger().Published("ETHUSDT")
		newest, ok, err := b.history.Newest(t.Context(), 1)
		if want := b.source.Trade("ETHUSDT", last); err != nil || !ok || newest.ID != last || newest.TradedAt != want.TradedAt || newest.Symbol != "ETHUSDT" || newest.Slot != 1 {
			t.Errorf("the newest is %+v, %v, %v; want %+v", newest, ok, err, want)
		}
		at := time.Now().Add(-5 * time.Minute)
		id, ok, err := b.history.FirstSince(t.Context(), 1, at)
		if err != nil || !ok || b.source.Trade("ETHUSDT", id).TradedAt < at.UnixMilli()*1000 || b.source.Trade("ETHUSDT", id-1).TradedAt >= at.UnixMilli()*1000 {
			t.Errorf("the first since %v is %d, %v, %v", at, id, ok, err)
		}
		if id, ok, err := b.history.FirstSince(t.Context(), 1, time.Now().Add(time.Hour)); err != nil || ok {
			t.Errorf("the first in an hour is %d, %v, %v", id, ok, err)
		}
		if err := b.history.CheckSymbols(t.Context()); err != nil {
			t.Errorf("check symbols: %v", err)
		}
		trades, err := b.history.Trades(t.Context(), 1, last-9, 1000)
		if err != nil || len(trades) != 10 || trades[9].ID != last {
			t.Errorf("%d trades, %v", len(trades), err)
		}
	})
}

// No trade at all is an answer.
func TestHistoryOfNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := served(t, 0.5, func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, "[]") }, nil)
		if _, ok, err := h.Newest(t.Context(), 0); ok || err != nil {
			t.Errorf("newest: %v, %v", ok, err)
		}
		if _, ok, err := h.FirstSince(t.Context(), 0, time.Now()); ok || err != nil {
			t.Errorf("first: %v, %v", ok, err)
		}
	})
}

// served is a history of BTCUSDT whose server answers as the function says.
func served(t *testing.T, budget float64, answer http.HandlerFunc, rejected func(string, []byte)) *History {
	t.Helper()
	network := memnet.New()
	listener, err := network.Listen("127.0.0.1:80")
	if err != nil {
		t.Fatal(err)
	}
	server := &http.Server{Handler: answer}
	var serving sync.WaitGroup
	serving.Go(func() { _ = server.Serve(listener) })
	transport := &http.Transport{DialContext: network.Dial}
	t.Cleanup(func() {
		transport.CloseIdleConnections()
		server.Close()
		serving.Wait()
		synctest.Wait()
	})
	return NewHistory(HistoryOptions{URL: "http://127.0.0.1:80", Symbols: []string{"BTCUSDT"}, Budget: budget, Seed: 7,
		Client: &http.Client{Transport: transport}, Log: slog.New(slog.DiscardHandler), Rejected: rejected})
}

// A row that is no trade is handed out as it came; those around it count.
func TestHistoryRejectsRows(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		row := func(id int, price string) string {
			return fmt.Sprintf(`{"id":%d,"price":"%s","qty":"2.00000000","time":1790649901913,"isBuyerMaker":true}`, id, price)
		}
		bad := []string{row(101, "0.00000000"), `{"id":102}`, `{"id":"103"}`, `[]`, row(104, "-1")}
		var got []string
		h := served(t, 0.5, func(w http.ResponseWriter, _ *http.Request) {
			fmt.Fprint(w, "["+row(100, "1.5")+","+strings.Join(bad, ",")+","+row(106, "1.5")+"]")
		}, func(why string, row []byte) {
			if why == "" {
				t.Errorf("%s is rejected for no reason", row)
			}
			got = append(got, string(row))
		})
		trades, err := h.Trades(t.Context(), 0, 100, 10)
		if err != nil || len(trades) != 2 || trades[0].ID != 100 || trades[1].ID != 106 || trades[0].Price != 150_000_000 {
			t.Errorf("%+v, %v", trades, err)
		}
		if strings.Join(got, "\n") != strings.Join(bad, "\n") {
			t.Errorf("rejected were\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(bad, "\n"))
		}
	})
}

// Many goroutines together spend no more than their share of what the exchange
// names as its limit, and none of them is refused.
func TestHistoryBudget(t *testing.T) {
	f := func(name string, limit int, ask bool, budget float64, low, high float64) {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b := newBench(t, 1, nil)
				listener, err := b.network.Listen("127.0.0.1:0")
				if err != nil {
					t.Fatal(err)
				}
				s, err := fakebinance.New(fakebinance.Options{Source: b.source, Listener: listener, RESTWeightLimit: limit})
				if err != nil {
					t.Fatal(err)
				}
				transport := &http.Transport{DialContext: b.network.Dial}
				b.closings = append(b.closings, func() { s.Close() }, transport.CloseIdleConnections)
				h := NewHistory(HistoryOptions{URL: "http://" + listener.Addr().String(), Symbols: benchSymbols, Budget: budget,
					Client: &http.Client{Transport: transport}, Log: slog.New(slog.DiscardHandler)})
				if ask {
					if err := h.CheckSymbols(t.Context()); err != nil {
						t.Fatal(err)
					}
				}
				ctx, cancel := context.WithTimeout(t.Context(), 10*time.Minute)
				defer cancel()
				var asking sync.WaitGroup
				var answered, refusals atomic.Int64
				for range 20 {
					asking.Go(func() {
						for ctx.Err() == nil {
							_, _, err := h.Newest(ctx, 0)
							var no *refused
							switch {
							case err == nil:
								answered.Add(1)
							case errors.As(err, &no):
								refusals.Add(1)
							case ctx.Err() == nil && !strings.Contains(err.Error(), "would exceed context deadline"):
								t.Errorf("ask: %v", err)
							default:
								return
							}
						}
					})
				}
				asking.Wait()
				spent := float64(answered.Load()*tradesWeight) / 10
				if spent < low || spent > high || refusals.Load() != 0 {
					t.Errorf("%v weight a minute, want %v to %v; %d refusals", spent, low, high, refusals.Load())
				}
				if most := s.MostRESTWeight(); float64(most) > budget*float64(limit) {
					t.Errorf("%d weight in one minute, the share is %v", most, budget*float64(limit))
				}
			})
		})
	}
	f("the usual limit", 6000, false, 0.5, 2650, 3000)
	f("the limit of the exchange", 1200, true, 0.5, 530, 600)
	// A limit that is lower than thought shows in the answers, late for some;
	// the server's own count stops us below it all the same.
	f("the whole limit", 6000, true, 1, 5000, 6000)
}

// After a refusal that names a time nobody asks before it is over.
func TestHistoryObeysRetryAfter(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		began := time.Now()
		var asked []time.Duration
		h := served(t, 0.5, func(w http.ResponseWriter, _ *http.Request) {
			asked = append(asked, time.Since(began))
			if len(asked) == 1 {
				w.Header().Set("Retry-After", "90")
				w.WriteHeader(http.StatusTooManyRequests)
				fmt.Fprint(w, `{"code":-1003,"msg":"Too much request weight used"}`)
				return
			}
			fmt.Fprint(w, "[]")
		}, nil)
		_, _, err := h.Newest(t.Context(), 0)
		if delay := h.Delay(0, err); delay < 90*time.Second {
			t.Errorf("%v is waited for after %v", delay, err)
		}
		if _, err := h.Trades(t.Context(), 0, 1, 1); err != nil {
			t.Error(err)
		}
		if len(asked) != 2 || asked[1] < 90*time.Second {
			t.Errorf("asked at %v", asked)
		}
	})
}

// The first answer may say that more is used than the usual limit, and that the
// limit is another: then nothing has to wait.
func TestHistoryLearnsTheLimitBeforeItWaits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, 1, nil)
		listener, err := b.network.Listen("127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		server := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("X-MBX-USED-WEIGHT-1M", "5990")
			if strings.Contains(r.URL.Path, "exchangeInfo") {
				fmt.Fprint(w, `{"rateLimits":[{"rateLimitType":"REQUEST_WEIGHT","interval":"MINUTE","intervalNum":1,"limit":100000}],"symbols":[]}`)
			} else {
				fmt.Fprint(w, "[]")
			}
		})}
		var served sync.WaitGroup
		served.Go(func() { _ = server.Serve(listener) })
		transport := &http.Transport{DialContext: b.network.Dial}
		b.closings = append(b.closings, func() { server.Close(); served.Wait() }, transport.CloseIdleConnections)
		h := NewHistory(HistoryOptions{URL: "http://" + listener.Addr().String(), Symbols: benchSymbols, Budget: 0.5,
			Client: &http.Client{Transport: transport}, Log: slog.New(slog.DiscardHandler)})
		began := time.Now()
		if err := h.CheckSymbols(t.Context()); err != nil {
			t.Fatal(err)
		}
		if _, err := h.Trades(t.Context(), 0, 1, 1); err != nil {
			t.Fatal(err)
		}
		if took := time.Since(began); took > time.Second {
			t.Errorf("it waited %v", took)
		}
	})
}
