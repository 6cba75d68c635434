package main

import (
	"strings"

	"github.com/urfave/cli/v3"

	"steadfeed/fakebinance"
)

// switchFlags are the rules that can be had otherwise.
func switchFlags() []cli.Flag {
	const category = "rules that the exchange documents otherwise or not at all"
	flag := func(f cli.Flag) cli.Flag {
		switch f := f.(type) {
		case *cli.BoolFlag:
			f.Category = category
		case *cli.IntFlag:
			f.Category, f.HideDefault = category, true // the usage says what 0 stands for
		case *cli.FloatFlag:
			f.Category = category
		case *cli.DurationFlag:
			f.Category, f.HideDefault = category, true
		case *cli.StringFlag:
			f.Category = category
		}
		return f
	}
	return []cli.Flag{
		flag(&cli.FloatFlag{Name: "compress", Value: 1, Usage: "divide every time limit by this: 144 has 24 h pass in ten minutes"}),
		flag(&cli.BoolFlag{Name: "old-pings", Usage: "ping every 3 min with 10 min to answer, as before February 2025"}),
		flag(&cli.BoolFlag{Name: "any-pong", Usage: "take any pong as an answer, whatever its payload"}),
		flag(&cli.DurationFlag{Name: "life", Usage: "of a session; 0: 24h, negative: for ever"}),
		flag(&cli.IntFlag{Name: "life-code", Usage: "close code at its end; 0: 1001, -1: no close frame"}),
		flag(&cli.DurationFlag{Name: "life-notice", Usage: "send serverShutdown so long before; 0: not at all"}),
		flag(&cli.IntFlag{Name: "connects", Usage: "attempts to connect per 5 min and address; 0: 300, negative: any number"}),
		flag(&cli.IntFlag{Name: "connect-status", Usage: "HTTP status beyond; 0: 429"}),
		flag(&cli.IntFlag{Name: "penalty", Usage: "\"Too many requests\" in 5 min before an address is kept out; 0: 10, negative: never"}),
		flag(&cli.IntFlag{Name: "ban", Usage: "requests after a 429 in a minute before 418; 0: 10, negative: never"}),
		flag(&cli.BoolFlag{Name: "ban-streams", Usage: "refuse sessions of a banned address with 403"}),
		flag(&cli.IntFlag{Name: "weight-limit", Usage: "request weight a minute; 0: 6000"}),
		flag(&cli.BoolFlag{Name: "market-data-only", Usage: "serve no historicalTrades, as data-api.binance.vision"}),
		flag(&cli.DurationFlag{Name: "database-lag", Usage: "age at which historicalTrades and aggTrades have a trade"}),
		flag(&cli.IntFlag{Name: "kept", Usage: "trades of a symbol that REST keeps; 0: all"}),
		flag(&cli.BoolFlag{Name: "no-compression", Usage: "agree to no permessage-deflate"}),
		flag(&cli.IntFlag{Name: "url-bytes", Usage: "refuse longer session URLs with 414; 0: none"}),
		flag(&cli.BoolFlag{Name: "keep-after-error", Usage: "leave a session open after a malformed request"}),
		flag(&cli.StringFlag{Name: "status", Usage: "of symbols in exchangeInfo, such as ETHUSDT=HALT,BNBUSDT=BREAK"}),
	}
}

// switchesOf reads them.
func switchesOf(c *cli.Command) (fakebinance.Switches, error) {
	status := map[string]string{}
	for pair := range strings.SplitSeq(c.String("status"), ",") {
		if pair == "" {
			continue
		}
		symbol, is, found := strings.Cut(pair, "=")
		if !found {
			return fakebinance.Switches{}, usage("-status %q is not SYMBOL=STATUS", pair)
		}
		status[strings.ToUpper(symbol)] = strings.ToUpper(is)
	}
	return fakebinance.Switches{
		Compress: c.Float("compress"), OldPings: c.Bool("old-pings"), AnyPong: c.Bool("any-pong"),
		Life: c.Duration("life"), LifeCode: c.Int("life-code"), LifeNotice: c.Duration("life-notice"),
		Connects: c.Int("connects"), ConnectStatus: c.Int("connect-status"), Penalty: c.Int("penalty"),
		Ban: c.Int("ban"), BanStreams: c.Bool("ban-streams"), MarketDataOnly: c.Bool("market-data-only"),
		DatabaseLag: c.Duration("database-lag"), Kept: int64(c.Int("kept")),
		NoCompression: c.Bool("no-compression"), URLBytes: c.Int("url-bytes"), Status: status,
	}, nil
}
