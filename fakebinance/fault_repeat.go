package fakebinance

import "sync/atomic"

var repeatKind = FaultKind{
	Name:     KindRepeat,
	About:    "delivers trades twice",
	Settings: []FaultSetting{everySetting},
	start: func(i *Injection, s settings) (effect, error) {
		common, err := newTamper(i, s)
		if err != nil {
			return nil, err
		}
		return &repeat{tamper: common}, nil
	},
}

// repeat sends a frame again, at once.
type repeat struct {
	tamper
	repeated atomic.Int64
}

func (f *repeat) apply(s *session, _ bool) { s.tamperWith(f) }

func (f *repeat) alter(_ *session, _ *line, frames [][]byte) [][]byte {
	if len(frames) == 0 || !f.hit() {
		return frames
	}
	f.repeated.Add(1)
	return append(frames, frames[len(frames)-1])
}

func (f *repeat) proof([]*session) (bool, string) {
	n := f.repeated.Load()
	return n > 0, plural(n, "trade") + " delivered twice"
}
