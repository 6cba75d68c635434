package streamer

import (
	"math/rand/v2"
	"testing"
	"time"
)

// A stream is looked into when its silence is against its own rhythm, and then
// less and less often; one whose trades come at random is left alone.
func TestRhythm(t *testing.T) {
	f := func(name string, pause, silence time.Duration, trades int, want bool) {
		t.Helper()
		var r rhythm
		at := int64(1e15)
		for range trades {
			at += pause.Microseconds()
			r.heard(at)
		}
		if got := r.silent(at + silence.Microseconds()); got != want {
			t.Errorf("%s: looked into: %v, want %v", name, got, want)
		}
	}
	f("busy", 10*time.Millisecond, silentLeast+time.Second, 1000, true)
	f("busy, silent for a moment", 10*time.Millisecond, silentLeast/2, 1000, false)
	f("a trade a minute", time.Minute, 10*time.Minute, 1000, false)
	f("a trade a minute, silent for half an hour", time.Minute, 30*time.Minute, 1000, true)
	f("too young to have a rhythm", time.Second, 5*time.Minute, 3, false)
	f("too young, and silent for long", time.Second, 11*time.Minute, 3, true)
	f("never heard", time.Second, time.Hour, 0, false)

	var r rhythm
	at := int64(1e15)
	for range 100 {
		at += time.Second.Microseconds()
		r.heard(at)
	}
	looks := 0
	for s := range 6 * 3600 {
		if r.silent(at + int64(s)*1e6) {
			looks++
		}
	}
	if looks < 30 || looks > 45 {
		t.Errorf("a silent stream was looked into %d times in six hours", looks)
	}

	// A new session ends a silence: whatever was traded meanwhile says nothing
	// about it.
	r.heard(at + 1e6)
	if r.since = at + 8*3600*1e6; r.silent(r.since+silentLeast.Microseconds()/2) || !r.silent(r.since+2*silentLeast.Microseconds()) {
		t.Error("the silence does not begin with the session")
	}
	r = rhythm{}

	jitter := rand.New(rand.NewPCG(7, 7))
	for range 100_000 { // a day at a trade a second
		next := at + int64(jitter.ExpFloat64()*1e6)
		if r.silent(next) {
			t.Fatal("trades at random were taken for silence")
		}
		r.heard(next)
		at = next
	}
}
