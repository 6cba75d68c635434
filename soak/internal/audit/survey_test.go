package audit

import (
	"fmt"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"steadfeed/soak"
)

// Nothing orders two partitions: that is said once for each further one, and
// not of every trade that happens to be read behind a higher id of another.
func TestSurveyBlamesAPartitionOnce(t *testing.T) {
	s := newSurvey(reader{}, 1, 0)
	for _, at := range []struct {
		partition int32
		id        int64
	}{{0, 1}, {0, 3}, {1, 2}, {1, 4}, {0, 7}, {1, 6}, {1, 5}} { // only 5 is behind in its own
		s.observe(identity{"BTCUSDT", at.id}, &kgo.Record{Partition: at.partition}, false)
	}
	if c := s.symbols["BTCUSDT"]; c.disordered != 2 || c.delivered != 7 || len(c.missing) != 0 {
		t.Errorf("%d disordered, %d delivered, missing %v: %+v", c.disordered, c.delivered, c.missing, s.findings.kept)
	}
}

// The bounds are kept, and said.
func TestSurveyForgetsAloud(t *testing.T) {
	s := newSurvey(reader{}, 1, 0)
	at := func(symbol string, id int64) {
		s.observe(identity{symbol, id}, &kgo.Record{Timestamp: time.UnixMilli(id)}, false)
	}
	for i := range int64(3 * maxGaps) {
		at("BTCUSDT", 2*i)
	}
	c := s.symbols["BTCUSDT"]
	if len(c.missing) != maxGaps || s.holes != maxGaps || s.reading.HolesForgotten != 2*maxGaps-1 {
		t.Errorf("%d holes kept, %d counted, %d forgotten", len(c.missing), s.holes, s.reading.HolesForgotten)
	}
	for i := range maxWatched + 5 {
		at(fmt.Sprint("S", i), 1)
	}
	if len(s.symbols) != maxWatched || s.reading.Unwatched != 6 {
		t.Errorf("%d symbols, %d records of others", len(s.symbols), s.reading.Unwatched)
	}
	for i := range 8 {
		for symbol := range 100 {
			for hole := range int64(100) {
				at(fmt.Sprint("S", symbol), 2+int64(i)*1000+2*hole)
			}
		}
	}
	if s.holes > maxHoles {
		t.Errorf("%d holes kept", s.holes)
	}
	s.leave(false)
	l := s.ledger()
	for _, a := range l.Accounts {
		if a.Lost != a.Published-a.Delivered {
			t.Errorf("account %+v", a)
		}
	}
	if len(l.Findings) > soak.MaxFindings {
		t.Errorf("%d findings", len(l.Findings))
	}
}
