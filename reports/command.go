package reports

import (
	"maps"
	"slices"
	"strconv"
	"strings"

	"steadfeed/soak"
)

// repetition is the command that does a run again, and what of it is the same.
func repetition(plan soak.Plan, dir string) (what, command string) {
	what = "The same traffic and the same injections"
	switch {
	case plan.Topic != nil:
		return "The same topic and the same sample", auditCommand(plan)
	case plan.Virtual:
		return what, "bin/soak sim -schedule " + quote(dir+"/"+soak.PlanFile)
	case plan.InRounds():
		return "The same traffic; what was played is in rounds.json", roundsCommand(plan)
	default:
		return what, runCommand(plan)
	}
}

func runCommand(plan soak.Plan) string {
	c := commandLine("bin/soak run")
	c.add("-seed", strconv.FormatUint(plan.Seed, 10))
	if t := plan.Traffic; t.Capture != "" {
		c.add("-capture", t.Capture)
		if t.Speed != 0 && t.Speed != 1 {
			c.add("-speed", plain(t.Speed))
		}
	} else {
		c.add("-rate", plain(t.Rate))
	}
	if plan.Scale > 1 {
		c.add("-scale", strconv.Itoa(plan.Scale))
	}
	if plan.Containers != nil && plan.Containers.Brokers > 1 {
		c.add("-brokers", strconv.Itoa(plan.Containers.Brokers))
	}
	if plan.Criteria != "" && plan.Criteria != soak.CriteriaSeed {
		c.add("-criteria", plan.Criteria)
	}
	c.add("-subject", strings.Join(plan.Subject.Command, " "))
	return string(c) + " " + quote(plan.Name)
}

func roundsCommand(plan soak.Plan) string {
	c := commandLine("bin/soak " + plan.Name)
	c.add("-seed", strconv.FormatUint(plan.Seed, 10))
	c.add("-rate", plain(plan.Traffic.Rate*float64(len(plan.Symbols))))
	c.add("-symbols", strconv.Itoa(len(plan.Symbols)))
	c.add("-subject", strings.Join(plan.Subject.Command, " "))
	return string(c)
}

// auditCommand repeats an audit, but for what is secret.
func auditCommand(plan soak.Plan) string {
	t := plan.Topic
	c := commandLine("bin/soak audit")
	c.add("-seed", strconv.FormatUint(plan.Seed, 10))
	c.add("-brokers", strings.Join(t.Brokers, ","))
	c.add("-topic", t.Name)
	c.add("-schema-registry-url", t.Registry)
	c.add("-format", t.Format)
	for _, name := range slices.Sorted(maps.Keys(t.Fields)) {
		c.add("-"+name+"-field", t.Fields[name])
	}
	if t.Since > 0 {
		c.add("-since", t.Since.String())
	}
	if t.REST == "" {
		c.add("-rest-url", "none")
	}
	c.add("-rest-url", t.REST)
	c.add("-sample", strconv.Itoa(t.Sample))
	return string(c)
}

// commandLine is a command with flags.
type commandLine string

// add adds a flag that has a value.
func (c *commandLine) add(flag, value string) {
	if value != "" {
		*c += commandLine(" " + flag + " " + quote(value))
	}
}

func plain(v float64) string { return strconv.FormatFloat(v, 'g', -1, 64) }

// quote makes a word of a command safe to paste into a shell.
func quote(word string) string {
	harmless := func(r rune) bool {
		return r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || strings.ContainsRune("-_./:=@", r)
	}
	if word != "" && strings.IndexFunc(word, func(r rune) bool { return !harmless(r) }) < 0 {
		return word
	}
	return "'" + strings.ReplaceAll(shorten(word), "'", `'\''`) + "'"
}
