package runner

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"steadfeed/soak"
)

// alertsEvery is how often Prometheus is asked: as often as it looks itself.
const alertsEvery = 5 * time.Second

// alertBook is what became of the alerts so far.
type alertBook struct {
	soak.Alerts
	firing map[string]int // index in Fired, by name and labels; those beyond MaxAlerts have -1
}

// watchAlerts asks the Prometheus of the run which alerts fire, until ctx ends
// or the subject is asked to end. One that does not answer costs a look, and
// the checks of alerts when it is too many.
func (r *run) watchAlerts(ctx context.Context) error {
	if r.bed.Prometheus == nil {
		return nil
	}
	book := &alertBook{Alerts: soak.Alerts{Rules: []string{}, Fired: []soak.Alert{}}, firing: map[string]int{}}
	defer func() { r.alerts = &book.Alerts }()
	ticker := time.NewTicker(alertsEvery)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-ticker.C:
		}
		if r.exitExpected() {
			return nil // a subject that is gone fires what it would rightly fire
		}
		book.Looks++
		rules, firing, err := r.bed.Prometheus.Alerts(ctx)
		if err != nil {
			if book.Missed++; book.Missed == 1 {
				r.event(soak.EventHarness, "prometheus", "not known which alerts fire: "+err.Error(), nil)
			}
			continue
		}
		book.Rules = rules
		began, ended := book.take(firing, time.Now().UTC())
		for _, a := range began {
			r.event(soak.EventAlert, a.Name, "fires", a.Labels)
		}
		for _, a := range ended {
			r.event(soak.EventAlert, a.Name, fmt.Sprintf("fired for %s", a.Ended.Sub(a.Began).Round(time.Second)), a.Labels)
		}
	}
}

// take notes which alerts fire now and returns those that began and ended
// since the last look, as far as the book remembers them.
func (b *alertBook) take(firing []soak.Alert, now time.Time) (began, ended []soak.Alert) {
	seen := map[string]bool{}
	for _, a := range firing {
		key := alertKey(a)
		seen[key] = true
		if _, known := b.firing[key]; known {
			continue
		}
		if len(b.Fired) == soak.MaxAlerts {
			b.Omitted++
			b.firing[key] = -1
			continue
		}
		b.firing[key] = len(b.Fired)
		b.Fired = append(b.Fired, a)
		began = append(began, a)
	}
	for key, i := range b.firing {
		if seen[key] {
			continue
		}
		delete(b.firing, key)
		if i >= 0 {
			b.Fired[i].Ended = now
			ended = append(ended, b.Fired[i])
		}
	}
	slices.SortFunc(ended, func(x, y soak.Alert) int { return strings.Compare(alertKey(x), alertKey(y)) })
	return began, ended
}

func alertKey(a soak.Alert) string {
	var key strings.Builder
	key.WriteString(a.Name)
	for _, name := range slices.Sorted(maps.Keys(a.Labels)) {
		fmt.Fprintf(&key, " %s=%q", name, a.Labels[name])
	}
	return key.String()
}
