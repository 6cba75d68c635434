// Package record turns a trade into the key and value of a Kafka record: Avro
// in the Confluent wire format, by the schema of package schema.
//
// It exists to keep the schema registry away from the hot path: one call for
// each subject, remembered in a bounded cache, and after that a trade is
// appended to a buffer without any allocation.
package record

import (
	"context"
	"encoding/binary"
	"fmt"

	lru "github.com/hashicorp/golang-lru/v2"
	"github.com/twmb/franz-go/pkg/sr"

	"steadfeed/streamer/internal/binance"
	"steadfeed/streamer/schema"
)

// Encoder appends trades as record values. It is for one goroutine; only
// Cached and SchemaID may be called from others.
type Encoder struct {
	registry *sr.Client
	cache    *lru.Cache[string, *serializer] // by subject
	ids      *lru.Cache[string, int]         // schema ids by subject, also of serializers that had to go
	newest   *serializer                     // of the subject used last: nearly always the one wanted next
	evicted  func()
}

// maxSubjects bounds the schema ids that are remembered: one for each pair that
// the exchange may list. A serializer that comes back into the cache then costs
// no call, however small the cache is.
const maxSubjects = 4096

// serializer is what a subject needs: the bytes before the Avro body.
type serializer struct {
	subject string
	header  [schema.HeaderSize]byte
}

// NewEncoder returns an encoder that keeps at most size serializers and calls
// evicted for each one that has to go.
func NewEncoder(registry *sr.Client, size int, evicted func()) (*Encoder, error) {
	e := &Encoder{registry: registry, evicted: evicted}
	cache, err := lru.NewWithEvict(size, func(string, *serializer) { e.evicted() })
	if err != nil {
		return nil, fmt.Errorf("serializer cache of size %d: %w", size, err)
	}
	e.cache = cache
	if e.ids, err = lru.New[string, int](maxSubjects); err != nil {
		return nil, err
	}
	return e, nil
}

// Share returns an encoder for another goroutine, with the same cache.
func (e *Encoder) Share() *Encoder {
	return &Encoder{registry: e.registry, cache: e.cache, ids: e.ids, evicted: e.evicted}
}

// Prepare makes sure that subject's schema is registered and its serializer in
// the cache. It calls the registry only for a subject that it meets for the
// first time. The error wraps ErrRefused when the registry answered and trying
// again is of no use.
func (e *Encoder) Prepare(ctx context.Context, subject string) error {
	if _, ok := e.cache.Get(subject); ok {
		return nil
	}
	id, ok := e.ids.Get(subject)
	if !ok {
		var err error
		if id, err = e.schemaID(ctx, subject); err != nil {
			return err
		}
		e.ids.Add(subject, id)
	}
	s := &serializer{subject: subject}
	s.header[0] = schema.Magic
	binary.BigEndian.PutUint32(s.header[1:], uint32(id))
	e.cache.Add(subject, s)
	return nil
}

// Append appends the value of t for subject, which must have been prepared.
// ok is false when it is not in the cache (any more): prepare it and try again.
func (e *Encoder) Append(b []byte, subject string, t *binance.Trade) (value []byte, ok bool) {
	s := e.newest
	if s == nil || s.subject != subject {
		if s, ok = e.cache.Get(subject); !ok {
			return b, false
		}
		e.newest = s
	}
	b = append(b, s.header[:]...)
	return appendTrade(b, t), true
}

// SchemaID is the registry's id of the schema of a subject that was prepared.
func (e *Encoder) SchemaID(subject string) (id int, ok bool) { return e.ids.Peek(subject) }

// Cached is the number of serializers kept.
func (e *Encoder) Cached() int { return e.cache.Len() }
