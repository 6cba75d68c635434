package kafka

import (
	"sync"
	"sync/atomic"
)

// slabSize holds some 700 values. Values are cut off one slab after another, so
// that a trade costs no allocation; a slab is used again when all its values
// are acknowledged. At most MaxInFlight*MaxBody/slabSize plus a few are alive.
const slabSize = 64 << 10

// slab is memory for many values, and how many of them are still in use.
type slab struct {
	bytes []byte
	users atomic.Int64
}

// slabs hands out room for values. take and fill are for one goroutine,
// release for any.
type slabs struct {
	current *slab
	used    int
	free    sync.Pool
}

// take returns an empty slice with room for MaxBody bytes.
func (s *slabs) take() ([]byte, *slab) {
	if s.current == nil || slabSize-s.used < MaxBody {
		s.next()
	}
	s.current.users.Add(1)
	return s.current.bytes[s.used:s.used:min(s.used+MaxBody, slabSize)], s.current
}

// fill keeps what was appended to the newest slice taken. A value that outgrew
// its room is kept as it is, in memory of its own.
func (s *slabs) fill(from *slab, value []byte) []byte {
	if from == s.current && len(value) <= MaxBody {
		s.used += len(value)
	}
	return value[:len(value):len(value)]
}

// next begins another slab. The current one loses its first user, the writer.
func (s *slabs) next() {
	if s.current != nil {
		s.release(s.current)
	}
	fresh, ok := s.free.Get().(*slab)
	if !ok {
		fresh = &slab{bytes: make([]byte, slabSize)}
	}
	fresh.users.Store(1)
	s.current, s.used = fresh, 0
}

// release ends one use of a slab.
func (s *slabs) release(done *slab) {
	if done.users.Add(-1) == 0 {
		s.free.Put(done)
	}
}
