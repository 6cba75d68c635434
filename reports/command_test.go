package reports

import (
	"testing"
	"time"

	"steadfeed/soak"
)

// The command of a page does the run again, whatever it was.
func TestRepetition(t *testing.T) {
	f := func(want string, change func(*soak.Plan)) {
		t.Helper()
		plan := soak.Plan{Name: "smoke", Seed: 7, Symbols: []string{"BTCUSDT", "ETHUSDT"}, Traffic: soak.Traffic{Rate: 50}, Subject: soak.Subject{Command: []string{"bin/streamer"}}}
		change(&plan)
		if _, got := repetition(plan, "runs/1"); got != want {
			t.Errorf("%s\nwant %s", got, want)
		}
	}
	f("bin/soak run -seed 7 -rate 50 -subject bin/streamer smoke", func(*soak.Plan) {})
	f("bin/soak run -seed 7 -capture trades.ndjson -speed 2 -subject bin/streamer smoke", func(p *soak.Plan) {
		p.Traffic = soak.Traffic{Capture: "trades.ndjson", Speed: 2}
	})
	f("bin/soak run -seed 7 -rate 50 -scale 6 -brokers 3 -criteria strict -subject 'steadfeed/canary:dev lost' soak-1h", func(p *soak.Plan) {
		p.Name, p.Scale, p.Criteria, p.Containers = "soak-1h", 6, soak.CriteriaStrict, &soak.Containers{Brokers: 3}
		p.Subject.Command = []string{"steadfeed/canary:dev", "lost"}
	})
	f("bin/soak sim -schedule runs/1/plan.json", func(p *soak.Plan) { p.Name, p.Virtual = "month", true })
	f("bin/soak rounds -seed 7 -rate 100 -symbols 2 -subject bin/streamer", func(p *soak.Plan) { p.Name = "rounds" })
	f("bin/soak deploy -seed 7 -rate 100 -symbols 2 -subject steadfeed/streamer:dev", func(p *soak.Plan) {
		p.Name, p.Subject.Command = "deploy", []string{"steadfeed/streamer:dev"}
	})
	f("bin/soak audit -seed 7 -brokers 'a:9092,b:9092' -topic trades -format json -id-field t -since 1h0m0s -rest-url none -sample 5", func(p *soak.Plan) {
		p.Topic = &soak.Topic{Brokers: []string{"a:9092", "b:9092"}, Name: "trades", Format: "json", Fields: map[string]string{"id": "t"}, Since: soak.Duration(time.Hour), Sample: 5}
	})
}
