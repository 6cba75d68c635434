package fakebinance

import (
	"fmt"
	"math/rand/v2"
	"sync/atomic"
	"time"
)

var slowBytesKind = FaultKind{
	Name:  KindSlowBytes,
	About: "trickles the bytes, so that frames arrive in pieces and late",
	Settings: []FaultSetting{
		{"bytes_per_second", "1000", "of each session"},
	},
	start: func(i *Injection, s settings) (effect, error) {
		rate, err := s.integer("bytes_per_second", 1, 1<<30)
		if err != nil {
			return nil, err
		}
		return &slowBytes{Injection: i, rate: rate, pause: time.Second / time.Duration(rate)}, nil
	},
}

// trickleEvery is the mean time between two pieces.
const trickleEvery = 50 * time.Millisecond

// slowBytes writes so many bytes a second to each session, in pieces of random
// size: frames tear anywhere.
type slowBytes struct {
	*Injection
	rate    int
	pause   time.Duration // of one byte
	single  bool          // one byte at a time
	writes  int           // of each session; 0: all
	bytes   atomic.Int64
	longest atomic.Int64 // ns, from handing over a batch to its last byte written
}

func (f *slowBytes) apply(s *session, _ bool) {
	s.slowBytes.Store(&trickle{f, rand.New(rand.NewPCG(f.draw.Uint64(), 0)), f.writes})
	signal(s.out.wake)
}

// trickle is slow bytes on one session.
type trickle struct {
	*slowBytes
	draw *rand.Rand // the writer's
	left int        // writes to trickle, of those that are limited
}

// send writes a batch piece by piece; what is left when the fault ends goes
// out at once. It runs on the session's writer.
func (t *trickle) send(s *session, b *batch) error {
	if t.writes > 0 {
		if t.left == 0 {
			return s.sendBytes(b.bytes)
		}
		t.left--
	}
	mean := max(int(float64(t.rate)*trickleEvery.Seconds()), 1)
	for rest := b.bytes; len(rest) > 0; {
		if !active(t) {
			return s.sendBytes(rest)
		}
		piece := min(1+t.draw.IntN(2*mean), len(rest))
		if t.single {
			piece = 1
		}
		if err := s.sendBytes(rest[:piece]); err != nil {
			return err
		}
		rest = rest[piece:]
		t.bytes.Add(int64(piece))
		raise(&t.longest, int64(time.Since(b.first)))
		s.pause(time.Duration(piece)*t.pause, t.Done())
		s.passStall(writing)
		if s.isDead() {
			return errDead
		}
	}
	return nil
}

func (f *slowBytes) proof([]*session) (bool, string) {
	bytes, longest := f.bytes.Load(), time.Duration(f.longest.Load())
	return bytes > 0, fmt.Sprintf("%s trickled at %d a second; the longest wait of a frame so far was %s",
		plural(bytes, "byte"), f.rate, longest.Round(time.Millisecond))
}
