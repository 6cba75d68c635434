package fakebinance

import (
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"
)

func TestControl(t *testing.T) {
	s := newTestServer(t, Options{Source: newTestMarket(t, 1000, "BTCUSDT", "ETHUSDT")})
	control := httptest.NewServer(s.Control())
	defer control.Close()
	client, ctx := NewClient(control.URL+"/"), t.Context()

	status, err := client.Status(ctx)
	if err != nil || status.Publishing || status.Sessions != 0 || status.WebSocketURL != s.WebSocketURL() || !strings.HasPrefix(status.Source, "market seed=7 ") {
		t.Errorf("before the start: %+v, %v", status, err)
	}
	s.Start()
	c := dial(t, s, "/stream?streams=btcusdt@trade/ethusdt@trade")
	for range 100 {
		c.next()
	}
	status, err = client.Status(ctx)
	if err != nil || !status.Publishing || status.Sessions != 1 || status.Streams != 2 || status.Published < 100 || status.Rate <= 0 {
		t.Errorf("with a session: %+v, %v", status, err)
	}

	kinds, injections, err := client.Faults(ctx)
	if err != nil || len(kinds) != len(faultKinds) || len(injections) != 0 {
		t.Errorf("faults %v, %v, %v", kinds, injections, err)
	}
	begun, err := client.Begin(ctx, Fault{Kind: KindStall, For: time.Hour})
	if err != nil || begun.N != 1 || !begun.Active || begun.Target != TargetOpen || begun.For != "1h0m0s" || begun.Evidence.Sessions != 1 {
		t.Fatalf("begun %+v, %v", begun, err)
	}
	if _, err := client.Begin(ctx, Fault{Kind: KindStall}); err == nil || err.Error() != "control POST /faults: fault stall: injection 1: one of this kind has not ended; give it a time to last, or end it" {
		t.Errorf("a second stall: %v", err)
	}
	eventually(t, "bytes withheld", func() bool {
		seen, err := client.Injection(ctx, 1)
		return err == nil && seen.Active && seen.Evidence.Proven
	})
	ended, err := client.End(ctx, 1)
	if err != nil || ended.Active || !ended.Evidence.Proven || ended.Evidence.Ended.IsZero() {
		t.Errorf("ended %+v, %v", ended, err)
	}
	if _, err := client.End(ctx, 2); err == nil || err.Error() != `control DELETE /faults/2: no injection "2"` {
		t.Errorf("no such injection: %v", err)
	}
	if _, err := client.Begin(ctx, Fault{Kind: "flood"}); err == nil || !strings.Contains(err.Error(), `fault "flood" is none of`) {
		t.Errorf("no such fault: %v", err)
	}
	if _, injections, err = client.Faults(ctx); err != nil || len(injections) != 1 {
		t.Errorf("injections %v, %v", injections, err)
	}

	if status, err = client.Stop(ctx); err != nil || status.Publishing {
		t.Errorf("stopped %+v, %v", status, err)
	}
	ledger, err := client.Ledger(ctx)
	if err != nil || len(ledger.Sessions) != 1 || len(ledger.Symbols) != 2 || ledger.Published != s.Ledger().Total() {
		t.Errorf("ledger %+v, %v", ledger, err)
	}
	first, last, _ := s.Ledger().Published("ETHUSDT")
	if want := (SymbolStatus{"ETHUSDT", first, last}); ledger.Symbols[1] != want {
		t.Errorf("%+v, want %+v", ledger.Symbols[1], want)
	}
}

// What curl sends by mistake is answered with a sentence.
func TestControlRefuses(t *testing.T) {
	s := newTestServer(t, Options{Source: newTestMarket(t, 0, "BTCUSDT")})
	control := httptest.NewServer(s.Control())
	defer control.Close()
	f := func(body string, status int, want string) {
		t.Helper()
		response, err := http.Post(control.URL+"/faults", "application/json", strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		defer response.Body.Close()
		answer, err := io.ReadAll(response.Body)
		if err != nil || response.StatusCode != status || !strings.Contains(string(answer), want) {
			t.Errorf("%s: %d %s, %v; want %d %s", body, response.StatusCode, answer, err, status, want)
		}
	}
	f("", 400, "read fault: the body is empty")
	f(`{"kind":"stall","fro":"1s"}`, 400, `read fault: json: unknown field \"fro\"`)
	f(`{"kind":"stall","for":"soon"}`, 400, `read fault: for: time: invalid duration \"soon\"`)
	f(`{"kind":"close","settings":{"code":{}}}`, 400, `read fault: setting code is {}, neither text nor number`)
	f(`{"kind":"close","settings":["code"]}`, 400, `read fault: settings are no object`)
	f(`{"kind":"close","settings":{"code":1008}}`, 201, `"code":"1008"`)
	f(`{"kind":"stall","for":"1h"}`, 201, `"active":true`)
	f(`{"kind":"stall"}`, 409, "has not ended")
	http.DefaultClient.CloseIdleConnections()
}
