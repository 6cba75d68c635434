package audit

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/twmb/avro"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/sr"

	"steadfeed/streamer/schema"
)

// Formats of a topic's values.
const (
	FormatAuto = "auto" // Avro where a value begins with the registry's magic byte, else JSON
	FormatAvro = "avro" // Confluent wire format, the schema from the registry
	FormatJSON = "json"
)

// registryTries, with a pause that doubles from registryRetry, is how often
// the registry is asked before an audit gives up: about 8 s.
const registryTries = 6

// reader reads trades from records of a format that it learns as it goes.
type reader struct {
	format   string
	fields   Fields
	registry *sr.Client // nil: there is none
	json     *names     // once a record had what is needed
	avro     map[int]avroReader
}

// avroReader reads what one schema wrote: symbol and id of every record, all
// else only of those that are compared.
type avroReader struct {
	names names
	json  bool // the registry says that it is JSON after the header
	lean  *avro.Schema
	full  *avro.Schema
	err   error
}

// identity is what every record is asked for.
type identity struct {
	symbol string
	id     int64
}

// content is what a sampled record says; what it lacks is nil.
type content struct {
	price, quantity, time, maker any
	names                        names
}

// identify says which trade a record holds. An error that wraps errUnreadable
// is about the record.
func (r *reader) identify(ctx context.Context, record *kgo.Record) (identity, error) {
	get, n, err := r.open(ctx, record.Value, false)
	if err != nil {
		return identity{}, err
	}
	var out identity
	value, err := get(n.id)
	if err != nil {
		return identity{}, unreadable(err)
	}
	if out.id, err = asID(value); err != nil {
		return identity{}, unreadable(err)
	}
	value = any(bytes.Trim(record.Key, `"`))
	if n.symbol != nil {
		if value, err = get(n.symbol); err != nil {
			return identity{}, unreadable(err)
		}
	}
	if out.symbol, err = asSymbol(value); err != nil {
		return identity{}, unreadable(err)
	}
	return out, nil
}

// read is what a record says of its trade beyond symbol and id.
func (r *reader) read(ctx context.Context, record *kgo.Record) (out content, err error) {
	get, n, err := r.open(ctx, record.Value, true)
	if err != nil {
		return out, err
	}
	out.names = n
	for _, field := range []struct {
		to   *any
		path path
	}{{&out.price, n.price}, {&out.quantity, n.quantity}, {&out.time, n.time}, {&out.maker, n.maker}} {
		if field.path != nil {
			*field.to, _ = get(field.path) // what is not there is nil, and compares as such
		}
	}
	return out, nil
}

// getter finds a field of a record that has been opened.
type getter func(path) (any, error)

func (r *reader) open(ctx context.Context, value []byte, full bool) (getter, names, error) {
	if len(value) == 0 {
		return nil, names{}, unreadable(errors.New("no value"))
	}
	framed := value[0] == schema.Magic && len(value) >= schema.HeaderSize
	if r.format == FormatJSON || r.format == FormatAuto && !framed {
		return r.openJSON(value)
	}
	var header sr.ConfluentHeader
	id, body, err := header.DecodeID(value)
	if err != nil {
		return nil, names{}, unreadable(fmt.Errorf("not in Confluent framing: %w", err))
	}
	known, err := r.schema(ctx, id)
	switch {
	case err != nil:
		return nil, names{}, err
	case known.err != nil:
		return nil, names{}, unreadable(known.err)
	case known.json:
		return r.openJSON(body)
	}
	by := known.lean
	if full {
		by = known.full
	}
	var record map[string]any
	rest, err := by.Decode(body, &record)
	if err != nil {
		return nil, names{}, unreadable(fmt.Errorf("decode by schema %d: %w", id, err))
	}
	if len(rest) > 0 {
		return nil, names{}, unreadable(fmt.Errorf("%d bytes follow the record of schema %d", len(rest), id))
	}
	return func(p path) (any, error) { return fromMap(record, p) }, known.names, nil
}

func fromMap(record map[string]any, p path) (any, error) {
	var value any = record
	for _, name := range p {
		inner, ok := value.(map[string]any)
		if !ok {
			return nil, fmt.Errorf("no field %q", p)
		}
		if value, ok = inner[name]; !ok {
			return nil, fmt.Errorf("no field %q", p)
		}
	}
	return value, nil
}

// openJSON reads keys exactly as they are written: "t" and "T" are two fields.
func (r *reader) openJSON(value []byte) (getter, names, error) {
	var record map[string]json.RawMessage
	if err := json.Unmarshal(value, &record); err != nil {
		return nil, names{}, unreadable(fmt.Errorf("no JSON object: %w", err))
	}
	get := func(p path) (json.RawMessage, error) {
		within := record
		for i, name := range p {
			raw, ok := within[name]
			if !ok {
				return nil, fmt.Errorf("no field %q", p)
			}
			if i == len(p)-1 {
				return raw, nil
			}
			within = nil
			if json.Unmarshal(raw, &within) != nil {
				return nil, fmt.Errorf("no field %q", p)
			}
		}
		return nil, errors.New("no field")
	}
	if r.json == nil {
		chosen, err := choose(r.fields, func(p path) bool { _, err := get(p); return err == nil })
		if err != nil {
			return nil, names{}, unreadable(err)
		}
		r.json = &chosen
	}
	return func(p path) (any, error) {
		raw, err := get(p)
		if err != nil {
			return nil, err
		}
		return fromJSON(raw)
	}, *r.json, nil
}

// schema is how to read what one schema wrote. The error is of the registry.
func (r *reader) schema(ctx context.Context, id int) (avroReader, error) {
	if known, ok := r.avro[id]; ok {
		return known, nil
	}
	if r.registry == nil {
		return avroReader{err: errors.New("in Avro by its first byte, and no schema registry was named")}, nil
	}
	pause := registryRetry
	for try := 1; ; try++ {
		answered, err := r.registry.SchemaByID(ctx, id)
		var refused *sr.ResponseError
		switch {
		case err == nil:
			return r.remember(id, newAvroReader(id, answered, r.fields)), nil
		case errors.As(err, &refused) && refused.StatusCode == 404:
			return avroReader{err: fmt.Errorf("schema %d is not in the registry", id)}, nil
		case errors.As(err, &refused) && refused.StatusCode < 500, try == registryTries:
			return avroReader{}, fmt.Errorf("fetch schema %d: %w", id, err)
		}
		if err := pauseFor(ctx, pause); err != nil {
			return avroReader{}, err
		}
		pause *= 2
	}
}

func (r *reader) remember(id int, a avroReader) avroReader {
	if len(r.avro) >= maxSchemas || r.avro == nil {
		r.avro = make(map[int]avroReader)
	}
	r.avro[id] = a
	return a
}

// newAvroReader finds the fields in a schema. What is not needed is skipped
// where it lies: most of the time of an audit goes into decoding.
func newAvroReader(id int, registered sr.Schema, fields Fields) (a avroReader) {
	if registered.Type == sr.TypeJSON {
		return avroReader{json: true}
	}
	if registered.Type != sr.TypeAvro {
		return avroReader{err: fmt.Errorf("schema %d is of type %s", id, registered.Type)}
	}
	if len(registered.References) > 0 {
		return avroReader{err: fmt.Errorf("schema %d refers to other schemas, which is not supported", id)}
	}
	a.full, a.err = avro.Parse(registered.Schema)
	if a.err != nil {
		a.err = fmt.Errorf("parse schema %d: %w", id, a.err)
		return a
	}
	root := a.full.Root()
	if a.names, a.err = choose(fields, func(p path) bool { return hasField(root, p) }); a.err != nil {
		a.err = fmt.Errorf("schema %d: %w", id, a.err)
		return a
	}
	a.lean = a.full
	few := *root
	few.Fields = nil
	for _, f := range root.Fields {
		if f.Name == a.names.id[0] || a.names.symbol != nil && f.Name == a.names.symbol[0] {
			few.Fields = append(few.Fields, f)
		}
	}
	// A schema that cannot be cut down is read in full: slower, not wrong.
	if lean, err := few.Schema(); err == nil {
		if resolved, err := avro.Resolve(a.full, lean); err == nil {
			a.lean = resolved
		}
	}
	return a
}

func hasField(node *avro.SchemaNode, p path) bool {
	if len(p) == 0 {
		return true
	}
	for i := range node.Branches { // of a union: a record that may be null
		if hasField(&node.Branches[i], p) {
			return true
		}
	}
	for i := range node.Fields {
		if node.Fields[i].Name == p[0] {
			return hasField(&node.Fields[i].Type, p[1:])
		}
	}
	return false
}

func pauseFor(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
