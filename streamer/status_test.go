package streamer

import (
	"strings"
	"testing"
	"time"
)

// /healthz fails when a restart would help, which is when the loop stands
// still.
func TestHealthFailsOnlyWhenStuck(t *testing.T) {
	p := &parts{intake: &intake{}}
	s := &status{parts: p}
	f := func(what string, turn time.Duration, want bool) {
		t.Helper()
		p.intake.beat.Store(time.Now().Add(-turn).Unix())
		if why := s.healthy(); (why == "") != want {
			t.Errorf("%s: healthy = %q, want healthy: %v", what, why, want)
		}
	}
	f("turning", 0, true)
	f("slow", stuckAfter/2, true)
	f("stuck", stuckAfter+2*time.Second, false)
	s.drain()
	f("draining", time.Hour, true)
	s.parts = nil
	f("starting", time.Hour, true)
}

// The newest rejected frames are kept, so many and so much of each.
func TestRejectedSamplesAreBounded(t *testing.T) {
	s := &status{}
	for range 3 * maxSamples {
		s.reject("malformed", []byte(strings.Repeat("x", 3*maxSample)))
	}
	if len(s.samples) != maxSamples || len(s.samples[0].Frame) != maxSample || s.rejected != 3*maxSamples {
		t.Errorf("%d samples of %d bytes after %d rejects", len(s.samples), len(s.samples[0].Frame), s.rejected)
	}
}
