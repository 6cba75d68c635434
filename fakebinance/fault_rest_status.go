package fakebinance

var restStatusKind = FaultKind{
	Name:  KindRESTStatus,
	About: "answers requests to REST with an HTTP status; sessions go on",
	Settings: []FaultSetting{
		{"status", "503", "400 to 599, such as 403, 418, 429, 451"},
		retryAfterSetting,
	},
	start: func(i *Injection, s settings) (effect, error) { return newStatusAnswer(i, s, true) },
}
