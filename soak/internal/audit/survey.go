package audit

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"steadfeed/soak"
)

// What a survey remembers is bounded, however long the topic.
const (
	// maxWatched bounds the symbols: some 3,500 pairs were ever traded on the
	// exchange. Records of further ones are counted and not judged.
	maxWatched = 4096
	// maxHoles bounds the holes of all symbols together (beside maxGaps of one):
	// 3 MB at most. Beyond, the oldest hole of the symbol is counted as lost and
	// forgotten.
	maxHoles = 1 << 16
	// maxLanes bounds the partitions that are told apart for one symbol; with
	// more, order within the others is not watched.
	maxLanes = 64
)

// survey is the account of a topic that nobody's ledger describes: what it
// says about itself. Unlike an [Auditor] it knows no trade that is not in the
// topic, so a symbol's trades are owed from the first that was read through
// the last.
//
// It is exact at any length: what it keeps of a symbol is the range that was
// read and the holes in it, so an id of long ago is known to be a repeat or to
// fill a hole. The bounds above are all that it can forget, and it says so.
type survey struct {
	reader    reader
	symbols   map[string]*watched
	findings  findings
	reading   soak.Reading
	holes     int // remembered, of all symbols
	sample    reservoir
	onFinding func(soak.Finding)
	onNote    func(string)
	notes     int
	delivered int64
}

// maxNotes bounds the notes about holes that are the exchange's own.
const maxNotes = 100

// note says something worth an event that breaks no guarantee.
func (s *survey) note(text string) {
	if s.notes++; s.notes <= maxNotes && s.onNote != nil {
		s.onNote(text)
	}
}

// watched is one symbol.
type watched struct {
	account
	lanes  []lane
	absent int64 // ids that the exchange does not have either
}

// lane is what of a symbol lies in one partition.
type lane struct {
	partition int32
	highest   int64
}

func newSurvey(r reader, seed uint64, sample int) *survey {
	return &survey{
		reader:  r,
		symbols: make(map[string]*watched),
		sample:  reservoir{size: sample, lot: rand.New(rand.NewPCG(seed, 0))},
	}
}

// observe accounts for one record. cut says that its partition began before
// what is read of it.
func (s *survey) observe(at identity, record *kgo.Record, cut bool) (first bool) {
	s.noteTime(record.Timestamp)
	c := s.symbols[at.symbol]
	if c == nil {
		if len(s.symbols) == maxWatched {
			s.reading.Unwatched++
			return false
		}
		at.symbol = strings.Clone(at.symbol) // it may be part of a fetch
		c = &watched{account: account{symbol: at.symbol, partition: record.Partition}}
		s.symbols[at.symbol] = c
	}
	behind := s.locate(c, at.id, record)
	if c.started && at.id < c.start && cut {
		s.found(c, soak.Ordered, at.id, fmt.Sprintf(
			"at %s, below %d, with which what was read of the symbol begins: out of order, or a repeat of what lies before", where(record), c.start))
		return false
	}
	before := len(c.missing)
	standing := c.place(at.id, record.Timestamp.UnixMicro())
	s.holes += len(c.missing) - before
	s.bound(c)
	switch {
	case standing == duplicate:
		s.found(c, soak.Unique, at.id, "in the topic before; again at "+where(record))
		return false
	case standing == late && behind:
		s.found(c, soak.Ordered, at.id, fmt.Sprintf("at %s, behind %d", where(record), c.next-1))
	}
	c.delivered++
	s.delivered++
	return true
}

// locate notes where a symbol's trades lie, and tells whether this one comes
// behind a higher id of the same partition. A symbol in a further partition is
// one disordered trade: nothing orders the two, whatever the ids.
func (s *survey) locate(c *watched, id int64, record *kgo.Record) (behind bool) {
	for i := range c.lanes {
		if l := &c.lanes[i]; l.partition == record.Partition {
			behind = id < l.highest
			l.highest = max(l.highest, id)
			return behind
		}
	}
	if len(c.lanes) == maxLanes {
		return false
	}
	c.lanes = append(c.lanes, lane{record.Partition, id})
	if len(c.lanes) > 1 {
		s.found(c, soak.Ordered, id, fmt.Sprintf("at %s, while the symbol began in partition %d: nothing orders the two", where(record), c.partition))
	}
	return false
}

// bound forgets the oldest hole of a symbol when there are too many.
func (s *survey) bound(c *watched) {
	if len(c.missing) <= maxGaps && s.holes <= maxHoles || len(c.missing) == 0 {
		return
	}
	oldest := c.missing[0]
	c.missing = slices.Delete(c.missing, 0, 1)
	s.holes--
	s.reading.HolesForgotten++
	s.lose(c, oldest, oldest.last-oldest.first+1, fmt.Sprintf(
		"not in the topic when there were more than %d holes, or %d of all symbols, the most that are remembered; if it came later it counts as a duplicate", maxGaps, maxHoles))
}

// unreadable accounts for a record that is no trade.
func (s *survey) unreadable(record *kgo.Record, err error) {
	s.noteTime(record.Timestamp)
	if s.reading.Unreadable++; s.reading.Unreadable == 1 {
		s.reading.UnreadableFirst = fmt.Sprintf("%s: %.300v", where(record), err)
	}
}

func (s *survey) noteTime(at time.Time) {
	s.reading.Records++
	if s.reading.First.IsZero() || at.Before(s.reading.First) {
		s.reading.First = at.UTC()
	}
	if at.After(s.reading.Last) {
		s.reading.Last = at.UTC()
	}
}

// found counts and records a broken guarantee.
func (s *survey) found(c *watched, g soak.Guarantee, id int64, why string) {
	switch g {
	case soak.Unique:
		c.duplicate++
	case soak.Ordered:
		c.disordered++
	case soak.Faithful:
		c.altered++
	}
	s.add(c, soak.Finding{Guarantee: g, Symbol: c.symbol, FirstID: id, LastID: id, Why: why}, g != soak.Faithful)
}

// lose counts n ids of a hole as lost.
func (s *survey) lose(c *watched, hole gap, n int64, why string) {
	c.lost += n
	s.add(c, soak.Finding{Guarantee: soak.Complete, Symbol: c.symbol, FirstID: hole.first, LastID: hole.last, Why: why}, false)
}

func (s *survey) add(c *watched, f soak.Finding, merge bool) {
	s.findings.add(&c.account, f, merge)
	for _, f := range s.findings.take() {
		if s.onFinding != nil {
			s.onFinding(f)
		}
	}
}

// ordered lists the symbols by name.
func (s *survey) ordered() []*watched {
	all := make([]*watched, 0, len(s.symbols))
	for _, c := range s.symbols {
		all = append(all, c)
	}
	slices.SortFunc(all, func(a, b *watched) int {
		if a.symbol < b.symbol {
			return -1
		}
		return 1
	})
	return all
}

// ledger closes the books. What was not settled by the exchange is lost.
func (s *survey) ledger() soak.Ledger {
	l := soak.Ledger{Phases: []soak.PhaseLag{}, Windows: []soak.Window{}, Sessions: []soak.Session{}, Accounts: []soak.Account{}}
	for _, c := range s.ordered() {
		a := soak.Account{
			Symbol: c.symbol, FirstID: c.begins(), LastID: c.ends(), Published: c.published() - c.absent, Delivered: c.delivered,
			Lost: c.lost, Duplicate: c.duplicate, Disordered: c.disordered, Altered: c.altered,
		}
		if !c.started { // only records from before the part that was read
			a.FirstID, a.LastID, a.Published = 0, 0, 0
		}
		l.Accounts = append(l.Accounts, a)
	}
	l.Findings, l.FindingsOmitted = append([]soak.Finding{}, s.findings.kept...), s.findings.omitted
	reading := s.reading
	l.Reading = &reading
	return l
}

func where(r *kgo.Record) string { return fmt.Sprintf("partition %d offset %d", r.Partition, r.Offset) }

// reservoir keeps a sample of a sequence of unknown length, each element with
// the same chance: the first ones, then each with the chance size/n in the
// place of one drawn by lot.
type reservoir struct {
	size  int
	lot   *rand.Rand
	seen  int64
	drawn []sampled
}

// sampled is a trade to be compared with the exchange's.
type sampled struct {
	identity
	content
	where string
}

// place is where the next element goes, or -1.
func (r *reservoir) place() int {
	r.seen++
	if len(r.drawn) < r.size {
		r.drawn = append(r.drawn, sampled{})
		return len(r.drawn) - 1
	}
	if r.size == 0 {
		return -1
	}
	if i := r.lot.Int64N(r.seen); i < int64(r.size) {
		return int(i)
	}
	return -1
}
