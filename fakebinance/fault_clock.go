package fakebinance

import (
	"fmt"
	"net/http"
	"sync/atomic"
	"time"
)

var clockKind = FaultKind{
	Name:  KindClock,
	About: "the server's clock is wrong in /time, exchangeInfo and the header Date; the times of trades are right",
	Settings: []FaultSetting{
		{"by", "1h", "it is fast; slow when negative"},
	},
	start: func(i *Injection, s settings) (effect, error) {
		by, err := s.duration("by", -1000*time.Hour, 1000*time.Hour)
		return &wrongClock{atDoor: atDoor{i}, by: by}, err
	},
}

// wrongClock is off by a constant.
type wrongClock struct {
	atDoor
	by   time.Duration
	told atomic.Int64
}

func (f *wrongClock) begin() {
	f.server.clock.Store(f)
	f.atDoor.begin()
}

func (f *wrongClock) meet(w http.ResponseWriter, _ *http.Request) bool {
	f.told.Add(1)
	w.Header().Set("Date", time.Now().Add(f.by).UTC().Format(http.TimeFormat))
	return false
}

func (f *wrongClock) proof([]*session) (bool, string) {
	n := f.told.Load()
	return n > 0, fmt.Sprintf("%s answered with a clock that is off by %s", plural(n, "request"), f.by)
}

// now is the time by the server's clock.
func (s *Server) now() time.Time {
	if f := s.clock.Load(); active(f) {
		return time.Now().Add(f.by)
	}
	return time.Now()
}
