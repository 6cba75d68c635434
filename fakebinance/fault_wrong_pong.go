package fakebinance

var wrongPongKind = FaultKind{
	Name:  KindWrongPong,
	About: "answers the client's pings with a payload that was not asked for",
	start: func(i *Injection, _ settings) (effect, error) {
		return &noPong{Injection: i, wrong: "not what you sent"}, nil
	},
}
