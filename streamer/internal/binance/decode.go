package binance

// decoder turns frames into trades, in three ways: decodeUsual knows the fields
// and their order; decodeFast takes them in any order among others, as long as
// there are no spaces, escapes or nested values; decodeStrict is slow and
// decides about everything else. So a wrong guess can cost time and never
// change a trade: the fuzz test holds all three to the same answer.
type decoder struct {
	slots   map[string]int // upper-case symbol to slot
	symbols []string       // by slot
}

// newDecoder returns a decoder for symbols, which are upper case.
func newDecoder(symbols []string) *decoder {
	d := &decoder{slots: make(map[string]int, len(symbols)), symbols: symbols}
	for slot, symbol := range symbols {
		d.slots[symbol] = slot
	}
	return d
}

// kind is what a frame turned out to be.
type kind uint8

const (
	kindTrade    kind = iota
	kindControl       // an answer to a request of ours, or a notice of the server
	kindShutdown      // the control frame serverShutdown: this server is about to leave
	kindRejected      // none of these; the rejection says why
)

// rejection is why a frame was not taken: a value of the label error_type, so
// a short fixed list.
type rejection string

const (
	rejectedMalformed rejection = "malformed" // not one JSON object
	rejectedField     rejection = "field"     // a field is missing or has the wrong type
	rejectedRange     rejection = "range"     // a number that does not fit the record
	rejectedZero      rejection = "zero"      // price or quantity is zero
	rejectedSymbol    rejection = "symbol"    // a symbol that was not asked for
	rejectedEvent     rejection = "event"     // an event other than a trade
	rejectedBinary    rejection = "binary"    // not a text frame
)

// decode reads one frame into t, all but ReceivedAt. t is changed only when
// the answer is kindTrade.
func (d *decoder) decode(frame []byte, t *Trade) (kind, rejection) {
	if d.decodeUsual(frame, t) || d.decodeFast(frame, t) {
		return kindTrade, ""
	}
	return d.decodeStrict(frame, t)
}

// decodeUsual reads a frame whose fields are exactly those of the documents, in
// their order (Binance: web-socket-streams.md, Trade Streams), which every
// frame seen so far has been. Anything else it leaves to decodeFast.
func (d *decoder) decodeUsual(frame []byte, t *Trade) bool {
	s := scanner{text: frame}
	combined := s.literal(`{"stream":`)
	if combined {
		if _, ok := s.quoted(); !ok || !s.literal(`,"data":`) {
			return false
		}
	}
	var out Trade
	if !s.literal(`{"e":"trade","E":`) || !s.into(&out.EventAt) || !s.literal(`,"s":`) || !d.symbol(&s, &out) ||
		!s.literal(`,"t":`) || !s.into(&out.ID) || !s.literal(`,"p":`) || !s.price(&out.Price) ||
		!s.literal(`,"q":`) || !s.price(&out.Quantity) || !s.literal(`,"T":`) || !s.into(&out.TradedAt) || !s.literal(`,"m":`) {
		return false
	}
	var ok bool
	if out.BuyerIsMaker, ok = s.boolean(); !ok || !s.literal(`,"M":`) {
		return false
	}
	if _, ok = s.boolean(); !ok || !s.skip('}') || combined && !s.skip('}') || s.at != len(frame) {
		return false
	}
	return d.finish(&out, haveAll, t)
}

// symbol reads the symbol and finds its slot.
func (d *decoder) symbol(s *scanner, out *Trade) bool {
	name, ok := s.quoted()
	if !ok {
		return false
	}
	if out.Slot, ok = d.slots[string(name)]; ok {
		out.Symbol = d.symbols[out.Slot]
	}
	return ok
}

// have has a bit for each field that a trade must have.
type have uint8

const (
	haveEvent have = 1 << iota
	haveEventAt
	haveSymbol
	haveID
	havePrice
	haveQuantity
	haveTradedAt
	haveMaker
	haveAll have = 1<<iota - 1
)

// decodeFast reports whether frame is a plain trade and if so reads it.
func (d *decoder) decodeFast(frame []byte, t *Trade) bool {
	s := scanner{text: frame}
	if !s.skip('{') {
		return false
	}
	var out Trade
	var got have
	combined := false
	for first := true; ; first = false {
		if !first && !s.skip(',') {
			return s.skip('}') && s.at == len(frame) && d.finish(&out, got, t)
		}
		key, ok := s.key()
		if !ok {
			return false
		}
		if string(key) == "data" {
			// Fields beside "data" belong to the wrapper, not to the trade.
			if combined || got != 0 || !s.skip('{') || !d.fields(&s, &out, &got) {
				return false
			}
			combined = true
			continue
		}
		if string(key) == "stream" {
			if _, ok := s.quoted(); !ok {
				return false
			}
			continue
		}
		if combined {
			return false
		}
		if !d.field(&s, key, &out, &got) {
			return false
		}
	}
}

// fields reads the rest of the object inside "data".
func (d *decoder) fields(s *scanner, out *Trade, got *have) bool {
	for first := true; ; first = false {
		if !first && !s.skip(',') {
			return s.skip('}')
		}
		key, ok := s.key()
		if !ok || !d.field(s, key, out, got) {
			return false
		}
	}
}

// field reads one value. Keys that differ only in case are different fields:
// E and e, T and t, M and m. A repeated key goes to the strict decoder.
func (d *decoder) field(s *scanner, key []byte, out *Trade, got *have) bool {
	if len(key) != 1 {
		return s.scalar()
	}
	var bit have
	var ok bool
	switch key[0] {
	case 'e':
		var event []byte
		event, ok = s.quoted()
		bit, ok = haveEvent, ok && string(event) == "trade"
	case 'E':
		bit, ok = haveEventAt, s.into(&out.EventAt)
	case 's':
		bit, ok = haveSymbol, d.symbol(s, out)
	case 't':
		bit, ok = haveID, s.into(&out.ID)
	case 'p':
		bit, ok = havePrice, s.price(&out.Price)
	case 'q':
		bit, ok = haveQuantity, s.price(&out.Quantity)
	case 'T':
		bit, ok = haveTradedAt, s.into(&out.TradedAt)
	case 'm':
		bit = haveMaker
		out.BuyerIsMaker, ok = s.boolean()
	default:
		return s.scalar()
	}
	if !ok || *got&bit != 0 {
		return false
	}
	*got |= bit
	return true
}

// finish checks a whole trade and hands it out.
func (d *decoder) finish(out *Trade, got have, t *Trade) bool {
	if got != haveAll || out.Price == 0 || out.Quantity == 0 {
		return false
	}
	out.EventAt = microseconds(out.EventAt)
	out.TradedAt = microseconds(out.TradedAt)
	*t = *out
	return true
}

// scanner walks over a frame. Each method reads one thing at the current place
// and reports whether it was there; after a false the place is undefined.
type scanner struct {
	text []byte
	at   int
}

func (s *scanner) skip(c byte) bool {
	if s.at < len(s.text) && s.text[s.at] == c {
		s.at++
		return true
	}
	return false
}

// literal reads exactly text.
func (s *scanner) literal(text string) bool {
	end := s.at + len(text)
	if end > len(s.text) || string(s.text[s.at:end]) != text {
		return false
	}
	s.at = end
	return true
}

// into reads an integer into n.
func (s *scanner) into(n *int64) (ok bool) {
	*n, ok = s.integer()
	return ok
}

// price reads a decimal into d.
func (s *scanner) price(d *Decimal) (ok bool) {
	*d, ok = s.decimal()
	return ok
}

// key reads a quoted name and the colon behind it. Nearly all names have one
// letter.
func (s *scanner) key() ([]byte, bool) {
	if text := s.text[s.at:]; len(text) > 4 && text[0] == '"' && plain[text[1]] && text[2] == '"' && text[3] == ':' {
		s.at += 4
		return text[1:2], true
	}
	name, ok := s.quoted()
	return name, ok && s.skip(':')
}

// plain marks the bytes that stand for themselves in a JSON string: printable
// ASCII but the quote and the backslash.
var plain = func() (table [256]bool) {
	for c := 0x20; c <= 0x7e; c++ {
		table[c] = c != '"' && c != '\\'
	}
	return table
}()

// quoted reads a string of plain bytes, and returns what is between the quotes.
func (s *scanner) quoted() ([]byte, bool) {
	text := s.text[s.at:]
	if len(text) < 2 || text[0] != '"' {
		return nil, false
	}
	for i, c := range text[1:] {
		if !plain[c] {
			s.at += i + 2
			return text[1 : i+1], c == '"'
		}
	}
	return nil, false
}

// integer reads digits: no sign, fraction, exponent or leading zero, and no
// more of them than fit 64 bits for certain.
func (s *scanner) integer() (int64, bool) {
	var n int64
	text := s.text[s.at:]
	i := 0
	for ; i < len(text) && text[i]-'0' <= 9; i++ {
		n = n*10 + int64(text[i]-'0')
		if i == 18 {
			return 0, false
		}
	}
	if i == 0 || i > 1 && text[0] == '0' {
		return 0, false
	}
	s.at += i
	return n, true
}

// decimal reads a quoted decimal number of the usual form: digits, a point,
// up to eight digits. It gives the same as ParseDecimal for what it takes.
func (s *scanner) decimal() (Decimal, bool) {
	text := s.text[s.at:]
	if len(text) < 5 || text[0] != '"' {
		return 0, false
	}
	var n int64
	i := 1
	for ; i < len(text) && text[i]-'0' <= 9; i++ {
		n = n*10 + int64(text[i]-'0')
		if i > 10 {
			return 0, false
		}
	}
	if i == 1 || i == len(text) || text[i] != '.' {
		return 0, false
	}
	point := i
	for i++; i < len(text) && text[i]-'0' <= 9; i++ {
		n = n*10 + int64(text[i]-'0')
		if i > point+decimalPlaces {
			return 0, false
		}
	}
	if i == point+1 || i == len(text) || text[i] != '"' {
		return 0, false
	}
	s.at += i + 1
	return Decimal(n * powers[decimalPlaces-(i-point-1)]), true
}

// powers are those of ten, for the places that a number does not write.
var powers = [decimalPlaces + 1]int64{1, 10, 100, 1_000, 10_000, 100_000, 1_000_000, 10_000_000, 100_000_000}

func (s *scanner) boolean() (value, ok bool) {
	text := s.text[s.at:]
	switch {
	case len(text) >= 4 && string(text[:4]) == "true":
		s.at += 4
		return true, true
	case len(text) >= 5 && string(text[:5]) == "false":
		s.at += 5
		return false, true
	}
	return false, false
}

// scalar passes over a value of an unknown field: a string, an integer, true,
// false or null. Anything deeper is left to the strict decoder.
func (s *scanner) scalar() bool {
	if s.at == len(s.text) {
		return false
	}
	switch c := s.text[s.at]; {
	case c == '"':
		_, ok := s.quoted()
		return ok
	case c == 't' || c == 'f':
		_, ok := s.boolean()
		return ok
	case c == 'n':
		if len(s.text)-s.at >= 4 && string(s.text[s.at:s.at+4]) == "null" {
			s.at += 4
			return true
		}
		return false
	default:
		_, ok := s.integer()
		return ok
	}
}
