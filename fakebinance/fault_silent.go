package fakebinance

var silentKind = FaultKind{
	Name:  KindSilent,
	About: "delivers nothing on any stream, while pings and pongs go on; REST has the trades",
	start: func(i *Injection, _ settings) (effect, error) { return &silent{tamper: tamper{i, 1}}, nil },
}

// silent withholds every event of a session.
type silent struct {
	tamper
	withholding
}

func (f *silent) apply(s *session, _ bool) { s.tamperWith(f) }

func (f *silent) alter(*session, *line, [][]byte) [][]byte {
	f.trades.Add(1)
	return nil
}

func (f *silent) silences(_ *session, stream string) bool {
	meant := f.aim.stream == "" || f.aim.stream == stream
	if meant {
		f.others.Add(1)
	}
	return meant
}
