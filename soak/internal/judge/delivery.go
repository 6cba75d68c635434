package judge

import (
	"fmt"
	"strings"

	"steadfeed/soak"
)

// nothingPublished is why a run without trades says nothing about them.
const nothingPublished = "nothing was published, so nothing could be audited"

func complete(e *Evidence, _ soak.Limit) measurement {
	return broken(e, soak.Complete, e.delivery().Lost, "lost")
}

func unique(e *Evidence, _ soak.Limit) measurement {
	return broken(e, soak.Unique, e.delivery().Duplicate, "duplicate")
}

func ordered(e *Evidence, _ soak.Limit) measurement {
	return broken(e, soak.Ordered, e.delivery().Disordered, "disordered")
}

func faithful(e *Evidence, _ soak.Limit) measurement {
	m := broken(e, soak.Faithful, e.delivery().Altered, "altered")
	// An audit compares a sample.
	if r := e.Ledger.Reading; r != nil && e.delivery().Altered == 0 && !m.unfit {
		m.why = fmt.Sprintf("none of a sample of %s, compared in %s", count(int64(r.Compared)), strings.Join(r.Fields, ", "))
		if r.Compared == 0 {
			m.unfit, m.why = true, "no trade could be compared with the exchange's"
		}
	}
	return m
}

// broken is a guarantee's count, with its first finding as the reason. A run
// without trades can still have broken one: what is in the topic then was
// never published.
func broken(e *Evidence, g soak.Guarantee, n int64, what string) measurement {
	m := measurement{value: number(n), evidence: soak.LedgerFile}
	switch {
	case n > 0:
		m.why = fmt.Sprintf("%s %s", count(n), what)
		for _, f := range e.Ledger.Findings {
			if f.Guarantee == g {
				m.why += ": " + findingText(f)
				break
			}
		}
	case e.published() == 0:
		m.unfit, m.why = true, nothingPublished
	default:
		m.why = fmt.Sprintf("none of %s", count(e.published()))
	}
	return m
}

// deliveredShare: what the topic holds must be within 1 % of what was
// published, or the throughput was not that of the exchange.
const deliveredShare = 0.99

func throughput(e *Evidence, _ soak.Limit) measurement {
	d := e.delivery()
	if d.Published == 0 {
		return measurement{unfit: true, why: nothingPublished, evidence: soak.LedgerFile}
	}
	length := e.traffic().Seconds()
	if length <= 0 {
		return measurement{unfit: true, why: "it is not known how long traffic lasted", evidence: soak.LedgerFile}
	}
	return measurement{
		value:    number(float64(d.Delivered) / length),
		missed:   float64(d.Delivered) < deliveredShare*float64(d.Published),
		why:      fmt.Sprintf("%s delivered of %s published in %s", group(d.Delivered), group(d.Published), span(length)),
		evidence: soak.LedgerFile,
	}
}

func findingText(f soak.Finding) string {
	ids := fmt.Sprint(f.FirstID)
	if f.LastID != f.FirstID {
		ids = fmt.Sprintf("%d to %d", f.FirstID, f.LastID)
	}
	text := fmt.Sprintf("%s %s (%s", f.Symbol, ids, f.Why)
	if f.During != "" {
		text += "; during " + f.During
	}
	return text + ")"
}
