package fakebinance

import (
	"fmt"
	"net/http"
	"strconv"
	"sync/atomic"
)

var restShiftKind = FaultKind{
	Name:     KindRESTShift,
	About:    "REST answers from another id than the one asked for",
	Settings: []FaultSetting{{"by", "3", "ids later; earlier when negative"}},
	start: func(i *Injection, s settings) (effect, error) {
		by, err := s.integer("by", -1e6, 1e6)
		return &restShift{atDoor: atDoor{i}, by: int64(by)}, err
	},
}

// restShift changes the fromId of requests.
type restShift struct {
	atDoor
	by      int64
	shifted atomic.Int64
}

func (f *restShift) meet(_ http.ResponseWriter, r *http.Request) bool {
	query := r.URL.Query()
	from, err := strconv.ParseInt(query.Get("fromId"), 10, 64)
	if err != nil || !isREST(r) {
		return false
	}
	f.shifted.Add(1)
	query.Set("fromId", strconv.FormatInt(max(from+f.by, 0), 10))
	r.URL.RawQuery = query.Encode()
	return false
}

func (f *restShift) proof([]*session) (bool, string) {
	n := f.shifted.Load()
	return n > 0, fmt.Sprintf("%s answered from %d ids beside", plural(n, "request"), f.by)
}
