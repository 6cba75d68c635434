package audit

import (
	"fmt"
	"slices"
	"strings"
)

// FromKey as the name of the symbol's field says that the record's key is the
// symbol.
const FromKey = "@key"

// Fields are the names by which a topic calls what a trade has. Empty: the
// usual names are tried, by the first record in JSON and by each Avro schema.
// A dot leads into a nested record: "data.t".
type Fields struct {
	Symbol, ID, Price, Quantity, Time, Maker string
}

// The usual names: of our own schema, of the exchange's REST and streams, and
// what people make of them. The exchange's event time is not among them: REST
// does not tell it, so there would be nothing to compare it with.
var usual = struct{ symbol, id, price, quantity, time, maker []string }{
	symbol:   []string{"symbol", "s", "data.s", "pair"},
	id:       []string{"trade_id", "tradeId", "id", "t", "data.t"},
	price:    []string{"price", "p", "data.p"},
	quantity: []string{"quantity", "qty", "q", "data.q", "size", "amount"},
	time:     []string{"traded_at", "trade_time", "tradeTime", "T", "data.T", "time"},
	maker:    []string{"buyer_is_maker", "isBuyerMaker", "is_buyer_maker", "m", "data.m"},
}

// path leads from a record to one of its fields.
type path []string

func (p path) String() string { return strings.Join(p, ".") }

// names are the fields as one kind of record has them. A nil path is a field
// that it lacks; of the symbol, that the key is the symbol.
type names struct {
	symbol, id, price, quantity, time, maker path
}

// choose finds the fields among what a record has. Only symbol and id are
// indispensable, and a field that was named by a person.
func choose(f Fields, has func(path) bool) (n names, err error) {
	pick := func(what, given string, candidates []string) (chosen path) {
		if given != "" {
			candidates = []string{given}
		}
		i := slices.IndexFunc(candidates, func(name string) bool { return has(strings.Split(name, ".")) })
		switch {
		case i >= 0:
			return strings.Split(candidates[i], ".")
		case given != "":
			err = fmt.Errorf("no field %q for the %s", given, what)
		}
		return nil
	}
	if f.Symbol != FromKey {
		n.symbol = pick("symbol", f.Symbol, usual.symbol)
	}
	n.id = pick("id", f.ID, usual.id)
	n.price = pick("price", f.Price, usual.price)
	n.quantity = pick("quantity", f.Quantity, usual.quantity)
	n.time = pick("time", f.Time, usual.time)
	n.maker = pick("maker flag", f.Maker, usual.maker)
	if err == nil && n.id == nil {
		err = fmt.Errorf("no field for the trade id: none of %s", strings.Join(usual.id, ", "))
	}
	return n, err
}

// compared lists what can be compared with the exchange.
func (n names) compared() (list []string) {
	for _, field := range []struct {
		name string
		path path
	}{{"price", n.price}, {"quantity", n.quantity}, {"time", n.time}, {"maker", n.maker}} {
		if field.path != nil {
			list = append(list, field.name)
		}
	}
	return list
}
