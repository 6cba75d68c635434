package fakebinance

var silentCloseKind = FaultKind{
	Name:     KindSilentClose,
	About:    "ends the TCP connection (FIN) without a close frame or TLS alert",
	Settings: []FaultSetting{withinSetting},
	start: func(i *Injection, s settings) (effect, error) {
		return newCut(i, s, "ended by FIN without a close frame", func(s *session) bool {
			return s.endWithFIN(EndedByFault, "FIN without a close frame")
		})
	},
}
