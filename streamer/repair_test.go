package streamer

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"steadfeed/fakebinance/memnet"
	"steadfeed/streamer/internal/binance"
	"steadfeed/streamer/internal/sequence"
)

// archive is a REST server that answers historicalTrades as a test says; the
// request's number counts from 0.
func archive(t *testing.T, answer func(n int, w http.ResponseWriter)) *repairs {
	t.Helper()
	network := memnet.New()
	listener, err := network.Listen("127.0.0.1:80")
	if err != nil {
		t.Fatal(err)
	}
	n := 0
	server := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		// From 100, or from before it once an answer has begun later.
		if got := r.URL.Query().Get("fromId"); got != "100" && (n == 0 || got != "90") {
			t.Errorf("request %d asked from id %s, want 100", n, got)
		}
		answer(n, w)
		n++
	})}
	var served sync.WaitGroup
	served.Go(func() { _ = server.Serve(listener) })
	transport := &http.Transport{DialContext: network.Dial}
	t.Cleanup(func() {
		transport.CloseIdleConnections()
		server.Close()
		served.Wait()
		synctest.Wait()
	})
	log := slog.New(slog.DiscardHandler)
	return newRepairs(binance.NewHistory(binance.HistoryOptions{URL: "http://127.0.0.1:80", Symbols: []string{"BTCUSDT"}, Budget: 0.5, Seed: 7,
		Client: &http.Client{Transport: transport}, Log: log}), 1, log)
}

// rows are those of the ids from first to last.
func rows(first, last int64) string {
	var list []string
	for id := first; id <= last; id++ {
		list = append(list, fmt.Sprintf(`{"id":%d,"price":"1.00000000","qty":"2.00000000","time":1790649901913,"isBuyerMaker":true}`, id))
	}
	return "[" + strings.Join(list, ",") + "]"
}

func TestFetch(t *testing.T) {
	f := func(name string, answer func(n int, w http.ResponseWriter), probe bool, want int, gone bool, least, most time.Duration) {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := archive(t, answer)
				began := time.Now()
				got, ok := r.fetch(context.Background(), ask{maxAge: time.Hour, gap: sequence.Gap{First: 100, Last: 109}, probe: probe})
				took := time.Since(began)
				if !ok || len(got.trades) != want || got.gone != gone {
					t.Errorf("%d trades, gone %v; want %d, %v", len(got.trades), got.gone, want, gone)
				}
				if took < least || took > most {
					t.Errorf("it took %v, want %v to %v", took, least, most)
				}
			})
		})
	}
	write := func(w http.ResponseWriter, text string) { fmt.Fprint(w, text) }
	fail := func(w http.ResponseWriter, status int, header ...string) {
		for i := 0; i < len(header); i += 2 {
			w.Header().Set(header[i], header[i+1])
		}
		http.Error(w, `{"code":-1003,"msg":"Too much request weight used"}`, status)
	}
	f("at once", func(_ int, w http.ResponseWriter) { write(w, rows(100, 109)) }, false, 10, false, 0, time.Second)
	f("a part", func(_ int, w http.ResponseWriter) { write(w, rows(100, 103)) }, false, 4, false, 0, time.Second)
	began := time.Time{}
	f("a database that lags for ten seconds", func(n int, w http.ResponseWriter) {
		if n == 0 {
			began = time.Now()
		}
		if time.Since(began) < 10*time.Second {
			write(w, "[]")
		} else {
			write(w, rows(100, 109))
		}
	}, false, 10, false, 10*time.Second, 16*time.Second)
	f("a database that never has it", func(_ int, w http.ResponseWriter) { write(w, "[]") }, false, 0, true, lagPatience, lagPatience+lagPauseMax)
	f("nothing beyond", func(_ int, w http.ResponseWriter) { write(w, "[]") }, true, 0, false, 0, time.Second)
	f("begins later, and is believed the fourth time", func(_ int, w http.ResponseWriter) { write(w, rows(104, 109)) }, false, 6, false, goneTries*gonePause, goneTries*gonePause+time.Second)
	f("begins later by mistake", func(n int, w http.ResponseWriter) {
		if n < 2 {
			write(w, rows(104, 109))
		} else {
			write(w, rows(100, 109))
		}
	}, false, 10, false, 2*gonePause, 2*gonePause+time.Second)
	f("out of order is an error", func(n int, w http.ResponseWriter) {
		if n == 0 {
			write(w, "["+strings.Trim(rows(105, 105), "[]")+","+strings.Trim(rows(104, 104), "[]")+"]")
		} else {
			write(w, rows(100, 109))
		}
	}, false, 10, false, 0, 2*time.Second)
	f("below what was asked for is an error", func(n int, w http.ResponseWriter) {
		write(w, rows(99+int64(min(n, 1)), 109))
	}, false, 10, false, 0, 2*time.Second)
	f("a row that is no trade is left out", func(_ int, w http.ResponseWriter) {
		write(w, strings.Replace(rows(100, 109), `"id":105,"price":"1.00000000"`, `"id":105,"price":"0.00000000"`, 1))
	}, false, 9, false, goneTries*gonePause, goneTries*gonePause+time.Second)
	f("cut off in the middle", func(n int, w http.ResponseWriter) {
		if n < 3 {
			write(w, rows(100, 109)[:200])
		} else {
			write(w, rows(100, 109))
		}
	}, false, 10, false, 0, 10*time.Second)
	f("server errors for a while", func(n int, w http.ResponseWriter) {
		if n < 5 {
			fail(w, http.StatusBadGateway)
		} else {
			write(w, rows(100, 109))
		}
	}, false, 10, false, time.Second, 30*time.Second)
	f("over the limit", func(n int, w http.ResponseWriter) {
		if n == 0 {
			fail(w, http.StatusTooManyRequests, "Retry-After", "40")
		} else {
			write(w, rows(100, 109))
		}
	}, false, 10, false, 40*time.Second, time.Minute)
	f("banned", func(n int, w http.ResponseWriter) {
		if n == 0 {
			fail(w, http.StatusTeapot, "Retry-After", "600")
		} else {
			write(w, rows(100, 109))
		}
	}, false, 10, false, 10*time.Minute, 11*time.Minute)
	f("the address's weight nearly used up, by others", func(n int, w http.ResponseWriter) {
		w.Header().Set("X-MBX-USED-WEIGHT-1M", "5990")
		if n == 0 {
			fail(w, http.StatusBadGateway)
		} else {
			write(w, rows(100, 109))
		}
	}, false, 10, false, 30*time.Second, 61*time.Second)
}

func TestFetchEndsWithItsContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := archive(t, func(_ int, w http.ResponseWriter) { http.Error(w, "", http.StatusBadGateway) })
		ctx, cancel := context.WithTimeout(context.Background(), time.Hour)
		defer cancel()
		began := time.Now()
		if _, ok := r.fetch(ctx, ask{gap: sequence.Gap{First: 100, Last: 109}}); ok {
			t.Error("an answer from a server that only fails")
		}
		if took := time.Since(began); took != time.Hour {
			t.Errorf("it ended after %v, its context after an hour", took)
		}
	})
}
