package fakebinance

import "fmt"

var closeKind = FaultKind{
	Name:  KindClose,
	About: "sends a close frame, then ends the TCP connection",
	Settings: []FaultSetting{
		{"code", "1001", "close code, 1000 to 4999"},
		{"reason", "", "close reason, at most 123 bytes"},
		withinSetting,
	},
	start: func(i *Injection, s settings) (effect, error) {
		code, err := s.integer("code", 1000, 4999)
		if err != nil {
			return nil, err
		}
		reason := s.text("reason")
		if len(reason) > shortFrame-2 {
			return nil, fmt.Errorf("fault %s: reason has %d bytes, a close frame holds %d", i.fault.Kind, len(reason), shortFrame-2)
		}
		return newCut(i, s, fmt.Sprintf("closed with %s", closeText(code, reason)), func(s *session) bool {
			return s.endWithFrame(EndedByFault, code, reason)
		})
	},
}
