package reports

import (
	"fmt"

	"steadfeed/soak"
)

// What is different on the page of an audit: there is no exchange of the run's
// own, no subject and no fault, and what was measured is the auditor.

// audit is the reading of an audit, or nil on the page of a run.
func (e *evidence) audit() *soak.Reading {
	if e.plan.Topic == nil || e.ledger == nil {
		return nil
	}
	return e.ledger.Reading
}

// isAudit is known of a page even where the audit did not get far.
func (e *evidence) isAudit() bool { return e.plan.Topic != nil }

// auditValidity is whether the audit can be believed.
func (b *builder) auditValidity() {
	topic := fact{Name: "Topic", Value: shorten(b.e.plan.Topic.Name)}
	exchange := fact{Name: "Exchange", Value: "not asked"}
	if rest := b.e.plan.Topic.REST; rest != "" {
		exchange.Value = shorten(rest)
	}
	speed := fact{Name: "Memory of the auditor", Value: unknown}
	if most := b.e.samples.largestHarness; most > 0 {
		speed.Value = "at most " + megabytes(float64(most))
	}
	if r := b.e.audit(); r != nil {
		topic.Note = plural(r.Records, "record") + " in " + plural(int64(len(r.Partitions)), "partition")
		if b.e.plan.Topic.REST != "" {
			exchange.Note = fmt.Sprintf("%s of %s holes, %d of %d trades", count(r.HolesAsked), count(r.HolesAsked+r.HolesUnasked), r.Compared, r.Sampled)
		}
		if took := b.e.ledger.Ended.Sub(b.e.ledger.Began); took > 0 {
			speed.Note = number(float64(r.Records)/took.Seconds()) + " records/s"
		}
	}
	duration := b.duration()
	duration.Note = ""
	b.Validity = []fact{duration, b.checked(topic, "validity.topic"), b.checked(exchange, "validity.exchange"), speed}
}

// auditNotes say what the totals of an audit count.
var auditNotes = []string{"ids from the first to the last", "", "missing in the topic", "copies beyond the first", "behind a higher id", "of the sample, or unknown to the exchange"}

// how says what was done with the trades.
func (b *builder) how() string {
	if b.e.isAudit() {
		return "The ids of each symbol must be consecutive, unique and in order; a sample is compared with the exchange where it was asked."
	}
	return "Every published trade was looked for in the topic by its id, and compared field by field."
}
