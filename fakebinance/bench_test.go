package fakebinance

import (
	"io"
	"syscall"
	"testing"
	"time"

	"github.com/gorilla/websocket"
)

// processorTime is what this process has used so far. On a machine that is
// shared with others it says more than the clock.
func processorTime(b *testing.B) time.Duration {
	b.Helper()
	var usage syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &usage); err != nil {
		b.Fatal(err)
	}
	return time.Duration(usage.Utime.Nano() + usage.Stime.Nano())
}

// BenchmarkPublish is what a server offers to one client that only reads
// bytes, flat out: one operation is one trade. Both ends run in this process:
// trades/cpu-s is what one core does for both.
func BenchmarkPublish(b *testing.B) {
	for _, tls := range []bool{false, true} {
		name := "tcp"
		if tls {
			name = "tls"
		}
		b.Run(name, func(b *testing.B) {
			market, err := NewMarket(MarketOptions{Seed: testSeed, Symbols: []string{"BTCUSDT", "ETHUSDT", "BNBUSDT"}, Rate: 1e6, Start: time.Now()})
			if err != nil {
				b.Fatal(err)
			}
			s := newTestServer(b, Options{Source: market, TLS: tls, FlatOut: true})
			dialer := websocket.Dialer{TLSClientConfig: trusting(b, s)}
			ws, _, err := dialer.Dial(s.WebSocketURL()+"/stream?streams=btcusdt@trade/ethusdt@trade/bnbusdt@trade&timeUnit=MICROSECOND", nil)
			if err != nil {
				b.Fatal(err)
			}
			conn := ws.NetConn()
			defer conn.Close()
			s.Start()
			buffer := make([]byte, 256<<10)
			bytes := 0
			before, used := s.Ledger().Total(), processorTime(b)
			b.ReportAllocs()
			b.ResetTimer()
			// A frame has 174 bytes with its header; the ledger has the exact count.
			for b.Loop() {
				for bytes < 174 {
					n, err := conn.Read(buffer)
					if err != nil {
						b.Fatal(err)
					}
					bytes += n
				}
				bytes -= 174
			}
			trades := float64(s.Ledger().Total() - before)
			b.ReportMetric(trades/b.Elapsed().Seconds(), "trades/s")
			b.ReportMetric(trades/(processorTime(b)-used).Seconds(), "trades/cpu-s")
		})
	}
}

// BenchmarkTrade is the price of a trade's content.
func BenchmarkTrade(b *testing.B) {
	market := newTestMarket(b, 50, "BTCUSDT")
	id := market.FirstID("BTCUSDT")
	b.ReportAllocs()
	used := processorTime(b)
	for b.Loop() {
		market.Trade("BTCUSDT", id)
		id++
	}
	b.ReportMetric(float64(processorTime(b)-used)/float64(b.N), "cpu-ns/op")
}

// BenchmarkRender is the price of a frame.
func BenchmarkRender(b *testing.B) {
	market := newTestMarket(b, 50, "BTCUSDT")
	trade := market.Trade("BTCUSDT", market.FirstID("BTCUSDT"))
	payload := newTradePayload("BTCUSDT")
	var frame []byte
	b.ReportAllocs()
	used := processorTime(b)
	for b.Loop() {
		frame = payload.append(frame[:0], &trade, combined|microseconds)
	}
	b.ReportMetric(float64(processorTime(b)-used)/float64(b.N), "cpu-ns/op")
	_, _ = io.Discard.Write(frame)
}
