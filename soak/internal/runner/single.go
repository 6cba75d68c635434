package runner

import (
	"bufio"
	"cmp"
	"encoding/json"
	"fmt"
	"math"
	"net"
	"os"
	"path/filepath"
	"strings"
	"time"

	"steadfeed/fakebinance"
	"steadfeed/soak"
	"steadfeed/soak/internal/fault"
	"steadfeed/soak/internal/testbed"
)

// Timetable of a run of one fault.
const (
	singleWarmUp = 20 * time.Second
	singleCalm   = 30 * time.Second
	singleRate   = 5 // trades a second and symbol
)

// singleCommit is in every pause of the table.
const singleCommit = 500 * time.Millisecond

// singlePrefix begins the names of the plans of one fault.
const singlePrefix = "fault-"

// SinglePlan is a plan in virtual time that does one fault and nothing else.
func SinglePlan(c fault.Case, seed uint64) (soak.Plan, error) {
	in := c.Injection
	in.At = soak.Duration(singleWarmUp)
	plan := soak.Plan{
		Name:    singlePrefix + strings.Join(strings.FieldsFunc(c.Name, func(r rune) bool { return r == ' ' || r == ',' }), "-"),
		About:   "One fault and nothing else: " + c.Name + ".",
		Seed:    seed,
		Virtual: true,
		Symbols: []string{"BTCUSDT", "ETHUSDT", "BNBUSDT"},
		Traffic: soak.Traffic{Rate: cmp.Or(c.Rate, singleRate)},
		Subject: soak.Subject{Name: "streamer", Command: []string{"streamer"}, TimeUnit: "microsecond", Settings: map[string]string{
			// As in the long virtual plans: what costs is each request.
			"STREAMER_PARTITIONS": "1", "STREAMER_COMMIT_INTERVAL": singleCommit.String(),
			"STREAMER_HEARTBEAT_INTERVAL": "10s", "STREAMER_SESSION_TIMEOUT": "45s",
		}},
		Phases: []soak.Phase{
			{Name: soak.PhaseWarmUp, For: soak.Duration(singleWarmUp)},
			{Name: soak.PhaseChaos, For: in.For + in.Disturbance.Settle, Chaos: true},
			{Name: soak.PhaseCalm, For: soak.Duration(singleCalm)},
		},
		Injections:  []soak.Injection{in},
		SampleEvery: soak.Duration(time.Second),
		DrainWithin: soak.Duration(5 * time.Minute),
		Limits:      virtualLimits(),
	}
	for n := range c.Symbols {
		plan.Symbols = append(plan.Symbols, fmt.Sprintf("SYM%04dUSDT", n))
	}
	if len(c.Hosts) > 0 {
		urls := make([]string, len(c.Hosts))
		for i, host := range c.Hosts {
			urls[i] = "wss://" + net.JoinHostPort(host, testbed.VirtualPort)
		}
		plan.Subject.Settings["STREAMER_WS_URL"] = strings.Join(urls, ",")
	}
	const alone = "a run of one fault shows what becomes of it, in a table; the plans judge it"
	for i, limit := range plan.Limits {
		if limit.Role == soak.Gate && !strings.HasPrefix(limit.ID, "delivery.") && !strings.HasPrefix(limit.ID, "validity.") {
			plan.Limits[i] = reported(limit.ID, limit.Unit, alone)
		}
	}
	return plan, Validate(plan)
}

// Single is what one fault did, read from its run directory.
type Single struct {
	Case       string
	Proven     bool
	Evidence   string
	Detected   time.Duration // from its beginning to the first thing that the subject did about it; negative: nothing
	By         string        // what that was
	Pause      time.Duration // longest time that a due trade was invisible
	Repaired   time.Duration // from its end until trades were fresh for good
	CaughtUp   bool
	Published  int64
	Lost       int64
	Declared   int64 // of the lost, those that the subject declared, with their ids
	Duplicate  int64
	Disordered int64
	Altered    int64
	Avoidable  bool // a loss would be: the fault leaves every trade in REST
	Trouble    string
}

// Good tells whether every trade that anybody could have is there once, in
// order and unaltered, and every other is declared lost, no more and no less.
func (s Single) Good() bool {
	return s.Trouble == "" && s.Proven && s.CaughtUp && s.Published > 0 && s.Lost == s.Declared && !(s.Avoidable && s.Lost > 0) && s.Duplicate+s.Disordered+s.Altered == 0
}

// reactions are the counters of a subject that show that it noticed something.
var reactions = []string{
	"binance_message_errors_total", "binance_reconnects_total", "binance_connection_errors_total", "binance_connection_rotations_total",
	"binance_pong_timeouts_total", "binance_trade_gaps_total", "binance_trades_backfilled_total", "binance_trades_lost_total",
	"binance_trades_duplicate_total",
}

// ReadSingle reads the run of one fault.
func ReadSingle(dir *soak.Run) (Single, error) {
	plan := dir.Plan()
	s := Single{Case: strings.TrimPrefix(plan.Name, singlePrefix), Detected: -1}
	if len(plan.Injections) != 1 {
		return s, fmt.Errorf("run %s has %d injections, not one", dir.ID(), len(plan.Injections))
	}
	in := plan.Injections[0]
	s.Proven, s.Evidence, s.Trouble = in.Proven, in.Evidence, in.Err
	s.Avoidable = in.Fault != fakebinance.KindLost
	course, err := dir.ReadCourse()
	if err != nil {
		return s, err
	}
	if s.Trouble == "" {
		s.Trouble = course.Trouble
	}
	ledger, err := dir.ReadLedger()
	if err != nil {
		return s, err
	}
	for _, a := range ledger.Accounts {
		s.Published += a.Published
		s.Lost += a.Lost
		s.Duplicate += a.Duplicate
		s.Disordered += a.Disordered
		s.Altered += a.Altered
	}
	if len(ledger.Windows) == 1 {
		w := ledger.Windows[0]
		s.Pause, s.Repaired, s.CaughtUp = seconds(w.LongestPause), seconds(w.CatchUp), w.CaughtUp
	}
	if s.Declared, err = declared(dir, ledger.Findings); err != nil {
		return s, err
	}
	return s, s.detect(dir, in, ledger.Sessions)
}

func seconds(s float64) time.Duration { return time.Duration(math.Round(s*1000)) * time.Millisecond }

// detect looks for the first reaction: a session opened or closed by the
// subject, as the exchange saw it, or a counter that rose, within the second.
func (s *Single) detect(dir *soak.Run, in soak.Injection, sessions []soak.Session) error {
	note := func(at time.Time, by string) {
		if after := at.Sub(in.Began); after >= 0 && (s.Detected < 0 || after < s.Detected) {
			s.Detected, s.By = after, by
		}
	}
	for _, session := range sessions {
		if session.Opened.After(in.Began) {
			note(session.Opened, "new session")
		}
		if session.EndedBy == "client" && session.Closed.After(in.Began) && session.Opened.Before(in.Began) && session.Closed.Before(in.Ended.Add(in.Disturbance.Settle.D())) {
			note(session.Closed, "session given up")
		}
	}
	var before map[string]float64
	for sample, err := range dir.Samples() {
		if err != nil {
			return err
		}
		if sample.MetricsErr != "" {
			continue
		}
		if sample.At.After(in.Began) && before != nil {
			for _, name := range reactions {
				if sample.Counters[name] > before[name] {
					note(sample.At, strings.TrimSuffix(strings.TrimPrefix(name, "binance_"), "_total"))
				}
			}
			if s.Detected >= 0 && sample.At.Sub(in.Began) >= s.Detected {
				return nil
			}
		} else {
			before = sample.Counters
		}
	}
	return nil
}

// declared counts the trades that the subject's log declares lost: so many of a
// range of ids, which must be the auditor's own findings in that range.
func declared(dir *soak.Run, findings []soak.Finding) (count int64, err error) {
	file, err := os.Open(filepath.Join(dir.Dir(), soak.LogsDir, "streamer.log"))
	if err != nil {
		return 0, err
	}
	defer file.Close()
	lines := bufio.NewScanner(file)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		var line struct {
			Text   string `json:"msg"`
			Symbol string `json:"symbol"`
			First  int64  `json:"first_id"`
			Last   int64  `json:"last_id"`
			Trades int64  `json:"trades"` // missing between the two
		}
		if json.Unmarshal(lines.Bytes(), &line) != nil || !strings.HasPrefix(line.Text, "trades lost") {
			continue
		}
		var lost int64
		for _, f := range findings {
			if f.Guarantee == soak.Complete && f.Symbol == line.Symbol {
				lost += max(0, min(f.LastID, line.Last)-max(f.FirstID, line.First)+1)
			}
		}
		if lost != line.Trades {
			return -1, nil // declared lost and delivered, or lost and not declared
		}
		count += lost
	}
	return count, lines.Err()
}
