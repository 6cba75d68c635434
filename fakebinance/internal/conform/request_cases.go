package conform

const closedAfter = " | closed 1008"

// invalid is a request with an error, and whether the connection survived it:
// what is asked next is answered or finds it closed.
func invalid(name, rule string, basis Basis, request, text string) Case {
	return Case{name, "4", rule, basis, "KeepAfterError", text + closedAfter, talk("/ws", request, list)}
}

// Section 4: requests on the connection.
var requestCases = []Case{
	{"subscribe", "4", "SUBSCRIBE is answered with null", Documented, "", subscribed, talk("/ws", subscribe)},
	{"subscribe-two", "4", "SUBSCRIBE takes several streams", Documented, "", `{"result":null,"id":1} | {"result":["$s@trade","$s@depth"],"id":3}`,
		talk("/ws", `{"method":"SUBSCRIBE","params":["$s@trade","$s@depth"],"id":1}`, list)},
	{"subscribe-delivers", "4", "a subscribed stream delivers", Documented, "", rawTrade, watch("/ws", subscribe)},
	{"subscribe-delivers-combined", "4", "on /stream it delivers wrapped", Documented, "", inTrade + rawTrade + "}", watch("/stream", subscribe)},
	{"subscribe-twice", "4", "a stream subscribed twice is listed once", Guess, "", `{"result":null,"id":1} | {"result":null,"id":1} | {"result":["$s@trade"],"id":3}`, talk("/ws", subscribe, subscribe, list)},
	{"unsubscribe", "4", "UNSUBSCRIBE is answered with null", Documented, "", `{"result":null,"id":312} | {"result":[],"id":3}`,
		talk("/ws/$s@trade", `{"method":"UNSUBSCRIBE","params":["$s@trade"],"id":312}`, list)},
	{"unsubscribe-silences", "4", "an unsubscribed stream is silent", Documented, "", `{"result":null,"id":312} | silent`,
		silent("/ws/$s@trade", `{"method":"UNSUBSCRIBE","params":["$s@trade"],"id":312}`)},
	{"unsubscribe-other", "4", "UNSUBSCRIBE of what is not subscribed is no error", Guess, "", `{"result":null,"id":312}`,
		talk("/ws", `{"method":"UNSUBSCRIBE","params":["$s@trade"],"id":312}`)},
	{"list-none", "4", "LIST_SUBSCRIPTIONS without any", Documented, "", `{"result":[],"id":3}`, talk("/ws", list)},
	{"list-one", "4", "LIST_SUBSCRIPTIONS names streams", Documented, "", `{"result":["$s@trade"],"id":3}`, talk("/ws/$s@trade", list)},
	{"answer-bare-on-stream", "4", "answers are bare on /stream too", Documented, "", `{"result":["$s@trade"],"id":3}`, talk("/stream?streams=$s@trade", list)},
	{"combined-starts-false", "4", "combined starts false on /ws", Documented, "", `{"result":false,"id":2}`, talk("/ws", `{"method":"GET_PROPERTY","params":["combined"],"id":2}`)},
	{"combined-starts-true", "4", "combined starts true on /stream", Documented, "", `{"result":true,"id":2}`, talk("/stream", `{"method":"GET_PROPERTY","params":["combined"],"id":2}`)},
	{"combined-set", "4", "SET_PROPERTY is answered with null and holds", Documented, "", `{"result":null,"id":5} | {"result":true,"id":2}`,
		talk("/ws", `{"method":"SET_PROPERTY","params":["combined",true],"id":5}`, `{"method":"GET_PROPERTY","params":["combined"],"id":2}`)},
	{"combined-on", "4", "combined true wraps the payloads of /ws", Documented, "", inTrade + rawTrade + "}",
		watch("/ws", `{"method":"SET_PROPERTY","params":["combined",true],"id":5}`, subscribe)},
	{"combined-off", "4", "combined false unwraps those of /stream", Documented, "", rawTrade,
		watch("/stream", `{"method":"SET_PROPERTY","params":["combined",false],"id":5}`, subscribe)},

	{"id-integer", "4", "an id may be an integer", Documented, "", `{"result":[],"id":9223372036854775807}`, talk("/ws", `{"method":"LIST_SUBSCRIPTIONS","id":9223372036854775807}`)},
	{"id-negative", "4", "an id may be negative", Documented, "", `{"result":[],"id":-7}`, talk("/ws", `{"method":"LIST_SUBSCRIPTIONS","id":-7}`)},
	{"id-string", "4", "an id may be a string", Documented, "", `{"result":[],"id":"abc123"}`, talk("/ws", `{"method":"LIST_SUBSCRIPTIONS","id":"abc123"}`)},
	{"id-string-longest", "4", "of 36 characters at most", Documented, "", `{"result":[],"id":"0123456789abcdefghijklmnopqrstuvwxyz"}`,
		talk("/ws", `{"method":"LIST_SUBSCRIPTIONS","id":"0123456789abcdefghijklmnopqrstuvwxyz"}`)},
	{"id-null", "4", "an id may be null", Documented, "", `{"result":[],"id":null}`, talk("/ws", `{"method":"LIST_SUBSCRIPTIONS","id":null}`)},
	invalid("id-missing", "a request needs an id", Documented, `{"method":"LIST_SUBSCRIPTIONS"}`, noID),
	invalid("id-float", "an id is no fraction", Documented, `{"method":"LIST_SUBSCRIPTIONS","id":1.5}`, noID),
	invalid("id-object", "an id is no object", Documented, `{"method":"LIST_SUBSCRIPTIONS","id":{}}`, noID),
	invalid("id-boolean", "an id is no boolean", Documented, `{"method":"LIST_SUBSCRIPTIONS","id":true}`, noID),
	invalid("id-too-long", "an id has no 37 characters", Documented, `{"method":"LIST_SUBSCRIPTIONS","id":"0123456789abcdefghijklmnopqrstuvwxyzA"}`, noID),

	{"property-unknown", "4", "there is no other property; the connection goes on", Documented, "", `{"error":{"code":0,"msg":"Unknown property"},"id":5} | {"result":[],"id":3}`,
		talk("/ws", `{"method":"SET_PROPERTY","params":["other",true],"id":5}`, list)},
	{"property-value", "4", "combined is a Boolean; the connection goes on", Documented, "", `{"error":{"code":1,"msg":"Invalid value type: expected Boolean"},"id":5} | {"result":[],"id":3}`,
		talk("/ws", `{"method":"SET_PROPERTY","params":["combined","yes"],"id":5}`, list)},
	invalid("property-name", "a property's name is a string", Documented, `{"method":"GET_PROPERTY","params":[1],"id":2}`,
		`{"error":{"code":2,"msg":"Invalid request: property name must be a string"},"id":2}`),
	invalid("property-name-missing", "it must be there", Documented, `{"method":"GET_PROPERTY","params":[],"id":2}`,
		`{"error":{"code":2,"msg":"Invalid request: property name must be a string"},"id":2}`),
	invalid("method-unknown", "the text names the methods", Documented, `{"method":"SUBSCRIBES","params":[],"id":1}`,
		"{\"error\":{\"code\":2,\"msg\":\"Invalid request: unknown variant SUBSCRIBES, expected one of `SUBSCRIBE`, `UNSUBSCRIBE`, `LIST_SUBSCRIPTIONS`, `SET_PROPERTY`, `GET_PROPERTY` at line 1 column 22\"},\"id\":1}"),
	invalid("method-missing", "a method must be there", Documented, `{"params":[],"id":1}`,
		"{\"error\":{\"code\":2,\"msg\":\"Invalid request: missing field `method` at line 1 column 20\"},\"id\":1}"),
	invalid("parameters-too-many", "LIST_SUBSCRIPTIONS takes none", Documented, `{"method":"LIST_SUBSCRIPTIONS","params":["a"],"id":1}`,
		`{"error":{"code":2,"msg":"Invalid request: too many parameters"},"id":1}`),
	invalid("json-invalid", "what is no JSON has code 3", Documented, `nonsense`,
		`{"error":{"code":3,"msg":"Invalid JSON: expected value at line 1 column 2"}}`),
	invalid("stream-malformed", "a name without @ is no stream", Seen, `{"method":"SUBSCRIBE","params":["$s"],"id":1}`,
		`{"error":{"code":2,"msg":"Invalid request: invalid stream"},"id":1}`),
	invalid("stream-no-string", "a stream's name is a string", Guess, `{"method":"SUBSCRIBE","params":[7],"id":1}`,
		`{"error":{"code":2,"msg":"Invalid request: invalid stream"},"id":1}`),
	{"stream-unknown", "4", "a well-formed stream that does not exist is acknowledged and silent", Seen, "", `{"result":null,"id":1} | silent`,
		silent("/ws", `{"method":"SUBSCRIBE","params":["nosuchpair@trade"],"id":1}`)},
	{"stream-unknown-listed", "4", "and listed", Guess, "", `{"result":null,"id":1} | {"result":["nosuchpair@trade"],"id":3}`,
		talk("/ws", `{"method":"SUBSCRIBE","params":["nosuchpair@trade"],"id":1}`, list)},
	{"stream-upper-case", "4", "so is an upper-case symbol", Seen, "", `{"result":null,"id":1} | silent`,
		silent("/ws", `{"method":"SUBSCRIBE","params":["$S@trade"],"id":1}`)},
}

const noID = `{"error":{"code":2,"msg":"Invalid request: request ID must be an unsigned integer"}}`
