package fakebinance

import (
	"io"
	"sync"
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

// BenchmarkPublish is what a server offers flat out to clients that only read
// bytes: one operation is one trade. Both ends run in this process:
// trades/cpu-s is what one core does for both, frames/cpu-s the same times the
// frames that come of a trade.
func BenchmarkPublish(b *testing.B) {
	const trades = "btcusdt@trade/ethusdt@trade/bnbusdt@trade"
	const all = trades + "/btcusdt@aggTrade/ethusdt@aggTrade/bnbusdt@aggTrade/btcusdt@bookTicker/ethusdt@bookTicker/bnbusdt@bookTicker"
	b.Run("tcp", func(b *testing.B) { publishTo(b, offer{streams: trades}) })
	b.Run("tls", func(b *testing.B) { publishTo(b, offer{streams: trades, tls: true}) })
	b.Run("deflate", func(b *testing.B) { publishTo(b, offer{streams: trades, deflate: true}) })
	b.Run("all-streams", func(b *testing.B) { publishTo(b, offer{streams: all}) })
	b.Run("sessions-1000", func(b *testing.B) { publishTo(b, offer{streams: trades, sessions: 1000}) })
	b.Run("sessions-1000-tls", func(b *testing.B) { publishTo(b, offer{streams: trades, sessions: 1000, tls: true}) })
}

// offer is what a server has to do for a benchmark.
type offer struct {
	streams      string
	tls, deflate bool
	sessions     int // 0: one
}

func publishTo(b *testing.B, o offer) {
	market, err := NewMarket(MarketOptions{Seed: testSeed, Symbols: []string{"BTCUSDT", "ETHUSDT", "BNBUSDT"}, Rate: 1e6, Start: time.Now()})
	if err != nil {
		b.Fatal(err)
	}
	s := newTestServer(b, Options{Source: market, TLS: o.tls, FlatOut: true, Switches: Switches{Connects: -1}})
	dialer := websocket.Dialer{TLSClientConfig: trusting(b, s), EnableCompression: o.deflate}
	var reading sync.WaitGroup
	defer reading.Wait()
	for range max(1, o.sessions) {
		ws, _, err := dialer.Dial(s.WebSocketURL()+"/stream?timeUnit=MICROSECOND&streams="+o.streams, nil)
		if err != nil {
			b.Fatal(err)
		}
		reading.Go(func() {
			buffer := make([]byte, readBytes)
			for {
				if _, err := ws.NetConn().Read(buffer); err != nil {
					return
				}
			}
		})
		defer ws.NetConn().Close()
	}
	s.Start()
	frames := func() (sum int64) {
		for _, session := range s.Ledger().Sessions() {
			sum += session.Trades // frames of other streams are not among them
		}
		return sum
	}
	ledger := s.Ledger()
	before, framesBefore, used := ledger.Total(), frames(), processorTime(b)
	b.ReportAllocs()
	b.ResetTimer()
	for want := before; b.Loop(); {
		for want++; ledger.Total() < want; {
			time.Sleep(lookAgain)
		}
	}
	trades, sent, cpu := float64(ledger.Total()-before), float64(frames()-framesBefore), (processorTime(b) - used).Seconds()
	s.StopPublishing() // or each session that ends would wait for a round
	b.ReportMetric(trades/b.Elapsed().Seconds(), "trades/s")
	b.ReportMetric(trades/cpu, "trades/cpu-s")
	b.ReportMetric(sent/cpu, "frames/cpu-s")
}

const (
	// readBytes is what a client reads at once.
	readBytes = 64 << 10
	// lookAgain is long beside a trade, and short beside a benchmark.
	lookAgain = 100 * time.Microsecond
)

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
