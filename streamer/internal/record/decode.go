package record

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"time"

	lru "github.com/hashicorp/golang-lru/v2"
	"github.com/twmb/avro"
	"github.com/twmb/franz-go/pkg/sr"

	"steadfeed/streamer/internal/binance"
	"steadfeed/streamer/schema"
)

// maxReaders bounds the schema ids that a Decoder remembers. A subject changes
// its schema a few times in years, and a topic template has one id for all its
// subjects as long as their schema is the same.
const maxReaders = 100

// ErrUnreadable is why a value cannot be read, now or later: it is not in the
// wire format, the registry does not know its schema id, or its schema has no
// symbol, trade_id and traded_at. Any other error of a Decoder is a registry
// that did not answer.
var ErrUnreadable = errors.New("not a readable trade record")

// Decoder reads back which trade a record is of, under whatever schema it was
// written. It exists for those who resume from a topic's tail or look for holes
// in it; it is not a consumer's decoder, because it leaves prices alone. It may
// be used from several goroutines.
type Decoder struct {
	registry *sr.Client
	readers  *lru.Cache[uint32, reader] // by schema id
}

// reader reads the Avro body of one schema.
type reader func(body []byte) (symbol string, id, tradedAt int64, err error)

// NewDecoder returns a decoder that asks registry for each schema id that it
// meets for the first time.
func NewDecoder(registry *sr.Client) *Decoder {
	readers, err := lru.New[uint32, reader](maxReaders)
	if err != nil {
		panic(err) // only for a size below one
	}
	return &Decoder{registry, readers}
}

// Know tells the decoder that schemaID is that of package schema, so that it
// needs no registry for the records that this streamer wrote.
func (d *Decoder) Know(schemaID int) { d.readers.Add(uint32(schemaID), readOwn) }

// Trade reads a record's value: the symbol, the trade id, and when it was
// traded in Unix microseconds. It calls the registry only for a schema id that
// it does not remember, and waits for it until ctx ends. The error wraps
// ErrUnreadable when trying again is of no use.
func (d *Decoder) Trade(ctx context.Context, value []byte) (symbol string, id int64, tradedAt int64, err error) {
	if len(value) < schema.HeaderSize || value[0] != schema.Magic {
		return "", 0, 0, fmt.Errorf("value of %d bytes % x: no schema id before it: %w", len(value), value[:min(len(value), schema.HeaderSize)], ErrUnreadable)
	}
	schemaID := binary.BigEndian.Uint32(value[1:])
	read, ok := d.readers.Get(schemaID)
	if !ok {
		if read, err = d.lookUp(ctx, schemaID); err != nil {
			return "", 0, 0, err
		}
		d.readers.Add(schemaID, read)
	}
	if symbol, id, tradedAt, err = read(value[schema.HeaderSize:]); err != nil {
		return "", 0, 0, fmt.Errorf("value of schema id %d: %w: %w", schemaID, err, ErrUnreadable)
	}
	return symbol, id, tradedAt, nil
}

// lookUp gets the schema of an id and makes its reader.
func (d *Decoder) lookUp(ctx context.Context, schemaID uint32) (reader, error) {
	found, err := d.registry.SchemaByID(ctx, int(schemaID))
	if err != nil && notThere(err) {
		return nil, fmt.Errorf("schema id %d: %w: %w", schemaID, err, ErrUnreadable)
	}
	if err != nil {
		return nil, fmt.Errorf("look up schema id %d: %w", schemaID, err)
	}
	if found.Type != sr.TypeAvro {
		return nil, fmt.Errorf("schema id %d: %s, want AVRO: %w", schemaID, found.Type, ErrUnreadable)
	}
	written, err := avro.Parse(found.Schema)
	if err != nil {
		return nil, fmt.Errorf("schema id %d: %w: %w", schemaID, err, ErrUnreadable)
	}
	times, err := tradedAtType(written)
	if err != nil {
		return nil, fmt.Errorf("schema id %d: %w: %w", schemaID, err, ErrUnreadable)
	}
	// The canonical form says nothing of units.
	if times == "timestamp-micros" && string(written.Canonical()) == ownCanonical {
		return readOwn, nil
	}
	return readAny(written), nil
}

// ownCanonical tells our own schema from others, whatever its spacing.
var ownCanonical = string(avro.MustParse(schema.Trade).Canonical())

// tradedAtType is the logical type of traded_at in s. It refuses a schema that
// does not say which trade its records are of.
func tradedAtType(s *avro.Schema) (logical string, err error) {
	missing := map[string]bool{"symbol": true, "trade_id": true, "traded_at": true}
	for _, field := range s.Root().Fields {
		delete(missing, field.Name)
		if field.Name == "traded_at" {
			logical = field.Type.LogicalType
		}
	}
	for name := range missing {
		return "", fmt.Errorf("there is no field %s in it", name)
	}
	return logical, nil
}

// readAny reads by the names of the fields.
func readAny(written *avro.Schema) reader {
	return func(body []byte) (string, int64, int64, error) {
		var row struct {
			Symbol   string    `avro:"symbol"`
			ID       int64     `avro:"trade_id"`
			TradedAt time.Time `avro:"traded_at"`
		}
		if _, err := written.Decode(body, &row, avro.SkipUnknown()); err != nil {
			return "", 0, 0, err
		}
		return row.Symbol, row.ID, row.TradedAt.UnixMicro(), nil
	}
}

// errBody is why a body is not one of our own schema.
var errBody = errors.New("the body is cut short or has bytes too many")

// readOwn is the reverse of appendTrade for the fields that are wanted.
func readOwn(body []byte) (symbol string, id, tradedAt int64, err error) {
	r := scan{rest: body}
	symbol = string(r.bytes(binance.MaxSymbol))
	id = r.long()
	r.bytes(maxDecimal) // price
	r.bytes(maxDecimal) // quantity
	r.take(1)           // buyer_is_maker
	tradedAt = r.long()
	r.long() // event_at
	r.long() // received_at
	if r.bad || len(r.rest) != 0 {
		return "", 0, 0, errBody
	}
	return symbol, id, tradedAt, nil
}

// maxDecimal bounds the bytes of a decimal of 64 bits.
const maxDecimal = 8

// scan reads Avro's binary encoding from the front of rest. After something
// unreadable it is bad and yields nothing more.
type scan struct {
	rest []byte
	bad  bool
}

func (s *scan) long() int64 {
	n, size := binary.Varint(s.rest)
	if size <= 0 {
		s.rest, s.bad = nil, true
		return 0
	}
	s.rest = s.rest[size:]
	return n
}

// bytes reads a length of at most limit and so many bytes.
func (s *scan) bytes(limit int64) []byte {
	n := s.long()
	if n < 0 || n > limit {
		s.rest, s.bad = nil, true
		return nil
	}
	return s.take(int(n))
}

func (s *scan) take(n int) []byte {
	if n > len(s.rest) {
		s.rest, s.bad = nil, true
		return nil
	}
	taken := s.rest[:n]
	s.rest = s.rest[n:]
	return taken
}
