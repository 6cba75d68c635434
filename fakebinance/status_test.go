package fakebinance

import (
	"fmt"
	"math"
	"testing"
	"time"
)

// The status tells rates of late, who listens to what, and the newest sessions
// with what holds them back.
func TestStatus(t *testing.T) {
	inVirtualTime(t, false, func(t *testing.T, b *faultBench) {
		const rate, sessions = 200, maxSessionStatus + 5
		if now := b.server.status(); len(now.Rates) != 1 || now.Rates[0] != (SymbolRate{"BTCUSDT", 0}) || len(now.ByStream)+len(now.Newest) != 0 {
			t.Errorf("at the start: %+v", now)
		}
		for range sessions {
			drain(dialOver(t, b.server, "/ws/btcusdt@trade/nobody@trade", b.network).Conn)
		}
		long := "/ws/btcusdt@bookTicker"
		for n := range maxStreamsStatus {
			long += fmt.Sprintf("/nobody%d@trade", n)
		}
		drain(dialOver(t, b.server, long, b.network).Conn)
		b.begin(Fault{Kind: KindStall, Target: "session:106"})
		time.Sleep((tallySeconds + 2) * time.Second)
		now := b.server.status()
		if got := now.Rates[0].Rate; math.Abs(got-rate) > rate/2 {
			t.Errorf("rate %v", got)
		}
		if len(now.ByStream) != 2 || now.ByStream[0] != (StreamStatus{"btcusdt@bookTicker", 1}) || now.ByStream[1] != (StreamStatus{"btcusdt@trade", sessions}) {
			t.Errorf("streams %+v", now.ByStream)
		}
		if now.Sessions != sessions+1 || len(now.Newest) != maxSessionStatus || now.Newest[0].N != sessions+1-maxSessionStatus+1 {
			t.Errorf("%d sessions, %d of them from %d on", now.Sessions, len(now.Newest), now.Newest[0].N)
		}
		first, last := now.Newest[0], now.Newest[maxSessionStatus-1]
		if first.Trades < 5*rate || first.Waiting != 0 || first.Fault != "" || len(first.Streams) != 2 || first.From == "" || first.Opened.IsZero() {
			t.Errorf("a session: %+v", first)
		}
		if last.N != 106 || last.Fault != KindStall || last.Waiting < 1000 || len(last.Streams) != maxStreamsStatus || last.Streams[0] != "btcusdt@bookTicker" {
			t.Errorf("the stalled session: %+v", last)
		}
		b.server.StopPublishing()
		time.Sleep(time.Minute)
		if got := b.server.status().Rates[0].Rate; got != 0 {
			t.Errorf("rate %v without trades", got)
		}
	})
}

// A rate is that of the last ten seconds, or of those since the start.
func TestTally(t *testing.T) {
	started := time.Unix(1000, 5e8)
	var counted tally
	f := func(second int64, want float64) {
		t.Helper()
		if got := counted.rate(time.Unix(second, 0), started); got != want {
			t.Errorf("after %d s: %v, want %v", second-1000, got, want)
		}
	}
	f(1001, 0)
	for second := int64(1000); second < 1030; second++ {
		counted.add(time.Unix(second, 0), 20)
		counted.add(time.Unix(second, 9e8), 10)
	}
	f(1030, 30)
	f(1035, 15)
	f(1040, 0)
	counted = tally{}
	counted.add(time.Unix(1000, 6e8), 30)
	counted.add(time.Unix(1001, 0), 40)
	f(1001, 0)
	f(1002, 40)
	f(1003, 20)
}
