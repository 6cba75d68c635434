package leak

import (
	"testing"
	"time"

	"steadfeed/soak"
)

// What each event retains shows twice, whether readings or events are closer.
func TestPerEvent(t *testing.T) {
	f := func(what string, every, pace time.Duration, retained float64, least int) {
		t.Helper()
		var samples []soak.Sample
		var events []time.Time
		for at := pace; at < 30*time.Minute; at += pace {
			events = append(events, born.Add(at))
		}
		for at := time.Duration(0); at < 30*time.Minute; at += every {
			noise := 1e5 * float64(len(samples)%5)
			samples = append(samples, soak.Sample{At: born.Add(at), HeapLiveBytes: int64(8e6 + noise + retained*float64(at/pace))})
		}
		g, ok := PerEvent(samples, events, 30*time.Minute)
		if !ok || g.Low > 2*retained || g.High < 2*retained || g.Bytes < 1.8*retained || g.Bytes > 2.2*retained+1e3 {
			t.Errorf("%s: %+v, %v; want %.0f", what, g, ok, 2*retained)
		}
		if g.Levels < least {
			t.Errorf("%s: %d levels", what, g.Levels)
		}
	}
	f("a reading a second, an event in 20 s", time.Second, 20*time.Second, 1e5, 80)
	f("nothing retained", time.Second, 20*time.Second, 0, 80)
	f("as many readings as events", 20*time.Second, 20*time.Second, 1e5, 25)
	f("three events between two readings", time.Minute, 20*time.Second, 1e5, 8)
}

func TestPerEventOfTooLittle(t *testing.T) {
	f := func(what string, samples []soak.Sample, events int) {
		t.Helper()
		var at []time.Time
		for i := range events {
			at = append(at, born.Add(time.Duration(i+1)*20*time.Second))
		}
		if g, ok := PerEvent(samples, at, 10*time.Minute); ok {
			t.Errorf("%s was enough: %+v", what, g)
		}
	}
	var blind, seeing, still []soak.Sample
	for i := range 600 {
		s := soak.Sample{At: born.Add(time.Duration(i) * time.Second)}
		blind = append(blind, s)
		s.HeapLiveBytes = 8e6
		still = append(still, s)
		s.HeapLiveBytes = 8e6 + int64(i%3)*1e5
		seeing = append(seeing, s)
	}
	f("no event", seeing, 0)
	f("one event", seeing, 1)
	f("no reading", nil, 20)
	f("no collection between any two", still, 20)
	f("a subject that does not expose its live heap", blind, 20)
	if _, ok := PerEvent(seeing, []time.Time{born.Add(20 * time.Second), born.Add(40 * time.Second)}, 10*time.Minute); !ok {
		t.Error("two events were not enough")
	}
}
