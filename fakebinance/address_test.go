package fakebinance

import (
	"fmt"
	"net"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// What is remembered of addresses is bounded, and the least recent is forgotten.
func TestAddressesForget(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		rules := Switches{}
		if err := rules.complete(); err != nil {
			t.Fatal(err)
		}
		a := addresses{rules: &rules, limit: 1e6, known: make(map[string]*address)}
		for i := range maxAddresses + 10 {
			time.Sleep(time.Millisecond)
			a.spend(fmt.Sprint(i), 1)
		}
		if len(a.known) != maxAddresses {
			t.Errorf("%d addresses, want %d", len(a.known), maxAddresses)
		}
		if got := a.spend(fmt.Sprint(maxAddresses+9), 1).used; got != 2 {
			t.Errorf("the newest has used %d, want 2", got)
		}
		if got := a.spend("0", 1).used; got != 1 {
			t.Errorf("the oldest has used %d, want 1", got)
		}
	})
}

// One address pays for itself only.
func TestAddressesApart(t *testing.T) {
	rules := Switches{Connects: 1}
	if err := rules.complete(); err != nil {
		t.Fatal(err)
	}
	a := addresses{rules: &rules, limit: 1, known: make(map[string]*address)}
	for _, host := range []string{"10.0.0.1", "10.0.0.2"} {
		if met := a.connect(host); met.status != 0 {
			t.Errorf("%s: first connect %d", host, met.status)
		}
		if met := a.connect(host); met.status != 429 {
			t.Errorf("%s: second connect %d", host, met.status)
		}
		if b := a.spend(host, 1); b.status != 0 {
			t.Errorf("%s: %d", host, b.status)
		}
	}
}

// A ban grows to three days and no longer.
func TestBanGrows(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		rules := Switches{Ban: 1}
		if err := rules.complete(); err != nil {
			t.Fatal(err)
		}
		a := addresses{rules: &rules, limit: 0, known: make(map[string]*address)}
		var last time.Duration
		for i := range 40 {
			var b bill
			for b.status != 418 {
				b = a.spend("host", 1)
			}
			want := min(2*time.Minute<<min(i, 20), 72*time.Hour)
			if b.wait != want {
				t.Fatalf("ban %d lasts %s, want %s", i, b.wait, want)
			}
			last = b.wait
			time.Sleep(b.wait)
		}
		if last != 72*time.Hour {
			t.Errorf("the last ban is %s", last)
		}
	})
}

func TestSwitchesRefused(t *testing.T) {
	market := newTestMarket(t, 0, "BTCUSDT")
	f := func(w Switches, want string) {
		t.Helper()
		s, err := New(Options{Source: market, Switches: w})
		if err == nil {
			s.Close()
		}
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%+v: %v, want %q", w, err, want)
		}
	}
	f(Switches{Compress: 0.5}, "compress 0.5")
	f(Switches{Compress: 1e9}, "compress 1e+09")
	f(Switches{LifeNotice: -1}, "negative")
	f(Switches{LifeCode: 99}, "close code 99")
	f(Switches{ConnectStatus: 200}, "status 200")
	f(Switches{Status: map[string]string{"BTCUSDT": "ASLEEP"}}, `BTCUSDT has no status "ASLEEP"`)
	g := func(halt Halt, want string) {
		t.Helper()
		first := Halt{At: time.Unix(1000, 0), For: time.Hour}
		if _, err := NewHalts(market, first, halt); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%+v: %v, want %q", halt, err, want)
		}
	}
	g(Halt{At: time.Unix(2000, 0), For: time.Second}, "the one before lasts")
	g(Halt{At: time.Unix(9000, 0)}, "it lasts 0s")
	g(Halt{Symbol: "ETHUSDT", At: time.Unix(9000, 0), For: 1}, "no such symbol")
	g(Halt{At: time.Unix(9000, 0), For: 1, Status: "ASLEEP"}, "no status")
}

func TestHostOfIPv6(t *testing.T) {
	if host := hostOf((&net.TCPAddr{IP: net.IPv6loopback, Port: 1}).String()); host != "::1" {
		t.Errorf("host %s", host)
	}
}
