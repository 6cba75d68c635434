package fakebinance

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"
	"unicode/utf8"

	"github.com/gorilla/websocket"
)

// seen is what one session got: the ids of each symbol in order of arrival,
// frames that are no trade, and how it ended.
type seen struct {
	ids   map[string][]int64
	other []string
	extra int // trades with a field that no document has
	long  int // bytes of the longest frame
	ended error
}

// collect opens a session over two symbols and gathers what comes on it until
// the returned function is called, which closes it.
func (b *faultBench) collect(path string) func() seen {
	client := dialOver(b.t, b.server, path, b.network)
	done := make(chan seen, 1)
	go func() {
		got := seen{ids: map[string][]int64{}}
		for {
			kind, frame, err := client.ReadMessage()
			if err != nil {
				got.ended = err
				done <- got
				return
			}
			// A map, as keys that differ by case only are different ones.
			var trade map[string]any
			_ = json.Unmarshal(frame, &trade) // what can't be read is no trade
			id, isID := trade["t"].(float64)
			got.long = max(got.long, len(frame))
			if trade["z"] != nil {
				got.extra++
			}
			if !utf8.Valid(frame) || kind != websocket.TextMessage || trade["e"] != "trade" || !isID || trade["p"] == "0.00000000" {
				got.other = append(got.other, string(frame))
				continue
			}
			symbol := trade["s"].(string)
			got.ids[symbol] = append(got.ids[symbol], int64(id))
		}
	}()
	return func() seen {
		client.Close()
		return <-done
	}
}

// bySymbols runs a test with two symbols in virtual time.
func bySymbols(t *testing.T, test func(*testing.T, *faultBench)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		test(t, newVirtualBench(t, Options{Source: newTestMarket(t, 20, "BTCUSDT", "ETHUSDT"), RESTWeightLimit: 1e6}))
	})
}

// tampered runs a fault for a minute between two calm ones, and returns what a
// session that was there all the time has seen. Another session that opens
// while it lasts sees every trade in order, and so does the ledger.
func tampered(t *testing.T, f Fault, text string, check func(t *testing.T, got seen)) {
	t.Helper()
	bySymbols(t, func(t *testing.T, b *faultBench) {
		end := b.collect("/ws/btcusdt@trade/ethusdt@trade")
		time.Sleep(time.Minute)
		injection := b.begin(f)
		clean := b.collect("/ws/btcusdt@trade/ethusdt@trade")
		time.Sleep(time.Minute)
		proven(t, injection.End(), 1, text)
		healed := map[string]int64{}
		for _, symbol := range []string{"BTCUSDT", "ETHUSDT"} {
			healed[symbol] = b.server.Ledger().lastID(symbol)
		}
		time.Sleep(time.Minute)
		got, other := end(), clean()
		for symbol, ids := range other.ids {
			if n := int64(len(ids)); n < 1000 || ids[n-1]-ids[0] != n-1 || len(other.other) != 0 {
				t.Errorf("%s: a session that was not meant got %d trades from %d to %d and %d other frames", symbol, n, ids[0], ids[n-1], len(other.other))
			}
		}
		for symbol, ids := range got.ids {
			at := slices.Index(ids, healed[symbol]+2)
			if at < 0 || ids[len(ids)-1]-ids[at] != int64(len(ids)-1-at) {
				t.Errorf("%s is not healed; ended: %v", symbol, got.ended)
			}
		}
		check(t, got)
	})
}

// oddities counts what is odd about a run of ids.
func oddities(ids []int64) (missing, repeated, early int64) {
	sorted := slices.Clone(ids)
	slices.Sort(sorted)
	unique := slices.Compact(slices.Clone(sorted))
	missing = unique[len(unique)-1] - unique[0] + 1 - int64(len(unique))
	repeated = int64(len(ids) - len(unique))
	for i := 1; i < len(ids); i++ {
		if ids[i] < ids[i-1] {
			early++
		}
	}
	return missing, repeated, early
}

func TestFaultSilentStream(t *testing.T) {
	tampered(t, Fault{Kind: KindSilentStream}, "trades withheld", func(t *testing.T, got seen) {
		if missing, _, _ := oddities(got.ids["BTCUSDT"]); missing < 800 {
			t.Errorf("%d trades withheld", missing)
		}
		if missing, _, _ := oddities(got.ids["ETHUSDT"]); missing != 0 {
			t.Errorf("%d trades of the other stream withheld", missing)
		}
	})
	tampered(t, Fault{Kind: KindSilentStream, Settings: map[string]string{"symbol": "ETHUSDT"}}, "trades withheld", func(t *testing.T, got seen) {
		if missing, _, _ := oddities(got.ids["ETHUSDT"]); missing < 800 {
			t.Errorf("%d trades withheld", missing)
		}
	})
}

// A session that opens meanwhile can be the only one that is meant.
func TestFaultSilentStreamOfNewSessions(t *testing.T) {
	bySymbols(t, func(t *testing.T, b *faultBench) {
		old := b.collect("/ws/btcusdt@trade/ethusdt@trade")
		time.Sleep(time.Second)
		injection := b.begin(Fault{Kind: KindSilentStream, Target: TargetAll, Settings: map[string]string{"sessions": "new"}})
		fresh := b.collect("/ws/btcusdt@trade/ethusdt@trade")
		time.Sleep(time.Minute)
		proven(t, injection.End(), 2, "trades withheld")
		for symbol, ids := range old().ids {
			if missing, _, _ := oddities(ids); missing != 0 {
				t.Errorf("%s: the old session misses %d trades", symbol, missing)
			}
		}
		if got := fresh(); len(got.ids["BTCUSDT"]) != 0 || len(got.ids["ETHUSDT"]) == 0 {
			t.Errorf("the new session got %d and %d trades", len(got.ids["BTCUSDT"]), len(got.ids["ETHUSDT"]))
		}
	})
}

func TestFaultGap(t *testing.T) {
	tampered(t, Fault{Kind: KindGap}, "trades left out in ", func(t *testing.T, got seen) {
		for symbol, ids := range got.ids {
			if missing, repeated, early := oddities(ids); missing < 40 || missing > 400 || repeated != 0 || early != 0 {
				t.Errorf("%s: %d missing, %d repeated, %d early", symbol, missing, repeated, early)
			}
		}
	})
}

func TestFaultRepeat(t *testing.T) {
	tampered(t, Fault{Kind: KindRepeat}, "trades delivered twice", func(t *testing.T, got seen) {
		for symbol, ids := range got.ids {
			if missing, repeated, early := oddities(ids); missing != 0 || repeated < 20 || repeated > 200 || early != 0 {
				t.Errorf("%s: %d missing, %d repeated, %d early", symbol, missing, repeated, early)
			}
		}
	})
}

func TestFaultSwap(t *testing.T) {
	// The rate at which every other trade is held is the one that shows whether
	// the last of them comes out at the end.
	tampered(t, Fault{Kind: KindSwap, Settings: map[string]string{"every": "1"}}, "pairs delivered in the wrong order", func(t *testing.T, got seen) {
		for symbol, ids := range got.ids {
			if missing, repeated, early := oddities(ids); missing != 0 || repeated != 0 || early < 400 {
				t.Errorf("%s: %d missing, %d repeated, %d early", symbol, missing, repeated, early)
			}
		}
	})
}

func TestFaultGarble(t *testing.T) {
	for form, mark := range map[string]string{
		"missing-field": `"s":"`, "malformed": `"p"=`, "bad-utf8": "\xff\xfe",
		"truncated": `{"e":"trade"`, "zero-price": `"p":"0.00000000"`, "wrong-type": `"t":"`, "binary": `"M":true}`,
	} {
		tampered(t, Fault{Kind: KindGarble, Settings: map[string]string{"as": form}}, "trades delivered as "+form, func(t *testing.T, got seen) {
			var missing int64
			for ids := range maps.Values(got.ids) {
				m, repeated, early := oddities(ids)
				missing += m
				if repeated != 0 || early != 0 {
					t.Errorf("%s: %d repeated, %d early", form, repeated, early)
				}
			}
			if int64(len(got.other)) != missing || missing < 40 {
				t.Errorf("%s: %d bad frames, %d trades missing", form, len(got.other), missing)
			}
			for _, frame := range got.other {
				if !strings.Contains(frame, mark) {
					t.Fatalf("%s: %s", form, frame)
				}
			}
		})
	}
}

// A frame that is odd and whole brings its trade.
func TestFaultGarbleHarmless(t *testing.T) {
	for form, odd := range map[string]func(seen) int{
		"extra-field": func(got seen) int { return got.extra },
		"oversize":    func(got seen) int { return got.long / (1 << 17) },
	} {
		tampered(t, Fault{Kind: KindGarble, Settings: map[string]string{"as": form}}, "trades delivered as "+form, func(t *testing.T, got seen) {
			for symbol, ids := range got.ids {
				if missing, repeated, early := oddities(ids); missing+repeated+early != 0 {
					t.Errorf("%s: %s: %d missing, %d repeated, %d early", form, symbol, missing, repeated, early)
				}
			}
			if odd(got) == 0 || len(got.other) != 0 {
				t.Errorf("%s: %d odd frames, %d others", form, odd(got), len(got.other))
			}
		})
	}
}

func TestFaultDelay(t *testing.T) {
	tampered(t, Fault{Kind: KindDelay}, "trades kept back for 2s", func(t *testing.T, got seen) {
		for symbol, ids := range got.ids {
			if missing, repeated, early := oddities(ids); missing != 0 || repeated != 0 || early < 20 || early > 200 {
				t.Errorf("%s: %d missing, %d repeated, %d early", symbol, missing, repeated, early)
			}
		}
	})
}

func TestFaultBurst(t *testing.T) {
	for _, trades := range []string{"160", "1000"} {
		tampered(t, Fault{Kind: KindBurst, Settings: map[string]string{"trades": trades}}, "of "+trades+" trades at once", func(t *testing.T, got seen) {
			for symbol, ids := range got.ids {
				if missing, repeated, early := oddities(ids); missing+repeated+early != 0 {
					t.Errorf("%s: %d missing, %d repeated, %d early", symbol, missing, repeated, early)
				}
			}
		})
	}
}

// Gorilla puts fragments together, as every client has to.
func TestFaultFragments(t *testing.T) {
	tampered(t, Fault{Kind: KindFragments, Settings: map[string]string{"every": "2"}}, "trades delivered in 5 fragments each", func(t *testing.T, got seen) {
		for symbol, ids := range got.ids {
			if missing, repeated, early := oddities(ids); missing+repeated+early != 0 {
				t.Errorf("%s: %d missing, %d repeated, %d early", symbol, missing, repeated, early)
			}
		}
		if len(got.other) != 0 {
			t.Errorf("%d frames are no trade", len(got.other))
		}
	})
}

func TestFaultSilent(t *testing.T) {
	tampered(t, Fault{Kind: KindSilent}, "trades withheld", func(t *testing.T, got seen) {
		for symbol, ids := range got.ids {
			if missing, _, _ := oddities(ids); missing < 800 {
				t.Errorf("%s: %d trades withheld", symbol, missing)
			}
		}
	})
}

// Trades that are lost for good are the same for all who are meant, and REST
// does not have them either, then and later.
func TestFaultLost(t *testing.T) {
	bySymbols(t, func(t *testing.T, b *faultBench) {
		one, two := b.collect("/ws/btcusdt@trade"), b.collect("/ws/btcusdt@trade")
		time.Sleep(time.Second)
		injection := b.begin(Fault{Kind: KindLost, Target: TargetAll})
		time.Sleep(time.Minute)
		proven(t, injection.End(), 2, "trades lost for good")
		time.Sleep(time.Second)
		got := one().ids["BTCUSDT"]
		if other := two().ids["BTCUSDT"]; !slices.Equal(got, other) {
			t.Errorf("one session got %d trades, the other %d", len(got), len(other))
		}
		missing, _, _ := oddities(got)
		lost := int64(0)
		for id := got[0]; id <= got[len(got)-1]; id++ {
			gone := b.server.Lost("BTCUSDT", id)
			if gone {
				lost++
			}
			answer := b.rest(fmt.Sprintf("/api/v3/historicalTrades?symbol=BTCUSDT&fromId=%d&limit=1", id))
			if has := strings.Contains(answer, fmt.Sprintf(`"id":%d,`, id)); has == gone || strings.Count(answer, `"id":`) != 1 {
				t.Fatalf("trade %d: lost: %v; REST: %s", id, gone, answer)
			}
		}
		if missing < 20 || missing != lost {
			t.Errorf("%d missing, %d lost", missing, lost)
		}
	})
}
