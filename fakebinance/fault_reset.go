package fakebinance

var resetKind = FaultKind{
	Name:     KindReset,
	About:    "resets the TCP connection (RST)",
	Settings: []FaultSetting{withinSetting},
	start: func(i *Injection, s settings) (effect, error) {
		return newCut(i, s, "reset", func(s *session) bool {
			return s.endWithReset(EndedByFault, "reset")
		})
	},
}
