package fakebinance

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"
)

const (
	// maxScenario bounds what is read of a scenario's text.
	maxScenario = 1 << 20
	// maxActs bounds how many faults it has: one a minute of a week.
	maxActs = 10_000
)

// settingTexts are the settings of a fault as JSON has them. A number or a
// boolean may go without quotes.
type settingTexts map[string]string

// UnmarshalJSON implements json.Unmarshaler.
func (s *settingTexts) UnmarshalJSON(b []byte) error {
	var raw map[string]json.RawMessage
	if err := json.Unmarshal(b, &raw); err != nil {
		return errors.New("settings are no object of names and values")
	}
	*s = make(settingTexts, len(raw))
	for name, value := range raw {
		var text string
		switch value[0] {
		case '"':
			if err := json.Unmarshal(value, &text); err != nil {
				return err
			}
		case '{', '[', 'n': // n as in null
			return fmt.Errorf("setting %s is %s, neither text nor number", name, value)
		default:
			text = string(value)
		}
		(*s)[name] = text
	}
	return nil
}

// Act is one fault of a scenario.
type Act struct {
	At time.Duration // since the scenario began
	Fault
}

// Scenario is trouble on a timetable: the same for everybody who plays it.
type Scenario struct{ Acts []Act } // in the order of their times

// ReadScenario reads a scenario: a JSON list of faults, as the control API takes
// them, each with the time at which it begins. Lines that begin with // or #
// are comments. It says all that is wrong with its form; what a server would
// refuse, [Server.CheckScenario] says.
//
//	[
//	  // the session ends, and then half of them see slow frames
//	  {"at": "10s", "kind": "reset"},
//	  {"at": "30s", "kind": "slow-frames", "target": "share:0.5", "for": "1m", "settings": {"delay": "3s"}}
//	]
func ReadScenario(r io.Reader) (Scenario, error) {
	whole, err := io.ReadAll(io.LimitReader(r, maxScenario))
	if err != nil {
		return Scenario{}, fmt.Errorf("read scenario: %w", err)
	}
	var text bytes.Buffer
	for line := range strings.Lines(string(whole)) {
		if bare := strings.TrimSpace(line); strings.HasPrefix(bare, "//") || strings.HasPrefix(bare, "#") {
			line = "\n" // lines keep their numbers
		}
		text.WriteString(line)
	}
	var rows []struct {
		At       string       `json:"at"`
		Kind     string       `json:"kind"`
		Target   string       `json:"target"`
		For      string       `json:"for"`
		Settings settingTexts `json:"settings"`
	}
	decode := json.NewDecoder(bytes.NewReader(text.Bytes()))
	decode.DisallowUnknownFields()
	if err := decode.Decode(&rows); err != nil {
		return Scenario{}, fmt.Errorf("read scenario: %s%w", lineOf(text.Bytes(), err), err)
	}
	if _, err := decode.Token(); err != io.EOF {
		return Scenario{}, errors.New("read scenario: it goes on after the list of faults")
	}
	if len(rows) > maxActs {
		return Scenario{}, fmt.Errorf("read scenario: it has %d faults, at most %d are possible", len(rows), maxActs)
	}
	var s Scenario
	var problems []error
	for i, row := range rows {
		act := Act{Fault: Fault{Kind: row.Kind, Target: row.Target, Settings: row.Settings}}
		for _, field := range []struct {
			name, text string
			into       *time.Duration
		}{{"at", row.At, &act.At}, {"for", row.For, &act.For}} {
			if field.text == "" {
				continue
			}
			d, err := time.ParseDuration(field.text)
			if err != nil || d < 0 {
				problems = append(problems, fmt.Errorf("fault %d: %s is %q, not a time such as 30s", i+1, field.name, field.text))
			}
			*field.into = d
		}
		s.Acts = append(s.Acts, act)
	}
	slices.SortStableFunc(s.Acts, func(a, b Act) int { return int(a.At - b.At) })
	return s, errors.Join(problems...)
}

// lineOf says in which line an error of encoding/json is, if that tells.
func lineOf(text []byte, err error) string {
	var offset int64
	var syntax *json.SyntaxError
	var form *json.UnmarshalTypeError
	switch {
	case errors.As(err, &syntax):
		offset = syntax.Offset
	case errors.As(err, &form):
		offset = form.Offset
	default:
		return ""
	}
	return fmt.Sprintf("line %d: ", 1+bytes.Count(text[:min(offset, int64(len(text)))], []byte("\n")))
}

// CheckScenario tells what Play could not begin.
func (s *Server) CheckScenario(scenario Scenario) error {
	var problems []error
	for _, act := range scenario.Acts {
		if err := s.Check(act.Fault); err != nil {
			problems = append(problems, fmt.Errorf("at %s: %w", act.At, err))
		}
	}
	return errors.Join(problems...)
}

// Play begins the faults of a scenario when their times have come, until the
// last one or ctx ends; it ends none that has begun. What cannot be begun, such
// as one of a kind that acts already, is told and left out.
func (s *Server) Play(ctx context.Context, scenario Scenario, told func(Act, error)) {
	began := time.Now()
	timer := time.NewTimer(0)
	defer timer.Stop()
	for _, act := range scenario.Acts {
		timer.Reset(time.Until(began.Add(act.At)))
		select {
		case <-ctx.Done():
			return
		case <-timer.C:
		}
		_, err := s.Begin(act.Fault)
		told(act, err)
	}
}
