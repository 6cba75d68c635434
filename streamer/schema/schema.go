// Package schema is the contract between the streamer and those who read its
// topic: the Avro schema of a record's value, the topic, and the rule for keys.
//
// It is a package of its own so that consumers, the soak harness among them,
// can share the contract without sharing any of the streamer's code.
//
// A record's key is the symbol as UTF-8 text, so all trades of a symbol are in
// one partition and in order. Its value is in the Confluent wire format: a zero
// byte, the schema id as four bytes big-endian, then the Avro body of [Trade].
// New fields are added only with defaults (BACKWARD compatibility).
package schema

import _ "embed"

// Trade is the Avro schema of a record's value.
//
//go:embed trade.avsc
var Trade string

// Topic is where trades go unless configured otherwise.
const Topic = "market.crypto.trades.binance"

// Precision and Scale of the two decimals. Binance keeps prices and quantities
// in 64 bits at eight decimals, so every value that it can publish within 18
// digits fits exactly.
const (
	Precision = 18
	Scale     = 8
)

// Magic is the first byte of a value in the Confluent wire format.
const Magic = 0

// HeaderSize is the number of bytes before the Avro body: Magic and the schema id.
const HeaderSize = 5

// Subject is the name under which the schema registry keeps the value schema
// of topic (the registry's TopicNameStrategy).
func Subject(topic string) string { return topic + "-value" }
