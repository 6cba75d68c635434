package fault

import (
	"sync"
	"time"

	"steadfeed/fakebinance"
	"steadfeed/soak"
	"steadfeed/soak/internal/testbed"
)

// Begun is an injection in progress.
type Begun interface {
	// Done is closed when its time is over.
	Done() <-chan struct{}
	// End heals what is not healed yet and says what was seen.
	End() fakebinance.Evidence
}

// Begin starts an injection. The caller must End what it returns; the fault
// also ends by itself when its time is over. Neither depends on a context, so
// that a run that is cancelled heals what it broke.
func Begin(bed *testbed.Testbed, in soak.Injection) (Begun, error) {
	if err := Validate(in); err != nil {
		return nil, err
	}
	f, _ := find(in.Fault) // Validate has found it
	if f.begin == nil {
		return onExchange(bed, in)
	}
	return f.begin(bed, in)
}

// held is an injection that the harness itself keeps up for its time.
type held struct {
	done     chan struct{}
	timer    *time.Timer
	once     sync.Once
	heal     func() fakebinance.Evidence
	evidence fakebinance.Evidence
}

// hold keeps an injection up; heal is called once, at its end.
func hold(length time.Duration, heal func() fakebinance.Evidence) *held {
	h := &held{done: make(chan struct{}), heal: heal}
	h.timer = time.AfterFunc(length, h.end)
	return h
}

func (h *held) end() {
	h.once.Do(func() {
		h.evidence = h.heal()
		close(h.done)
	})
}

// Done implements Begun.
func (h *held) Done() <-chan struct{} { return h.done }

// End implements Begun.
func (h *held) End() fakebinance.Evidence {
	h.timer.Stop()
	h.end()
	<-h.done // of the timer's own end, if that was first
	return h.evidence
}
