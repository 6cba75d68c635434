package judge

import (
	"strings"
	"testing"
	"time"

	"steadfeed/soak"
)

// Each injection fires the alert that it names and nothing else fires; what
// was not watched proves nothing.
func TestAlerts(t *testing.T) {
	at := func(seconds int) time.Time {
		return time.Date(2026, 7, 1, 12, 0, 0, 0, time.UTC).Add(time.Duration(seconds) * time.Second)
	}
	injection := func(name string, began, ended int, must, may []string) soak.Injection {
		return soak.Injection{Name: name, Began: at(began), Ended: at(ended), Proven: true, Alerts: must,
			Disturbance: soak.Disturbance{Settle: soak.Duration(8 * time.Second), Alerts: may}}
	}
	pong := []string{"BinancePongTimeout"}
	rules := []string{"BinanceDisconnected", "BinancePongTimeout"}
	plan := []soak.Injection{
		injection("1-no-pong", 100, 160, pong, nil),
		injection("2-stall", 300, 340, nil, pong),
		injection("3-no-pong", 400, 460, pong, nil),
		injection("4-reset", 2000, 2001, nil, nil),
	}
	fired := func(name string, began, ended int) soak.Alert {
		a := soak.Alert{Name: name, Began: at(began)}
		if ended > 0 {
			a.Ended = at(ended)
		}
		return a
	}
	f := func(what string, alerts *soak.Alerts, expected, unexpected soak.Outcome, why string) {
		t.Helper()
		e := &Evidence{Plan: soak.Plan{Injections: plan}, Alerts: alerts}
		zero := 0.0
		var said string
		for id, want := range map[string]soak.Outcome{"alerts.expected": expected, "alerts.unexpected": unexpected} {
			c, _ := find(id)
			check := apply(e, c, soak.Limit{ID: id, Role: soak.Gate, Max: &zero, Unit: "alerts"})
			said += check.Why + "\n"
			if check.Outcome != want {
				t.Errorf("%s: %s is %s, want %s: %s", what, id, check.Outcome, want, check.Why)
			}
		}
		if !strings.Contains(said, why) {
			t.Errorf("%s: said %q, want %q", what, said, why)
		}
	}
	good := []soak.Alert{fired("BinancePongTimeout", 165, 770)}
	f("one alert spans all injections", &soak.Alerts{Rules: rules, Looks: 100, Fired: good}, soak.Pass, soak.Pass, "all 2 that injections name fired")
	f("it ended before the third", &soak.Alerts{Rules: rules, Looks: 100, Fired: []soak.Alert{fired("BinancePongTimeout", 165, 390)}},
		soak.Fail, soak.Pass, "BinancePongTimeout did not fire for 3-no-pong")
	f("again, by the stall and by the third", &soak.Alerts{Rules: rules, Looks: 100,
		Fired: []soak.Alert{fired("BinancePongTimeout", 165, 290), fired("BinancePongTimeout", 345, 390), fired("BinancePongTimeout", 470, 0)}}, soak.Pass, soak.Pass, "3 fired, each by an injection")
	f("never", &soak.Alerts{Rules: rules, Looks: 100}, soak.Fail, soak.Pass, "did not fire for 1-no-pong")
	f("no such rule", &soak.Alerts{Rules: rules[:1], Looks: 100}, soak.Fail, soak.Pass, "there is no such rule")
	f("one that no injection names", &soak.Alerts{Rules: rules, Looks: 100, Fired: append(good, fired("BinanceDisconnected", 2005, 0))},
		soak.Pass, soak.Fail, "BinanceDisconnected fired at 12:33:25")
	f("the right one at the wrong time", &soak.Alerts{Rules: rules, Looks: 100, Fired: append(good, fired("BinancePongTimeout", 2005, 0))},
		soak.Pass, soak.Fail, "no injection of that time names it")
	f("too many to remember", &soak.Alerts{Rules: rules, Looks: 100, Fired: good, Omitted: 1}, soak.Pass, soak.Fail, "")
	f("nobody watched", nil, soak.Inconclusive, soak.Inconclusive, "nobody watched")
	f("Prometheus was away", &soak.Alerts{Rules: rules, Looks: 100, Missed: 6, Fired: good}, soak.Inconclusive, soak.Inconclusive, "did not answer 6 of 100 times")
}
