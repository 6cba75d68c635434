// Package fakebinance is a Binance spot exchange for tests: a real WebSocket
// and REST server, with trades that are known in advance, that misbehaves on
// command.
//
// It exists because a client of an exchange is only as good as the trouble it
// has been through, and the real exchange neither makes trouble on request
// nor tells afterwards what it sent. This one does both: a [Source] says what
// every trade is as a pure function of its id, the [Ledger] says which ids
// were published, and a [Fault] makes one kind of trouble, heals, and proves
// by what was measured that it took effect.
//
//	        Source: Market or Replay
//	           |  Trade(symbol, id)
//	           v
//	       publisher ---- Ledger      one goroutine owns streams and sessions
//	       |   |   |
//	outbox v   v   v                  bounded; whole frames, ready to send
//	     writer  writer  writer       one a session, the only one that writes
//	       |                          to its socket; faults act here
//	       v
//	     client
//
// The protocol follows the public documents in binance/binance-spot-api-docs
// and, where those are silent, what users of the exchange have reported.
//
// It uses the time package as it is and takes its network from outside, so a
// whole exchange runs in virtual time inside testing/synctest over
// steadfeed/fakebinance/memnet.
//
// Do not use it to learn what the exchange does in a case that its documents
// leave open, nor to test order entry or account streams: there are none.
package fakebinance
