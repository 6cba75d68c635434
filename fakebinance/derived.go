package fakebinance

import "strings"

// Two more streams tell of the same trades: @aggTrade, one event for each
// taker order and price when its last trade is out, with the ids and sums that
// REST serves, and @bookTicker, the best prices that each trade meets: it
// comes before the trade, whose price is then the best bid when the buyer is
// the maker, else the best ask, with at least the trade's quantity.

// subscribers are the sessions of one stream, by format.
type subscribers [formats][]*session

// channel is one stream of a symbol.
type channel struct {
	line *line
	of   *subscribers
}

// derived is what a line has besides its trades.
type derived struct {
	aggregates, book subscribers
	listening        int // subscriptions to them
}

// listen counts a subscription that begins or ends.
func (l *line) listen(c channel, by int) {
	if c.of != &l.subscribers {
		l.derived.listening += by
	}
}

// emitBook adds the best prices before the next trade of l.
func (p *publisher) emitBook(l *line) {
	t := &l.next
	tick, lot := specOf(l.symbol).tick, specOf(l.symbol).lot
	h := mix(uint64(t.ID))
	bid, ask := t.Price, t.Price
	more, other := Decimal(h%64)*lot, Decimal(1+h>>8%4096)*lot
	bidQuantity, askQuantity := t.Quantity+more, other
	if t.BuyerIsMaker {
		ask += tick
	} else {
		bid -= tick
		bidQuantity, askQuantity = other, t.Quantity+more
	}
	p.emitText(l, &l.derived.book, "bookTicker", func(b []byte, _ format) []byte {
		b = append(b, `{"u":`...)
		b = appendUint(b, uint64(2*t.ID))
		b = append(b, `,"s":"`+l.symbol+`","b":"`...)
		b = bid.Append(b)
		b = append(b, `","B":"`...)
		b = bidQuantity.Append(b)
		b = append(b, `","a":"`...)
		b = ask.Append(b)
		b = append(b, `","A":"`...)
		b = askQuantity.Append(b)
		return append(b, `"}`...)
	})
}

// emitDerived adds the aggregate that the next trade of l completes, if it does.
func (p *publisher) emitDerived(l *line) {
	all := aggregatesOf(p.source)
	last := l.next.ID
	number := all.aggregateOf(l.symbol, last)
	if all.aggregateOf(l.symbol, last+1) == number {
		return
	}
	first := all.aggregateStart(l.symbol, number)
	t := l.trade(first)
	for id := first + 1; id <= last; id++ {
		t.Quantity += l.trade(id).Quantity
	}
	p.emitText(l, &l.derived.aggregates, "aggTrade", func(b []byte, f format) []byte {
		eventAt, tradedAt := l.next.EventAt, t.TradedAt
		if f&microseconds == 0 {
			eventAt, tradedAt = eventAt/1000, tradedAt/1000
		}
		b = append(b, `{"e":"aggTrade","E":`...)
		b = appendUint(b, uint64(eventAt))
		b = append(b, `,"s":"`+l.symbol+`","a":`...)
		b = appendUint(b, uint64(number))
		b = append(b, `,"p":"`...)
		b = t.Price.Append(b)
		b = append(b, `","q":"`...)
		b = t.Quantity.Append(b)
		b = append(b, `","f":`...)
		b = appendUint(b, uint64(first))
		b = append(b, `,"l":`...)
		b = appendUint(b, uint64(last))
		b = append(b, `,"T":`...)
		b = appendUint(b, uint64(tradedAt))
		if t.BuyerIsMaker {
			return append(b, `,"m":true,"M":true}`...)
		}
		return append(b, `,"m":false,"M":true}`...)
	})
}

// emitText adds an event to the pending batch of each session of a stream.
func (p *publisher) emitText(l *line, to *subscribers, kind string, payload func([]byte, format) []byte) {
	for i, sessions := range to {
		if len(sessions) == 0 {
			continue
		}
		f := format(i)
		b := append(p.text[:0], 0, 0, 0, 0)
		if f&combined != 0 {
			b = append(b, `{"stream":"`+strings.ToLower(l.symbol)+"@"+kind+`","data":`...)
		}
		b = payload(b, f)
		if f&combined != 0 {
			b = append(b, '}')
		}
		b = closeTextFrame(b, 0)
		if f&deflated != 0 {
			b = p.deflater.frame(b, 0)
		}
		p.text = b
		for _, s := range sessions {
			if p.tampering > 0 && s.silenced(strings.ToLower(l.symbol)+"@"+kind) {
				continue
			}
			pending := p.pending(s)
			pending.bytes = append(pending.bytes, b...)
		}
	}
}
