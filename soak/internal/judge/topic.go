package judge

import (
	"fmt"
	"strings"

	"steadfeed/soak"
)

// What follows is about an audit of a topic that exists: how much of it was
// read, and what the exchange had to say.

// topicRead: what was not read, or not understood, or forgotten, may hold
// anything.
func topicRead(e *Evidence, _ soak.Limit) measurement {
	r := e.Ledger.Reading
	if r == nil {
		return measurement{unfit: true, why: "no topic was read", evidence: soak.LedgerFile}
	}
	m := measurement{value: number(r.Records), evidence: soak.LedgerFile}
	var lacks []string
	if r.Unfinished != "" {
		lacks = append(lacks, r.Unfinished)
	}
	if len(r.Partitions) == 0 {
		lacks = append(lacks, "no partition was read")
	}
	if r.Unreadable > 0 && (e.Plan.Topic == nil || !e.Plan.Topic.AllowUnreadable) {
		lacks = append(lacks, fmt.Sprintf("%s of %s are no trades, the first at %s", group(r.Unreadable), records(r.Records), r.UnreadableFirst))
	}
	if r.Unwatched > 0 {
		lacks = append(lacks, fmt.Sprintf("%s are of more symbols than are remembered", records(r.Unwatched)))
	}
	if r.HolesForgotten > 0 {
		lacks = append(lacks, fmt.Sprintf("%s holes were counted and forgotten, being more than are remembered", group(r.HolesForgotten)))
	}
	m.missed = len(lacks) > 0
	if m.why = strings.Join(lacks, "; "); m.missed {
		return m
	}
	m.why = fmt.Sprintf("%s in %d partitions, each to its end", records(r.Records), len(r.Partitions))
	if r.Unreadable > 0 {
		m.why += fmt.Sprintf("; %s are no trades, which was allowed", group(r.Unreadable))
	}
	if !r.First.IsZero() {
		m.why += fmt.Sprintf("; written from %s to %s", r.First.UTC().Format("2006-01-02 15:04:05Z"), r.Last.UTC().Format("2006-01-02 15:04:05Z"))
	}
	return m
}

func exchangeAsked(e *Evidence, _ soak.Limit) measurement {
	r := e.Ledger.Reading
	if r == nil {
		return measurement{unfit: true, why: "no topic was read", evidence: soak.LedgerFile}
	}
	m := measurement{value: number(r.Compared), evidence: soak.LedgerFile}
	m.missed = r.HolesUnasked > 0 || r.Compared < r.Sampled || r.Trouble != ""
	m.why = fmt.Sprintf("%s of %s holes asked about, %d of %d trades compared, for a weight of %s",
		group(r.HolesAsked), group(r.HolesAsked+r.HolesUnasked), r.Compared, r.Sampled, group(r.Weight))
	if r.Absent > 0 {
		m.why += fmt.Sprintf("; %s ids are not at the exchange either, so not lost", group(r.Absent))
	}
	if r.Trouble != "" {
		m.why += ": " + r.Trouble
	}
	return m
}

func records[T int | int64](n T) string {
	if n == 1 {
		return "1 record"
	}
	return group(n) + " records"
}

func topicClaims(e *Evidence, r *soak.Reading, has func(...string) bool) (out []string) {
	if has("delivery.complete", "delivery.unique", "delivery.ordered") {
		out = append(out, fmt.Sprintf("the ids of all %s of %s are consecutive, unique and in order",
			count(e.published()), plural(len(e.Ledger.Accounts), "symbol")))
	}
	if has("delivery.faithful") {
		out = append(out, fmt.Sprintf("%s of them are as the exchange has them (%s)", group(r.Compared), strings.Join(r.Fields, ", ")))
	}
	return out
}

func plural(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}

// topicPower says what an audit of a topic cannot see.
func topicPower(e *Evidence, r *soak.Reading) []string {
	out := []string{
		"trades before the first and after the last that was read of a symbol are not missed: whether the topic is up to date is not judged, nor a symbol that is not in it at all",
	}
	if n := r.Compared; n >= zeroEvents && e.delivery().Altered == 0 {
		out = append(out, fmt.Sprintf(
			"an alteration that strikes fewer than 1 in %s trades can have been missed: none in a sample of %s bounds its rate at 3/n with 95 %% confidence",
			group(n/zeroEvents), group(n)))
	}
	if e.Plan.Topic != nil && e.Plan.Topic.REST == "" {
		out = append(out, "without the exchange's word a hole counts as lost, because its ids rise by one")
	}
	for _, p := range r.Partitions {
		if p.From > 0 {
			return append(out, "what was before the first record read is gone or was left out: an id below a symbol's first can be out of order or a repeat, and counts as out of order")
		}
	}
	return out
}
