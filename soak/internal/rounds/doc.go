// Package rounds makes the same trouble again and again for a streamer that is
// expected to go on exactly once: it kills processes, stops them, hands over
// between them, starts one too many, takes brokers away. Trades flow all the
// time at one rate, and every one of them is accounted for.
//
// A soak run asks whether one subject lives through hours of weather on its
// connection to the exchange. This asks what becomes of the topic when the
// subject itself, its twin or Kafka goes away. Its subjects are processes that
// share the work by the rules of their consumer group, of which it knows only
// what they say on /readyz, /healthz and /status.
//
// A round is, in this order: as many subjects as its kind needs, all settled,
// and every trade visible that is due; a window of the auditor opens; the
// trouble; everybody settled again, and every trade visible that was due until
// then; the window closes. Nothing waits for a fixed time but where the time is
// the trouble. The pause of a round is the longest time that a due trade was
// invisible in its window. Since trades come all the time, that is how long
// the topic stood still, less what the exchange's own silence explains.
//
// The topic is audited twice: as it is written, and by a second reader from its
// beginning when all is over.
package rounds
