package fakebinance

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/gorilla/websocket"
)

// rest asks REST and returns the body.
func (b *faultBench) rest(path string) string {
	b.t.Helper()
	_, body := getOver(b.t, b.server, b.network, path)
	return body
}

// dial opens a session, which may fail, and closes it.
func (b *faultBench) dial(patience time.Duration) error {
	dialer := websocket.Dialer{TLSClientConfig: trusting(b.t, b.server), HandshakeTimeout: patience}
	if b.network != nil {
		dialer.NetDialContext = b.network.Dial
	}
	conn, _, err := dialer.Dial(b.server.WebSocketURL()+"/ws/btcusdt@trade", nil)
	if err == nil {
		conn.Close()
	}
	return err
}

// testDoor begins a fault at the door: who is in goes on, who comes does not
// get in, who comes afterwards does.
func testDoor(t *testing.T, secure bool, f Fault, text string, check func(error) bool) {
	t.Helper()
	inVirtualTime(t, secure, func(t *testing.T, b *faultBench) {
		w := b.watch()
		w.lives()
		if idle := b.begin(f).End(); idle.Proven {
			t.Errorf("%s: proven without a connection: %s", f.Kind, idle.Text)
		}
		injection := b.begin(f)
		if err := b.dial(5 * time.Second); err == nil || !check(err) {
			t.Errorf("%s: dial: %v", f.Kind, err)
		}
		w.lives()
		e := injection.End()
		if !e.Proven || !strings.Contains(e.Text, text) {
			t.Errorf("%s: evidence %+v", f.Kind, e)
		}
		if err := b.dial(5 * time.Second); err != nil {
			t.Errorf("%s: healed: %v", f.Kind, err)
		}
		w.lives()
		w.Close()
		<-w.end
		time.Sleep(20 * time.Second) // what the fault held ends by itself
	})
}

func anyError(error) bool { return true }

func TestFaultRefuse(t *testing.T) {
	for _, secure := range []bool{false, true} {
		testDoor(t, secure, Fault{Kind: KindRefuse}, "1 connection refused", anyError)
		testDoor(t, secure, Fault{Kind: KindRefuse, Settings: map[string]string{"host": "127.0.0.1"}}, "1 connection refused", anyError)
	}
}

// One of two names of the exchange can be away alone.
func TestFaultRefuseHost(t *testing.T) {
	b := newFaultBench(t, Options{})
	_, port, _ := strings.Cut(strings.TrimPrefix(b.server.WebSocketURL(), "ws://"), ":")
	dial := func(host string) error {
		conn, _, err := websocket.DefaultDialer.Dial("ws://"+net.JoinHostPort(host, port)+"/ws/btcusdt@trade", nil)
		if err == nil {
			conn.Close()
		}
		return err
	}
	injection := b.begin(Fault{Kind: KindRefuse, Settings: map[string]string{"host": "localhost"}})
	if err := dial("localhost"); err == nil {
		t.Error("not refused by its name")
	}
	if err := dial("127.0.0.1"); err != nil {
		t.Errorf("refused by another name: %v", err)
	}
	if e := injection.End(); !e.Proven {
		t.Errorf("evidence %+v", e)
	}
}

func TestFaultMute(t *testing.T) {
	timeout := func(err error) bool {
		var late net.Error
		return errors.As(err, &late) && late.Timeout() || errors.Is(err, context.DeadlineExceeded)
	}
	for _, secure := range []bool{false, true} {
		testDoor(t, secure, Fault{Kind: KindMute}, "1 connection accepted without a word", timeout)
	}
}

func TestFaultTLSCut(t *testing.T) {
	testDoor(t, true, Fault{Kind: KindTLSCut}, "1 connection cut 100 bytes into the handshake", anyError)
}

// wrongCertificates are how a client refuses each.
var wrongCertificates = map[string]func(error) bool{
	CertificateSelfSigned:       isError[x509.UnknownAuthorityError],
	CertificateUnknownAuthority: isError[x509.UnknownAuthorityError],
	CertificateWrongName:        isError[x509.HostnameError],
	CertificateExpired: func(err error) bool {
		var invalid x509.CertificateInvalidError
		return errors.As(err, &invalid) && invalid.Reason == x509.Expired
	},
}

func isError[E error](err error) bool {
	var e E
	return errors.As(err, &e)
}

func TestFaultCertificate(t *testing.T) {
	for as, check := range wrongCertificates {
		testDoor(t, true, Fault{Kind: KindCertificate, Settings: map[string]string{"as": as}}, "1 connection shown a certificate that is "+as, check)
	}
}

// A server can have such a certificate from the start.
func TestCertificates(t *testing.T) {
	for as, check := range wrongCertificates {
		s := newTestServer(t, Options{Source: newTestMarket(t, 0, "BTCUSDT"), TLS: true, Certificate: as})
		conn, err := tls.Dial("tcp", strings.TrimPrefix(s.RESTURL(), "https://"), trusting(t, s))
		if err == nil {
			conn.Close()
		}
		if !check(err) {
			t.Errorf("%s: %v", as, err)
		}
	}
	source := newTestMarket(t, 0, "BTCUSDT")
	if _, err := New(Options{Source: source, TLS: true, Certificate: "odd"}); err == nil || !strings.Contains(err.Error(), `certificate "odd" is none of good, self-signed`) {
		t.Errorf("odd: %v", err)
	}
	if _, err := New(Options{Source: source, Certificate: CertificateExpired}); err == nil {
		t.Error("a certificate without TLS")
	}
}

// A certificate expires while the server runs: sessions go on, and no new one
// can be opened.
func TestCertificateExpires(t *testing.T) {
	inVirtualTime(t, true, func(t *testing.T, b *faultBench) {
		injection := b.begin(Fault{Kind: KindCertificate, Settings: map[string]string{"as": CertificateExpiring, "life": "1m"}})
		w := b.watch()
		w.lives()
		time.Sleep(2 * time.Minute)
		w.lives()
		if err := b.dial(5 * time.Second); !wrongCertificates[CertificateExpired](err) {
			t.Errorf("dial: %v", err)
		}
		injection.End()
		if err := b.dial(5 * time.Second); err != nil {
			t.Errorf("healed: %v", err)
		}
		w.Close()
		<-w.end
		time.Sleep(time.Second)
	})
}

func TestFaultRESTStatus(t *testing.T) {
	inVirtualTime(t, false, func(t *testing.T, b *faultBench) {
		w := b.watch()
		w.lives()
		for _, status := range []int{429, 418, 403, 451, 500, 504} {
			injection := b.begin(Fault{Kind: KindRESTStatus, Settings: map[string]string{"status": fmt.Sprint(status), "retry_after": "7"}})
			answer, _ := getOver(t, b.server, b.network, "/api/v3/ping")
			if answer.StatusCode != status || answer.Header.Get("Retry-After") != "7" {
				t.Errorf("answered %s with %v", answer.Status, answer.Header)
			}
			if err := b.dial(time.Second); err != nil {
				t.Errorf("a session is refused: %v", err)
			}
			if e := injection.End(); !e.Proven || e.Text != fmt.Sprintf("1 request answered with %d", status) {
				t.Errorf("evidence %+v", e)
			}
		}
		if got := b.rest("/api/v3/ping"); got != "{}" {
			t.Errorf("healed: %s", got)
		}
		w.lives()
		w.Close()
		<-w.end
		time.Sleep(time.Second)
	})
}

func TestFaultREST(t *testing.T) {
	inVirtualTime(t, false, func(t *testing.T, b *faultBench) {
		w := b.watch()
		time.Sleep(time.Minute)
		first := b.server.options.Source.FirstID("BTCUSDT")
		row := func(from int64) string {
			return b.rest(fmt.Sprintf("/api/v3/historicalTrades?symbol=BTCUSDT&fromId=%d&limit=1", from))
		}
		done := func(i *Injection, text string) {
			t.Helper()
			if e := i.End(); !e.Proven || e.Text != text {
				t.Errorf("evidence %+v, want %s", e, text)
			}
		}
		slow := b.begin(Fault{Kind: KindRESTSlow})
		began := time.Now()
		row(first)
		if took := time.Since(began); took < 5*time.Second || took > 6*time.Second {
			t.Errorf("answered after %s", took)
		}
		done(slow, "1 request answered 5s late")

		shift := b.begin(Fault{Kind: KindRESTShift})
		if got := row(first); !strings.Contains(got, fmt.Sprintf(`"id":%d,`, first+3)) {
			t.Errorf("shifted: %s", got)
		}
		done(shift, "1 request answered from 3 ids beside")
		if got := row(first); !strings.Contains(got, fmt.Sprintf(`"id":%d,`, first)) {
			t.Errorf("healed: %s", got)
		}

		lag := b.begin(Fault{Kind: KindRESTLag})
		last := b.server.ledger.lastID("BTCUSDT")
		time.Sleep(time.Minute)
		if got := row(last); !strings.Contains(got, fmt.Sprintf(`"id":%d,`, last)) {
			t.Errorf("what the history has: %s", got)
		}
		if got := row(last + 1); got != "[]" {
			t.Errorf("beyond its end: %s", got)
		}
		done(lag, "4 requests answered from a history that has ended")
		if got := row(last + 1); got == "[]" {
			t.Error("not healed")
		}

		clock := b.begin(Fault{Kind: KindClock, Settings: map[string]string{"by": "-90m"}})
		if got, want := b.rest("/api/v3/time"), fmt.Sprintf(`{"serverTime":%d`, time.Now().Add(-90*time.Minute).UnixMilli()/100); !strings.HasPrefix(got, want) {
			t.Errorf("the time is %s, want %s", got, want)
		}
		done(clock, "1 request answered with a clock that is off by -1h30m0s")
		w.lives()
		w.Close()
		<-w.end
		time.Sleep(time.Second)
	})
}

func TestFaultHalt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		source, err := NewHalts(newTestMarket(t, 200, "BTCUSDT", "ETHUSDT"))
		if err != nil {
			t.Fatal(err)
		}
		b := newVirtualBench(t, Options{Source: source})
		w := b.watch()
		w.lives()
		injection := b.begin(Fault{Kind: KindHalt, For: 10 * time.Second, Settings: map[string]string{"symbol": "BTCUSDT"}})
		time.Sleep(time.Second) // what was on its way
		trades, other := w.trades.Load(), b.server.ledger.lastID("ETHUSDT")
		time.Sleep(8 * time.Second)
		if status := b.rest("/api/v3/exchangeInfo?symbol=BTCUSDT"); !strings.Contains(status, `"status":"HALT"`) {
			t.Errorf("exchangeInfo says %s", status)
		}
		if got := w.trades.Load(); got != trades {
			t.Errorf("%d trades during the halt", got-trades)
		}
		if b.server.ledger.lastID("ETHUSDT") == other {
			t.Error("the other symbol was halted too")
		}
		<-injection.Done()
		if e := injection.Evidence(); !e.Proven || e.Text != "trading of BTCUSDT halted for 10s" {
			t.Errorf("evidence %+v", e)
		}
		w.lives() // and no id is missing, which watch looks at
	})
}

// All sessions at once, and none of them takes long.
func TestMassDisconnect(t *testing.T) {
	const sessions = 50
	b := newFaultBench(t, Options{})
	var all sync.WaitGroup
	for range sessions {
		w := b.watch()
		all.Go(func() { <-w.end })
	}
	eventually(t, "all sessions", func() bool { return len(b.server.open()) == sessions })
	proven(t, b.begin(Fault{Kind: KindReset}).End(), sessions, "50 sessions reset")
	all.Wait()
	for range sessions {
		b.record(KindReset, EndedByFault, "reset")
	}
}

func TestFaultHandshakeStatus(t *testing.T) {
	b := newFaultBench(t, Options{})
	w := b.watch()
	w.lives()
	injection := b.begin(Fault{Kind: KindHandshakeStatus, Settings: map[string]string{"status": "418", "retry_after": "120"}})
	_, answer, err := websocket.DefaultDialer.Dial(b.server.WebSocketURL()+"/ws/btcusdt@trade", nil)
	if !errors.Is(err, websocket.ErrBadHandshake) || answer.StatusCode != http.StatusTeapot || answer.Header.Get("Retry-After") != "120" {
		t.Errorf("the handshake gave %v, %+v", err, answer)
	}
	w.lives()
	e := injection.End()
	if !e.Proven || e.Text != "1 connection answered with 418" {
		t.Errorf("evidence %+v", e)
	}
	b.watch().lives()
	if idle := b.begin(Fault{Kind: KindHandshakeStatus}).End(); idle.Proven {
		t.Errorf("without a connection: %+v", idle)
	}
}
