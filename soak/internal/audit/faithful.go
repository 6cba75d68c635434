package audit

import (
	"fmt"
	"time"

	"steadfeed/fakebinance"
)

// clockSlack is how far received_at may lie outside the time between due and
// visible: exchange, subject and harness share one clock, whose readings are
// taken a little apart.
const clockSlack = int64(time.Second / time.Microsecond)

// differs says in what a record is not the trade that was published; empty
// when it is. It is called for every record, so it formats nothing unless
// there is something to say.
func (a *Auditor) differs(r *Record, want *fakebinance.Trade, visible int64) string {
	got := &r.Trade
	switch {
	case r.Key != got.Symbol:
		return fmt.Sprintf("key %q, want the symbol", r.Key)
	case got.Price != want.Price:
		return fmt.Sprintf("price %s, published %s", got.Price, want.Price)
	case got.Quantity != want.Quantity:
		return fmt.Sprintf("quantity %s, published %s", got.Quantity, want.Quantity)
	case got.BuyerIsMaker != want.BuyerIsMaker:
		return fmt.Sprintf("buyer_is_maker %t, published %t", got.BuyerIsMaker, want.BuyerIsMaker)
	case !a.sameTime(got.TradedAt, want.TradedAt):
		return fmt.Sprintf("traded_at %d, published %d", got.TradedAt, want.TradedAt)
	case !a.sameTime(got.EventAt, want.EventAt):
		// REST has no event time; the subject puts the trade's time there.
		if !a.sameTime(got.EventAt, want.TradedAt) {
			return fmt.Sprintf("event_at %d, published %d", got.EventAt, want.EventAt)
		}
		if !a.ledger.ByREST(got.Symbol, got.ID) {
			return fmt.Sprintf("event_at %d is the trade's own time, published %d, and the trade was never served by REST", got.EventAt, want.EventAt)
		}
	}
	if r.ReceivedAt < want.EventAt-clockSlack || r.ReceivedAt > visible+clockSlack {
		return fmt.Sprintf("received_at %d, not between event time %d and visible %d", r.ReceivedAt, want.EventAt, visible)
	}
	return ""
}

// sameTime compares at the precision that the subject keeps.
func (a *Auditor) sameTime(got, want int64) bool {
	return got == want || got-got%a.unit == want-want%a.unit
}
