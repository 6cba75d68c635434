package audit

import (
	"cmp"
	"context"
	"fmt"
	"slices"

	"steadfeed/soak"
)

// compare asks the exchange about every hole and about the sample, symbol by
// symbol and in the order of ids, so that one answer serves neighbours.
//
// A hole is asked about together with the trade before it, which is in the
// topic: an exchange that has that one and not those of the hole never had
// them, and they are not lost. One that has not even that one does not keep
// trades of that age: then its answer says nothing, and the ids count as lost,
// because the exchange's ids rise by one. Of a hole that is longer than an
// answer both ends are asked about.
//
// What could not be asked is noted in the reading.
func (s *survey) compare(ctx context.Context, e *exchange) {
	slices.SortFunc(s.sample.drawn, func(a, b sampled) int {
		return cmp.Or(cmp.Compare(a.symbol, b.symbol), cmp.Compare(a.id, b.id))
	})
	s.reading.Sampled = len(s.sample.drawn)
	drawn := s.sample.drawn
	for _, c := range s.ordered() {
		n := 0
		for n < len(drawn) && drawn[n].symbol == c.symbol {
			n++
		}
		if err := s.compareSymbol(ctx, e, c, drawn[:n]); err != nil && s.reading.Trouble == "" {
			s.reading.Trouble = err.Error()
		}
		drawn = drawn[n:]
	}
	s.reading.Weight = e.weight
}

// compareSymbol settles the holes and the sample of one symbol. The first
// question without an answer ends it.
func (s *survey) compareSymbol(ctx context.Context, e *exchange, c *watched, drawn []sampled) error {
	var known *page
	ask := func(from, wanted int64) (err error) {
		if known != nil && known.from <= from && wanted <= known.through() {
			return nil
		}
		known, err = e.pageTo(ctx, c.symbol, max(from, 0), wanted)
		return err
	}
	holes := c.missing
	for len(holes) > 0 || len(drawn) > 0 {
		if len(drawn) > 0 && (len(holes) == 0 || drawn[0].id < holes[0].first) {
			if err := ask(drawn[0].id-1, drawn[0].id); err != nil {
				return err
			}
			s.compareTrade(c, &drawn[0], known)
			drawn = drawn[1:]
			continue
		}
		if err := s.settle(c, holes[0], &known, ask); err != nil {
			return err
		}
		holes = holes[1:]
		c.missing = holes // what is left here at the end was not asked about
		s.holes--
	}
	return nil
}

// settle decides about one hole.
func (s *survey) settle(c *watched, hole gap, known **page, ask func(from, wanted int64) error) error {
	n := hole.last - hole.first + 1
	from, wanted := hole.first-1, hole.last+1 // both are in the topic
	short := n+2 <= pageRows
	if !short {
		wanted = hole.first + pageRows - 2
	}
	if err := ask(from, wanted); err != nil {
		return err
	}
	p := *known
	_, anchored := p.find(from)
	has := p.count(hole.first, hole.last)
	absent := min(p.through(), hole.last) - hole.first + 1 - has // asked about and not there
	how := ""
	if !short {
		if err := ask(hole.last+2-pageRows, hole.last+1); err != nil {
			return err
		}
		tail := (*known).count(hole.last+2-pageRows, hole.last)
		absent = min(absent+pageRows-1-tail, n)
		has += tail
		if absent == 0 {
			has = n
		}
		how = ", asked at both ends of the hole"
	}
	switch {
	case !anchored:
		s.reading.HolesUnasked++
		s.lose(c, hole, n, fmt.Sprintf("%s in the topic, though %d is; the exchange does not keep trades of that age any more, so it could not be asked", isNot(n), hole.last+1))
	case short && p.through() < hole.last:
		s.reading.HolesUnasked++
		s.lose(c, hole, n, fmt.Sprintf("%s in the topic, though %d is; the exchange's history does not reach so far yet", isNot(n), hole.last+1))
	case absent <= 0:
		s.reading.HolesAsked++
		s.lose(c, hole, n, fmt.Sprintf("%s in the topic, though %d is, and the exchange has %s%s", isNot(n), hole.last+1, itOrAll(n), how))
	case has == 0:
		s.reading.HolesAsked++
		s.absent(c, hole, n)
	default: // some of them
		s.reading.HolesAsked++
		s.reading.Absent += absent
		c.absent += absent
		s.lose(c, hole, n-absent, fmt.Sprintf("%s in the topic, though %d is; of these the exchange does not have %d%s", isNot(n), hole.last+1, absent, how))
	}
	return nil
}

// absent notes a hole that is the exchange's own.
func (s *survey) absent(c *watched, hole gap, n int64) {
	s.reading.Absent += n
	c.absent += n
	s.note(fmt.Sprintf("%s %d to %d are not in the topic, and the exchange does not have them either: not lost", c.symbol, hole.first, hole.last))
}

func isNot(n int64) string {
	if n == 1 {
		return "not"
	}
	return fmt.Sprintf("%d trades, none of them", n)
}

func itOrAll(n int64) string {
	if n == 1 {
		return "it"
	}
	return "them"
}

// leave counts what the exchange was not asked about as lost.
func (s *survey) leave(asked bool) {
	for _, c := range s.ordered() {
		for _, hole := range c.missing {
			n := hole.last - hole.first + 1
			s.reading.HolesUnasked++
			why := "nobody was asked whether the exchange has it"
			if asked {
				why = "the exchange could not be asked"
			}
			s.lose(c, hole, n, fmt.Sprintf("%s in the topic, though %d is; %s", isNot(n), hole.last+1, why))
		}
		c.missing = nil
	}
	s.holes = 0
}

// compareTrade compares one trade of the sample with the exchange's. The page
// begins with the trade before it, for the same reason as with a hole.
func (s *survey) compareTrade(c *watched, t *sampled, p *page) {
	want, found := p.find(t.id)
	if !found {
		if _, anchored := p.find(t.id - 1); anchored && t.id < p.through() {
			s.reading.Compared++
			s.found(c, soak.Faithful, t.id, fmt.Sprintf("at %s: the exchange has no such trade", t.where))
		}
		return
	}
	s.reading.Compared++
	for _, name := range t.names.compared() {
		if !slices.Contains(s.reading.Fields, name) {
			s.reading.Fields = append(s.reading.Fields, name)
		}
	}
	if why := t.differs(want); why != "" {
		s.found(c, soak.Faithful, t.id, fmt.Sprintf("at %s: %s", t.where, why))
	}
}

// differs says in what a trade is not the exchange's.
func (t *sampled) differs(want row) string {
	for _, field := range []struct {
		name string
		path path
		same func() (bool, error)
		got  any
		want any
	}{
		{"price", t.names.price, func() (bool, error) { return sameDecimal(t.price, want.Price) }, t.price, want.Price},
		{"quantity", t.names.quantity, func() (bool, error) { return sameDecimal(t.quantity, want.Quantity) }, t.quantity, want.Quantity},
		{"time", t.names.time, func() (bool, error) {
			at, unit, err := asMicros(t.time)
			return at == want.Time-want.Time%unitOr1(unit), err
		}, t.time, want.Time},
		{"maker flag", t.names.maker, func() (bool, error) {
			maker, err := asBool(t.maker)
			return maker == want.BuyerIsMaker, err
		}, t.maker, want.BuyerIsMaker},
	} {
		if field.path == nil {
			continue
		}
		same, err := field.same()
		switch {
		case err != nil:
			return fmt.Sprintf("%s: %v", field.path, err)
		case !same:
			return fmt.Sprintf("%s %s, the exchange has %v", field.path, shown(field.got), field.want)
		}
	}
	return ""
}

func unitOr1(unit int64) int64 { return max(unit, 1) }

// shown is a field's value for the eye.
func shown(v any) string {
	switch v := v.(type) {
	case interface{ FloatString(int) string }: // *big.Rat
		return v.FloatString(8)
	case interface{ UnixMicro() int64 }: // time.Time
		return fmt.Sprint(v.UnixMicro())
	}
	return fmt.Sprintf("%.80v", v)
}
