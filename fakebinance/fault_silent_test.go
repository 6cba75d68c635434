package fakebinance

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"
	"time"
)

// Which streams are silent, of a session that has all kinds of them: those
// that are meant and no other, and none after the end.
func TestFaultSilentKinds(t *testing.T) {
	const trades, other, sums, book = "btcusdt@trade", "ethusdt@trade", "btcusdt@aggTrade", "btcusdt@bookTicker"
	f := func(fault Fault, want ...string) {
		t.Helper()
		bySymbols(t, func(t *testing.T, b *faultBench) {
			client := dialOver(t, b.server, "/stream?streams="+strings.Join([]string{sums, trades, other, book}, "/"), b.network)
			heard := make(chan string, 1_000_000)
			go func() {
				defer close(heard)
				for {
					_, frame, err := client.ReadMessage()
					if err != nil {
						return
					}
					var named struct{ Stream string }
					_ = json.Unmarshal(frame, &named) // a frame that can't be read is of no stream
					heard <- named.Stream
				}
			}()
			// silent is which streams brought nothing in a minute.
			silent := func() (names []string) {
				for len(heard) > 0 {
					<-heard
				}
				time.Sleep(time.Minute)
				counts := map[string]int{}
				for len(heard) > 0 {
					counts[<-heard]++
				}
				for _, name := range []string{trades, other, sums, book} {
					if counts[name] == 0 {
						names = append(names, name)
					}
				}
				return names
			}
			time.Sleep(time.Second)
			injection := b.begin(fault)
			time.Sleep(time.Second) // what was on its way
			if got := silent(); !slices.Equal(got, want) {
				t.Errorf("%+v: silent are %v, want %v", fault, got, want)
			}
			if e := injection.End(); !e.Proven || !strings.HasSuffix(e.Text, " withheld") {
				t.Errorf("%+v: %+v", fault, e)
			}
			time.Sleep(time.Second)
			if got := silent(); len(got) != 0 {
				t.Errorf("%+v: %v are silent after its end", fault, got)
			}
			client.Close()
		})
	}
	f(Fault{Kind: KindSilent}, trades, other, sums, book)
	f(Fault{Kind: KindSilent, Target: "stream:" + book}, book)
	f(Fault{Kind: KindSilent, Target: "stream:" + other}, other)
	f(Fault{Kind: KindSilentStream}, sums) // the first
	f(Fault{Kind: KindSilentStream, Target: "stream:" + other}, other)
	f(Fault{Kind: KindSilentStream, Target: "stream:" + sums}, sums)
	f(Fault{Kind: KindSilentStream, Settings: map[string]string{"symbol": "BTCUSDT"}}, trades)
}
