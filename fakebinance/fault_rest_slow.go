package fakebinance

import (
	"fmt"
	"net/http"
	"sync/atomic"
	"time"
)

var restSlowKind = FaultKind{
	Name:     KindRESTSlow,
	About:    "answers requests to REST late",
	Settings: []FaultSetting{{"delay", "5s", "of each answer"}},
	start: func(i *Injection, s settings) (effect, error) {
		delay, err := s.duration("delay", time.Millisecond, time.Hour)
		return &restSlow{atDoor: atDoor{i}, delay: delay}, err
	},
}

// restSlow has requests wait, but not beyond its end.
type restSlow struct {
	atDoor
	delay   time.Duration
	delayed atomic.Int64
}

func (f *restSlow) meet(_ http.ResponseWriter, r *http.Request) bool {
	if isREST(r) {
		f.delayed.Add(1)
		timer := time.NewTimer(f.delay)
		defer timer.Stop()
		select {
		case <-timer.C:
		case <-f.Done():
		case <-r.Context().Done():
		}
	}
	return false
}

func (f *restSlow) proof([]*session) (bool, string) {
	n := f.delayed.Load()
	return n > 0, fmt.Sprintf("%s answered %s late", plural(n, "request"), f.delay)
}
