package kafka

import (
	"context"

	"github.com/twmb/franz-go/pkg/kgo"
)

// MaxBody is the most that should be appended to a Record's Body; more is
// right but costs an allocation.
const MaxBody = 256

// Record is one record on its way. What is not Body is the caller's, to know
// it again when it is acknowledged.
type Record struct {
	Mark       *Mark // of its key, moved when the record is settled
	ID         int64 // rises with each record of the key
	TradedAt   int64 // Unix microseconds
	EventAt    int64 // Unix microseconds
	ProducedAt int64 // Unix microseconds; set by Produce

	// Body is the value to be; it has room for MaxBody bytes. Append to it
	// before Produce.
	Body []byte

	record kgo.Record
	slab   *slab

	// The client keeps a record's context and nothing else of ours, so a
	// Record is the context of its own record: the way back from there to
	// here. The client may look at it after the record is settled and in use
	// again (it does while it waits for a new topic), so what it sees must
	// not change: the life of the owner.
	life
}

// life is a context under a name that is not exported.
type life = context.Context

// Settled is what is kept of a record that the brokers have acknowledged,
// until its transaction is committed.
type Settled struct {
	Mark       *Mark
	ID         int64
	TradedAt   int64
	EventAt    int64
	ProducedAt int64
}

// Mark is how far a key has come in its partition: the last record that a
// reader of committed records can see. Zero: none.
type Mark struct {
	ID       int64 `json:"id"`
	TradedAt int64 `json:"traded_at"` // Unix microseconds
}

// Known tells whether there is such a record. Its id may be 0: the exchange
// numbers the trades of a new symbol from there.
func (m *Mark) Known() bool { return m.TradedAt != 0 }
