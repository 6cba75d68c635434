package main

import (
	"io"
	"log/slog"
	"reflect"
	"testing"
	"testing/synctest"
	"time"
)

// sing passes trades of two symbols in turn through a flaw and returns what
// it produced.
func sing(kind string, at int64, trades int) (in, out []trade) {
	f := newFlaw(kind, at, slog.New(slog.NewTextHandler(io.Discard, nil)), func(t trade) { out = append(out, t) })
	for i := range trades {
		symbol := []string{"BTCUSDT", "ETHUSDT"}[i%2]
		t := trade{Symbol: symbol, ID: int64(100 + i/2), Price: "61837.63000000", Quantity: "1.00000000"}
		in = append(in, t)
		f.pass(t)
	}
	f.flush()
	return in, out
}

func TestFlawsTouchOneTrade(t *testing.T) {
	f := func(kind string, at int64, want func(in []trade) []trade) {
		t.Helper()
		in, out := sing(kind, at, 10)
		if want := want(in); !reflect.DeepEqual(out, want) {
			t.Errorf("%s at %d produced\n%v\nwant\n%v", kind, at, out, want)
		}
	}
	cut := func(in []trade, parts ...[2]int) (out []trade) {
		for _, part := range parts {
			out = append(out, in[part[0]:part[1]]...)
		}
		return out
	}
	f(none, 4, func(in []trade) []trade { return in })
	f(lost, 4, func(in []trade) []trade { return cut(in, [2]int{0, 3}, [2]int{4, 10}) })
	f(duplicate, 4, func(in []trade) []trade { return cut(in, [2]int{0, 4}, [2]int{3, 10}) })
	// The next trade is of the other symbol and does not wait.
	f(swapped, 4, func(in []trade) []trade {
		return cut(in, [2]int{0, 3}, [2]int{4, 6}, [2]int{3, 4}, [2]int{6, 10})
	})
	f(swapped, 10, func(in []trade) []trade { return in }) // no successor came: nothing is kept back
	f(altered, 4, func(in []trade) []trade {
		out := append([]trade(nil), in...)
		out[3].Price = "61837.63000001"
		return out
	})
	f(lost, 11, func(in []trade) []trade { return in }) // the run was shorter
}

func TestTurnLastDigit(t *testing.T) {
	f := func(in, want string) {
		t.Helper()
		if got := turnLastDigit(in); got != want {
			t.Errorf("turnLastDigit(%q) = %q, want %q", in, got, want)
		}
	}
	f("1.00000000", "1.00000001")
	f("0.00000009", "0.00000008")
	f("5", "6")
}

func TestLagGrowsWithLife(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		type arrival struct {
			id    int64
			after time.Duration
		}
		var got []arrival
		born := time.Now()
		f := newFlaw(lag, 0, slog.New(slog.NewTextHandler(io.Discard, nil)), func(t trade) {
			got = append(got, arrival{t.ID, time.Since(born)})
		})
		for _, age := range []time.Duration{0, 100 * time.Second, 200 * time.Second} {
			time.Sleep(age - time.Since(born))
			f.pass(trade{ID: int64(age.Seconds())})
		}
		f.flush()
		want := []arrival{{0, 0}, {100, 100*time.Second + 500*time.Millisecond}, {200, 201 * time.Second}}
		if !reflect.DeepEqual(got, want) {
			t.Errorf("arrived %v, want %v", got, want)
		}
	})
}

func TestParseFlaw(t *testing.T) {
	if kind, err := parseFlaw(""); kind != none || err != nil {
		t.Errorf("no word: %q, %v", kind, err)
	}
	if _, err := parseFlaw("loose"); err == nil {
		t.Error("an unknown flaw was taken")
	}
}
