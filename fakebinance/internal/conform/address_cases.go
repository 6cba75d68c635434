package conform

const (
	rawTrade      = `{e:"trade",E:ms,s:"$S",t:int,p:"decimal.8",q:"decimal.8",T:ms,m:bool,M:true}`
	rawTradeMicro = `{e:"trade",E:us,s:"$S",t:int,p:"decimal.8",q:"decimal.8",T:us,m:bool,M:true}`
	inTrade       = `{stream:"$s@trade",data:`

	subscribed = `{"result":null,"id":1}`
	subscribe  = `{"method":"SUBSCRIBE","params":["$s@trade"],"id":1}`
	list       = `{"method":"LIST_SUBSCRIPTIONS","id":3}`
)

// Section 1: what addresses there are.
var addressCases = []Case{
	{"raw-one-stream", "1", "/ws/<stream> sends bare payloads", Documented, "", rawTrade, watch("/ws/$s@trade")},
	{"combined-one-stream", "1", "/stream?streams= wraps payloads in stream and data", Documented, "", inTrade + rawTrade + "}", watch("/stream?streams=$s@trade")},
	{"raw-two-streams", "1", "/ws/<stream>/<stream> carries both", Seen, "", `{"result":["$s@trade","$s@aggTrade"],"id":3}`, talk("/ws/$s@trade/$s@aggTrade", list)},
	{"combined-two-streams", "1", "/stream?streams=a/b carries both", Documented, "", `{"result":["$s@trade","$s@aggTrade"],"id":3}`, talk("/stream?streams=$s@trade/$s@aggTrade", list)},
	{"raw-no-stream", "1", "/ws without a stream opens, and takes SUBSCRIBE", Seen, "", subscribed, talk("/ws", subscribe)},
	{"combined-no-stream", "1", "/stream without streams opens, and takes SUBSCRIBE", Seen, "", subscribed, talk("/stream", subscribe)},
	{"combined-empty-streams", "1", "/stream?streams= opens, and takes SUBSCRIBE", Seen, "", subscribed, talk("/stream?streams=", subscribe)},
	{"raw-stream-zero", "1", "/ws/0 opens, and takes SUBSCRIBE", Seen, "", subscribed, talk("/ws/0", subscribe)},
	{"url-encoded", "1", "an URL may be encoded", Documented, "", rawTrade, watch("/ws/$s%40trade")},
	{"symbol-upper-case", "1", "symbols in stream names are lower case: another is a stream that stays silent", Seen, "", "silent", silent("/ws/$S@trade")},
	{"kind-case", "1", "the rest of a stream's name is case-sensitive: another stays silent", Seen, "", "silent", silent("/ws/$s@TRADE")},
	{"unit-micro-upper", "1", "timeUnit=MICROSECOND", Documented, "", rawTradeMicro, watch("/ws/$s@trade?timeUnit=MICROSECOND")},
	{"unit-micro-lower", "1", "timeUnit=microsecond", Documented, "", inTrade + rawTradeMicro + "}", watch("/stream?streams=$s@trade&timeUnit=microsecond")},
	{"unit-milli-upper", "1", "timeUnit=MILLISECOND", Documented, "", rawTrade, watch("/ws/$s@trade?timeUnit=MILLISECOND")},
	{"unit-milli-lower", "1", "timeUnit=millisecond", Documented, "", rawTrade, watch("/ws/$s@trade?timeUnit=millisecond")},
	{"unit-of-later-streams", "1", "the unit is fixed for the connection, for streams subscribed later too", Documented, "", rawTradeMicro, watch("/ws?timeUnit=MICROSECOND", subscribe)},
	{"unit-unknown", "1", "another timeUnit is refused", Guess, "", "status 400", talk("/ws?timeUnit=NANOSECOND", list)},
	{"path-unknown", "1", "another path is refused", Guess, "", "status 404", talk("/elsewhere", list)},
	{"streams-in-url-are-free", "1", "streams in the URL count as no request", Seen, "", `{"result":["$s@trade","$s@aggTrade","$s@bookTicker","$s@depth","$s@kline_1s","$s@miniTicker","$s@ticker"],"id":3}`,
		talk("/ws/$s@trade/$s@aggTrade/$s@bookTicker/$s@depth/$s@kline_1s/$s@miniTicker/$s@ticker", list)},
}
