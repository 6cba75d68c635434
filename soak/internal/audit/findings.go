package audit

import (
	"slices"

	"steadfeed/soak"
)

// promises in the order in which an account counts its findings.
var promises = [...]soak.Guarantee{soak.Complete, soak.Unique, soak.Ordered, soak.Faithful}

const guarantees = len(promises)

// keepEach bounds the findings kept of one guarantee and symbol. The first few
// show the pattern; a subject that breaks a promise for every trade must not
// crowd out the one trade that another promise was broken for.
const keepEach = 10

// findings are those kept, those left out, and those of them that nobody has
// been told about yet.
type findings struct {
	kept    []soak.Finding
	omitted int64
	untold  []soak.Finding
}

// add keeps a finding, or counts it where there are enough of its like. A
// finding that continues the last one of its like, as a run of duplicates
// does, makes that one longer; merge says whether its reason allows it.
func (f *findings) add(c *account, finding soak.Finding, merge bool) {
	g := slices.Index(promises[:], finding.Guarantee)
	if i := c.newest[g] - 1; merge && i >= 0 {
		newest := &f.kept[i]
		if newest.LastID+1 == finding.FirstID && newest.During == finding.During {
			newest.LastID = finding.LastID
			return
		}
	}
	if c.kept[g] == keepEach || len(f.kept) == soak.MaxFindings {
		c.newest[g] = 0
		f.omitted++
		return
	}
	f.kept = append(f.kept, finding)
	c.kept[g]++
	c.newest[g] = len(f.kept)
	f.untold = append(f.untold, finding)
}

func (f *findings) total() int64 { return int64(len(f.kept)) + f.omitted }

// take returns what nobody has been told about.
func (f *findings) take() []soak.Finding {
	untold := f.untold
	f.untold = nil
	return untold
}
