package fakebinance

import "time"

var byteByByteKind = FaultKind{
	Name:  KindByteByByte,
	About: "writes single frames byte by byte, each in a packet of its own",
	Settings: []FaultSetting{
		{"pause", "1ms", "between two bytes"},
		{"writes", "1", "of each session, in a row; frames that are due at once are one write"},
	},
	start: func(i *Injection, s settings) (effect, error) {
		pause, err := s.duration("pause", time.Microsecond, time.Minute)
		if err != nil {
			return nil, err
		}
		writes, err := s.integer("writes", 1, 1e6)
		return &slowBytes{Injection: i, rate: int(max(time.Second/pause, 1)), single: true, writes: writes, pause: pause}, err
	},
}
