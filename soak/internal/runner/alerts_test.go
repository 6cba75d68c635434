package runner

import (
	"fmt"
	"testing"
	"time"

	"steadfeed/soak"
)

// An alert is one from its first look to the look that misses it; the book has
// an end.
func TestAlertBook(t *testing.T) {
	began := time.Date(2026, 7, 1, 12, 0, 0, 0, time.UTC)
	alert := func(symbol string, at time.Duration) soak.Alert {
		return soak.Alert{Name: "BinanceTradesLost", Labels: map[string]string{"symbol": symbol}, Began: began.Add(at)}
	}
	b := &alertBook{firing: map[string]int{}}
	f := func(at time.Duration, starts, ends int, firing ...soak.Alert) {
		t.Helper()
		s, e := b.take(firing, began.Add(at))
		if len(s) != starts || len(e) != ends {
			t.Errorf("at %s %v began and %v ended, want %d and %d", at, s, e, starts, ends)
		}
	}
	f(0, 1, 0, alert("BTCUSDT", 0))
	f(5*time.Second, 1, 0, alert("ETHUSDT", 5*time.Second), alert("BTCUSDT", 5*time.Second))
	f(10*time.Second, 0, 1, alert("ETHUSDT", 10*time.Second))
	f(15*time.Second, 1, 1, alert("BTCUSDT", 15*time.Second)) // it fires again: another alert
	if got := b.Fired[0]; len(b.Fired) != 3 || !got.Began.Equal(began) || !got.Ended.Equal(began.Add(10*time.Second)) || !b.Fired[2].Ended.IsZero() {
		t.Errorf("fired %+v", b.Fired)
	}
	for i := range 2 * soak.MaxAlerts {
		b.take([]soak.Alert{alert(fmt.Sprint(i), time.Minute)}, began.Add(time.Minute))
	}
	if len(b.Fired) != soak.MaxAlerts || b.Omitted != soak.MaxAlerts+3 || len(b.firing) != 1 {
		t.Errorf("%d fired, %d omitted, %d fire now", len(b.Fired), b.Omitted, len(b.firing))
	}
}
