package fakebinance

import (
	"errors"
	"io"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/gorilla/websocket"
)

func testCut(t *testing.T, f Fault, how func(error) bool, text, reason string) {
	for _, secure := range []bool{false, true} {
		b := newFaultBench(t, Options{TLS: secure})
		one, two := b.watch(), b.watch()
		one.lives()
		two.lives()
		injection := b.begin(f)
		for _, w := range []*watched{one, two} {
			if err := w.ended(); !how(err) {
				t.Errorf("tls %v: ended with %v", secure, err)
			}
			b.record(f.Kind, EndedByFault, reason)
		}
		// A session that opens while it lasts is not meant.
		b.watch().lives()
		proven(t, injection.End(), 2, text)
		if again := injection.End(); again != injection.Evidence() {
			t.Errorf("the evidence changes: %+v", again)
		}
	}
}

func TestFaultReset(t *testing.T) {
	testCut(t, Fault{Kind: KindReset}, func(err error) bool { return errors.Is(err, syscall.ECONNRESET) }, "2 sessions reset", "reset")
}

func TestFaultSilentClose(t *testing.T) {
	testCut(t, Fault{Kind: KindSilentClose}, func(err error) bool {
		// Gorilla's name for the end of the connection without a close frame.
		return websocket.IsCloseError(err, websocket.CloseAbnormalClosure) || errors.Is(err, io.ErrUnexpectedEOF)
	}, "2 sessions ended by FIN", "FIN")
}

func TestFaultClose(t *testing.T) {
	testCut(t, Fault{Kind: KindClose, Settings: map[string]string{"code": "1008", "reason": "maintenance"}}, func(err error) bool {
		var closed *websocket.CloseError
		return errors.As(err, &closed) && closed.Code == 1008 && closed.Text == "maintenance"
	}, "2 sessions closed with 1008 maintenance", "1008 maintenance")
}

// With target all, sessions that open while it lasts end too, and those that
// open afterwards don't.
func TestFaultTargetAll(t *testing.T) {
	b := newFaultBench(t, Options{})
	injection := b.begin(Fault{Kind: KindReset, Target: TargetAll, Settings: map[string]string{"within": "50ms"}})
	if e := injection.Evidence(); e.Proven || e.Text != "no session was there to be disturbed" {
		t.Errorf("evidence before any session: %+v", e)
	}
	for range 3 {
		b.watch().ended()
		b.record(KindReset, EndedByFault, "reset")
	}
	proven(t, injection.End(), 3, "3 sessions reset")
	b.watch().lives()
}

func TestFaultEndsByItself(t *testing.T) {
	inVirtualTime(t, false, func(t *testing.T, b *faultBench) {
		b.watch().lives()
		injection := b.begin(Fault{Kind: KindStall, For: 3 * time.Second})
		<-injection.Done()
		e := injection.Evidence()
		proven(t, e, 1, "bytes withheld for up to 3s")
		if lasted := e.Ended.Sub(e.Began); lasted != 3*time.Second {
			t.Errorf("lasted %s", lasted)
		}
	})
}

func TestFaultNoPong(t *testing.T) {
	inVirtualTime(t, true, func(t *testing.T, b *faultBench) {
		w := b.watch()
		w.lives()
		idle := b.begin(Fault{Kind: KindNoPong})
		time.Sleep(time.Second)
		if e := idle.End(); e.Proven || e.Text != "0 client pings left unanswered" {
			t.Errorf("without a ping: %+v", e)
		}
		injection := b.begin(Fault{Kind: KindNoPong})
		pongs, trades := w.pongs.Load(), w.trades.Load()
		w.ping()
		time.Sleep(30 * time.Second)
		w.ping()
		time.Sleep(30 * time.Second)
		// Trades and the server's own pings go on.
		if got := w.trades.Load() - trades; got < 8000 || w.longest.Load() > int64(10*time.Millisecond) {
			t.Errorf("%d trades in a minute, up to %s late", got, time.Duration(w.longest.Load()))
		}
		if pings := b.server.open()[0].PingsSent; pings != 3 {
			t.Errorf("%d pings in a minute", pings)
		}
		proven(t, injection.End(), 1, "2 client pings left unanswered")
		if got := w.pongs.Load(); got != pongs {
			t.Errorf("%d pongs while it lasted", got-pongs)
		}
		w.lives()
		w.Close()
		b.record("", EndedByClient, "end of connection")
	})
}

func TestFaultStall(t *testing.T) {
	inVirtualTime(t, true, func(t *testing.T, b *faultBench) {
		w := b.watch()
		w.lives()
		injection := b.begin(Fault{Kind: KindStall})
		time.Sleep(10 * time.Millisecond) // what was on its way
		trades, pongs := w.trades.Load(), w.pongs.Load()
		// Longer than the pong timeout: the server doesn't close either.
		for range 10 {
			w.ping() // one too many a second, were they read
		}
		time.Sleep(100 * time.Second)
		if w.trades.Load() != trades || w.pongs.Load() != pongs || b.server.open()[0].PingsSent != 0 {
			t.Errorf("%d trades, %d pongs and %d pings while stalled", w.trades.Load()-trades, w.pongs.Load()-pongs, b.server.open()[0].PingsSent)
		}
		// A session opened meanwhile is not meant.
		fresh := b.watch()
		fresh.lives()
		fresh.Close()
		proven(t, injection.End(), 1, "bytes withheld for up to 1m40")
		// What was held back follows, without a hole, and the pings are answered.
		time.Sleep(10 * time.Second)
		if got := w.trades.Load() - trades; got < 15000 || w.pongs.Load() != pongs+10 {
			t.Errorf("%d trades and %d pongs after the stall", got, w.pongs.Load()-pongs)
		}
		w.longest.Store(0)
		w.lives()
		if longest := time.Duration(w.longest.Load()); longest > 10*time.Millisecond {
			t.Errorf("healed, a frame came %s late", longest)
		}
	})
}

// With nothing to withhold a stall has disturbed nobody.
func TestFaultStallUnproven(t *testing.T) {
	b := newFaultBench(t, Options{Source: newTestMarket(t, 0, "BTCUSDT")})
	b.watch()
	eventually(t, "a session", func() bool { return len(b.server.open()) == 1 })
	if e := b.begin(Fault{Kind: KindStall}).End(); e.Proven || e.Sessions != 1 || !strings.HasPrefix(e.Text, "0 bytes withheld") {
		t.Errorf("evidence %+v", e)
	}
}

// A client that gives up on a stalled session is cleared away at its end.
func TestFaultStallAbandoned(t *testing.T) {
	for _, secure := range []bool{false, true} {
		inVirtualTime(t, secure, func(t *testing.T, b *faultBench) {
			w := b.watch()
			w.lives()
			injection := b.begin(Fault{Kind: KindStall})
			time.Sleep(time.Second)
			w.Close()
			time.Sleep(time.Second)
			proven(t, injection.End(), 1, "bytes withheld for up to 2s")
			b.record(KindStall, EndedByClient, "")
			if status := b.server.status(); status.Sessions != 0 {
				t.Errorf("%d sessions left", status.Sessions)
			}
		})
	}
}

// A stalled session whose outbox ran over is cut when the stall ends: a hole
// in its trades would be worse.
func TestFaultStallOverflow(t *testing.T) {
	b := newFaultBench(t, Options{Source: newTestMarket(t, 300000, "BTCUSDT")})
	w := b.watch()
	eventually(t, "trades", func() bool { return w.trades.Load() > 10 })
	injection := b.begin(Fault{Kind: KindStall})
	behind := b.server.Ledger().Total()
	eventually(t, "more trades than an outbox holds", func() bool { return b.server.Ledger().Total()-behind > maxOutbox/100 })
	select {
	case err := <-w.end:
		t.Fatalf("ended while stalled: %v", err)
	default:
	}
	injection.End()
	w.ended()
	b.record(KindStall, EndedByServer, "too slow after a stall")
}

func TestFaultSlowFrames(t *testing.T) {
	inVirtualTime(t, false, func(t *testing.T, b *faultBench) {
		w := b.watch()
		w.lives()
		const delay = 2 * time.Second
		injection := b.begin(Fault{Kind: KindSlowFrames, Settings: map[string]string{"delay": delay.String()}})
		time.Sleep(delay)
		w.longest.Store(0)
		trades, published := w.trades.Load(), b.server.Ledger().Total()
		time.Sleep(100 * time.Second)
		if longest := time.Duration(w.longest.Load()); longest < delay || longest > delay*9/8 {
			t.Errorf("the latest frame came %s late", longest)
		}
		// Late, but as many as ever.
		if got, want := w.trades.Load()-trades, b.server.Ledger().Total()-published; got < want*9/10 {
			t.Errorf("%d of %d trades came through", got, want)
		}
		if e := injection.Evidence(); e.Sessions != 1 || !e.Ended.IsZero() {
			t.Errorf("evidence %+v", e)
		}
		proven(t, injection.End(), 1, "writes held back, the longest for 2.")
		time.Sleep(time.Second)
		w.longest.Store(0)
		w.lives()
		if longest := time.Duration(w.longest.Load()); longest > 10*time.Millisecond {
			t.Errorf("healed, a frame came %s late", longest)
		}
	})
}

func TestFaultSlowBytes(t *testing.T) {
	inVirtualTime(t, true, func(t *testing.T, b *faultBench) {
		w := b.watch()
		w.lives()
		const frame = 142 // bytes of a raw frame, about
		injection := b.begin(Fault{Kind: KindSlowBytes, Settings: map[string]string{"bytes_per_second": "2840"}})
		time.Sleep(time.Second)
		trades := w.trades.Load()
		time.Sleep(20 * time.Second)
		if got := w.trades.Load() - trades; got < 380 || got > 420 {
			t.Errorf("%d trades came through, want some %d", got, 20*2840/frame)
		}
		fresh := b.watch() // not meant
		fresh.lives()
		fresh.Close()
		proven(t, injection.End(), 1, "bytes trickled at 2840 a second; the longest wait of a frame so far was ")
		time.Sleep(10 * time.Second)
		if got := w.trades.Load() - trades; got < 3000 {
			t.Errorf("%d trades came after the end", got)
		}
		w.longest.Store(0)
		w.lives()
		if longest := time.Duration(w.longest.Load()); longest > 10*time.Millisecond {
			t.Errorf("healed, a frame came %s late", longest)
		}
	})
}

func TestFaultRefused(t *testing.T) {
	s := newTestServer(t, Options{Source: newTestMarket(t, 0, "BTCUSDT")})
	f := func(fault Fault, want string) {
		t.Helper()
		if _, err := s.Begin(fault); err == nil || err.Error() != want {
			t.Errorf("%+v: %v, want %s", fault, err, want)
		}
	}
	var names []string
	for _, kind := range Faults() {
		names = append(names, kind.Name)
	}
	f(Fault{Kind: "flood"}, `fault "flood" is none of `+strings.Join(names, ", "))
	for _, target := range []string{"some", "session:", "session:0", "share:0", "share:1.5", "stream:", "stream:a b"} {
		f(Fault{Kind: KindStall, Target: target}, `fault stall: target "`+target+`" is none of open, all, session:7, stream:btcusdt@trade, share:0.3`)
	}
	f(Fault{Kind: KindStall, For: -1}, "fault stall: for -1ns is negative")
	f(Fault{Kind: KindStall, Settings: map[string]string{"speed": "1"}}, `fault stall: it has no setting "speed"`)
	f(Fault{Kind: KindSlowBytes, Settings: map[string]string{"bytes_per_second": "0"}}, `fault slow-bytes: bytes_per_second "0" is not a whole number within 1 and 1073741824`)
	f(Fault{Kind: KindSlowFrames, Settings: map[string]string{"delay": "soon"}}, `fault slow-frames: delay "soon" is not a duration within 1ms and 1h0m0s`)
	f(Fault{Kind: KindClose, Settings: map[string]string{"code": "99"}}, `fault close: code "99" is not a whole number within 1000 and 4999`)
	f(Fault{Kind: KindSilentStream, Settings: map[string]string{"symbol": "XYZ"}}, `fault silent-stream: symbol "XYZ" is not one of this exchange`)
	f(Fault{Kind: KindGap, Settings: map[string]string{"every": "0"}}, `fault gap: every "0" is not a whole number within 1 and 1000000000`)
	f(Fault{Kind: KindGarble, Settings: map[string]string{"as": "noise"}}, `fault garble: as "noise" is none of [bad-utf8 binary extra-field malformed missing-field oversize truncated wrong-type zero-price]`)
	f(Fault{Kind: KindHalfOpen, Settings: map[string]string{"dead": "up"}}, `fault half-open: dead "up" is none of [out in]`)
	f(Fault{Kind: KindTLSCut}, `fault tls-cut: the server serves no TLS`)
	f(Fault{Kind: KindCertificate}, `fault certificate: the server serves no TLS`)
	f(Fault{Kind: KindHalt, For: time.Second}, `fault halt: the source of trades was not made with NewHalts`)
	f(Fault{Kind: KindHandshakeStatus, Settings: map[string]string{"status": "200"}}, `fault handshake-status: status "200" is not a whole number within 400 and 599`)
	first, err := s.Begin(Fault{Kind: KindStall})
	if err != nil {
		t.Fatal(err)
	}
	f(Fault{Kind: KindStall}, "fault stall: injection 1: one of this kind has not ended; give it a time to last, or end it")
	first.End()
	second, err := s.Begin(Fault{Kind: KindStall})
	if err != nil {
		t.Fatal(err)
	}
	s.Close()
	<-second.Done()
	f(Fault{Kind: KindReset}, "fault reset: the server is closed")
}

// The same seed cuts at the same moments, another seed at others.
func TestFaultSeed(t *testing.T) {
	draws := func(seed uint64) [8]float64 {
		var all [8]float64
		s := newTestServer(t, Options{Source: newTestMarket(t, 0, "BTCUSDT"), Seed: seed})
		defer s.Close()
		injection, err := s.Begin(Fault{Kind: KindReset, Target: TargetAll})
		if err != nil {
			t.Fatal(err)
		}
		for i := range all {
			all[i] = injection.draw.Float64()
		}
		return all
	}
	if draws(1) != draws(1) {
		t.Error("the same seed draws differently")
	}
	if draws(1) == draws(2) {
		t.Error("another seed draws the same")
	}
}
