package conform

func limit(name, section, rule string, basis Basis, flip string) Case {
	return Case{Name: name, Section: section, Rule: rule, Basis: basis, Switch: flip}
}

// What breaks limits, takes hours or turns a switch: carried out by tests only.
var limitCases = []Case{
	limit("ping-every-20s", "2", "a ping every 20 s", Documented, "PingInterval"),
	limit("pong-timeout", "2", "1008 Pong timeout, a minute after a ping without its answer", Documented, "PongTimeout"),
	limit("pong-unasked-keeps-not", "2", "pongs that nobody asked for keep no connection alive", Documented, ""),
	limit("pong-payload", "2", "a pong must have the ping's payload", Documented, "Switches.AnyPong"),
	limit("pong-any-payload", "2", "with the switch any pong will do, as the streams were seen to do", Seen, "Switches.AnyPong"),
	limit("ping-old", "2", "with the switch a ping every 3 min, and 10 min for the answer", Documented, "Switches.OldPings"),
	limit("life-24h", "2", "a connection ends after 24 h", Documented, "Switches.Life"),
	limit("life-code", "2", "how it ends is a switch: 1001 unless said otherwise", Guess, "Switches.LifeCode"),
	limit("life-no-frame", "2", "or without a close frame", Guess, "Switches.LifeCode"),
	limit("life-notice", "2", "serverShutdown before it is a switch, raw", Guess, "Switches.LifeNotice"),
	limit("life-notice-combined", "2", "and wrapped with the stream !serverShutdown", Documented, "Switches.LifeNotice"),
	limit("time-compressed", "2", "one factor compresses all limits of time", Guess, "Switches.Compress"),
	limit("five-a-second", "3", "five frames in a second are allowed", Documented, ""),
	limit("six-a-second", "3", "the sixth within a rolling second ends it: 1008 Too many requests", Documented, ""),
	limit("six-pongs", "3", "pongs count", Documented, ""),
	limit("one-every-250ms", "3", "a frame every 250 ms is allowed for good", Seen, ""),
	limit("penalty", "3", "after repeated breaches new connections are closed for 2 minutes", Seen, "Switches.Penalty"),
	limit("streams-1024", "3", "1024 streams are allowed", Documented, ""),
	limit("streams-1025", "3", "one more is refused with code 4; the connection goes on", Guess, ""),
	limit("connects-300", "3", "300 attempts in 5 minutes are allowed, the next is refused until there is room", Documented, "Switches.Connects"),
	limit("keep-after-error", "4", "with the switch the connection outlives a malformed request", Seen, "KeepAfterError"),
	limit("book-before-trade", "5", "a trade is at the best price told before it, within its quantity", Guess, ""),
	limit("agg-sums-trades", "5", "an aggregate is the sum of its trades, on one connection", Documented, ""),
	limit("halt", "6", "a halt leaves no gap in the ids; exchangeInfo tells", Seen, "Halts"),
	limit("status", "7", "exchangeInfo tells the status of a symbol, and filters by it", Documented, "Switches.Status"),
	limit("weight-429", "7", "429 with Retry-After over the weight, until the minute ends", Documented, "RESTWeightLimit"),
	limit("ban-418", "7", "418 for who goes on: 2 minutes, then twice as long each time", Documented, "Switches.Ban"),
	limit("ban-streams", "7", "with the switch a ban refuses connections too: 403", Seen, "Switches.BanStreams"),
	limit("market-data-only", "7", "the market-data-only host has no historicalTrades", Documented, "Switches.MarketDataOnly"),
	limit("database-lag", "7", "historicalTrades can lag, trades do not", Documented, "Switches.DatabaseLag"),
	limit("kept", "7", "rows start at the first that is kept", Seen, "Switches.Kept"),
	limit("deflate-off", "8", "with the switch no compression is agreed to", Guess, "Switches.NoCompression"),
	limit("url-too-long", "1", "with the switch a long URL is refused", Seen, "Switches.URLBytes"),
}
