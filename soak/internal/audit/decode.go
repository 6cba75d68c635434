package audit

import (
	"context"
	"errors"
	"fmt"
	"math"
	"net/http"
	"time"

	"github.com/twmb/avro"
	"github.com/twmb/franz-go/pkg/sr"

	"steadfeed/fakebinance"
	"steadfeed/streamer/schema"
)

const (
	// maxSchemas bounds the writer schemas that are remembered. A topic has
	// one or two; a subject that registers one for every record must not make
	// the harness grow.
	maxSchemas = 64

	// registryRetry is the pause before the registry is asked again. It is on
	// this machine, and while it is away nothing can be audited.
	registryRetry = 250 * time.Millisecond
)

// decoder reads records in the Confluent wire format by the schema that each
// was written with.
type decoder struct {
	registry *sr.Client
	reader   *avro.Schema
	schemas  map[int]resolved
}

// resolved reads what was written by one schema, or says why that is not
// possible.
type resolved struct {
	schema *avro.Schema
	err    error
}

// value is a record as the reader's schema has it. Decimals are two's
// complement, big-endian, in units of 1e-8.
type value struct {
	Symbol       string `avro:"symbol"`
	TradeID      int64  `avro:"trade_id"`
	Price        []byte `avro:"price"`
	Quantity     []byte `avro:"quantity"`
	BuyerIsMaker bool   `avro:"buyer_is_maker"`
	TradedAt     int64  `avro:"traded_at"`
	EventAt      int64  `avro:"event_at"`
	ReceivedAt   int64  `avro:"received_at"`
}

func newDecoder(url string, client *http.Client) (*decoder, error) {
	registry, err := sr.NewClient(sr.URLs(url), sr.HTTPClient(client))
	if err != nil {
		return nil, fmt.Errorf("schema registry %s: %w", url, err)
	}
	reader, err := avro.Parse(schema.Trade)
	if err != nil {
		return nil, fmt.Errorf("parse the schema of a trade: %w", err)
	}
	return &decoder{registry: registry, reader: reader, schemas: make(map[int]resolved)}, nil
}

// decode reads one record's value. An unreadable one is an error that wraps
// errUnreadable; any other error is of the context.
func (d *decoder) decode(ctx context.Context, data []byte) (trade fakebinance.Trade, receivedAt int64, err error) {
	var header sr.ConfluentHeader
	id, body, err := header.DecodeID(data)
	if err != nil {
		return trade, 0, unreadable(fmt.Errorf("not in Confluent framing: %w", err))
	}
	known, err := d.schema(ctx, id)
	if err != nil {
		return trade, 0, err
	}
	if known.err != nil {
		return trade, 0, unreadable(known.err)
	}
	var v value
	rest, err := known.schema.Decode(body, &v)
	if err != nil {
		return trade, 0, unreadable(fmt.Errorf("decode by schema %d: %w", id, err))
	}
	if len(rest) > 0 {
		return trade, 0, unreadable(fmt.Errorf("%d bytes follow the trade", len(rest)))
	}
	trade = fakebinance.Trade{
		Symbol: v.Symbol, ID: v.TradeID, BuyerIsMaker: v.BuyerIsMaker, TradedAt: v.TradedAt, EventAt: v.EventAt,
	}
	if trade.Price, err = decimal(v.Price); err != nil {
		return trade, 0, unreadable(fmt.Errorf("price: %w", err))
	}
	if trade.Quantity, err = decimal(v.Quantity); err != nil {
		return trade, 0, unreadable(fmt.Errorf("quantity: %w", err))
	}
	return trade, v.ReceivedAt, nil
}

// errUnreadable marks what is wrong with a record, as opposed to with the
// reading of it.
var errUnreadable = errors.New("no trade")

type unreadableError struct{ err error }

func unreadable(err error) error { return &unreadableError{err} }

func (e *unreadableError) Error() string   { return e.err.Error() }
func (e *unreadableError) Unwrap() []error { return []error{errUnreadable, e.err} }

// schema is the way from a writer's schema to ours. While the registry does
// not answer it asks again, until the context ends: a record cannot be called
// unreadable because of that.
func (d *decoder) schema(ctx context.Context, id int) (resolved, error) {
	if known, ok := d.schemas[id]; ok {
		return known, nil
	}
	for {
		answered, err := d.registry.SchemaByID(ctx, id)
		var refused *sr.ResponseError
		switch {
		case err == nil:
			return d.remember(id, d.resolve(id, answered.Schema)), nil
		case errors.As(err, &refused) && refused.StatusCode == http.StatusNotFound:
			// Not remembered: an id can be registered later.
			return resolved{err: fmt.Errorf("schema %d is not in the registry", id)}, nil
		}
		select {
		case <-time.After(registryRetry):
		case <-ctx.Done():
			return resolved{}, fmt.Errorf("fetch schema %d: %w", id, err)
		}
	}
}

func (d *decoder) resolve(id int, text string) resolved {
	writer, err := avro.Parse(text)
	if err != nil {
		return resolved{err: fmt.Errorf("parse schema %d: %w", id, err)}
	}
	schema, err := avro.Resolve(writer, d.reader)
	if err != nil {
		return resolved{err: fmt.Errorf("schema %d has no trade: %w", id, err)}
	}
	return resolved{schema: schema}
}

func (d *decoder) remember(id int, r resolved) resolved {
	if len(d.schemas) >= maxSchemas {
		clear(d.schemas)
	}
	d.schemas[id] = r
	return r
}

// decimal reads a two's complement big-endian number of any length that fits
// 64 bits.
func decimal(b []byte) (fakebinance.Decimal, error) {
	if len(b) == 0 {
		return 0, errors.New("decimal of no bytes")
	}
	v := int64(int8(b[0]))
	for _, c := range b[1:] {
		if v > math.MaxInt64>>8 || v < math.MinInt64>>8 {
			return 0, fmt.Errorf("decimal %x does not fit 64 bits", b)
		}
		v = v<<8 | int64(c)
	}
	return fakebinance.Decimal(v), nil
}
