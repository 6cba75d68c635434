// Package audit sets what the exchange published against what the topic holds.
//
// An [Auditor] is a state machine under one short mutex: records go in, each
// once and in the order in which the topic gives them, and what comes out is
// the account of every symbol, the findings, and how long trades took to
// become visible. It needs no copy of the trades, because the exchange's
// source is a function of symbol and id; its memory is constant however long
// the run. [Topic] feeds it from Kafka. It shares the schema with the streamer
// and no code, so that a bug common to both cannot hide a loss.
//
// Do not use an Auditor on a production topic: it needs the source of the
// trades. That is what an [Inspection] is for.
//
// # A topic that exists
//
// An [Inspection] audits a topic of which nobody has a ledger, by what it says
// about itself: the ids of a symbol must be consecutive, unique and in order
// from the first that is read through the last. It reads all partitions as one
// sequence in the order of time ([merge]), and remembers of each symbol the
// range of ids and the holes in it; so an id of long ago is known to be a
// repeat or to fill a hole, at any length and in constant memory ([survey]).
// Afterwards it asks the exchange about each hole, whether it has these trades
// at all, and compares a sample with it ([exchange]). What it forgets for the
// sake of its bounds it counts and says.
//
// # Four guarantees
//
// A record's id is set against the next one expected of its symbol. Equal: in
// order. Higher: the ids between are missing. Lower and missing: it was
// disordered, and is missing no longer. Lower and not missing: a duplicate. So
// two trades that changed places are one disordered trade. What is missing at
// the end was lost. A trade that was never published is altered and leaves the
// sequence alone; one in another partition than its symbol's first is
// disordered, since nothing orders two partitions. Content is compared for
// every record, so a duplicate can be altered as well.
//
// # Who is charged for a delay
//
// A trade is invisible from its EventAt until the fetch that brought it
// returned. Every moment of that time is charged to exactly one account:
//
//   - to the newest injection whose window is open at that moment. A window
//     opens when the injection begins and closes its settle time after the
//     injection ended; when the subject has not caught up by then, as soon as
//     it has, and after twice the settle time at the latest;
//   - when no window is open, to the phase in which the trade was due.
//
// The longest time charged to a window is its pause; it counts trades that are
// still invisible. Times charged to a phase make its freshness, and a second in
// which some trade's charged time passes five seconds is a bad one for uptime.
// A trade that spends all of its time in windows is not in any phase's figures.
//
// So a subject that was prompt until an injection began is not blamed for the
// backlog that the injection makes, not even for trades that were on their way
// when it began. And a subject cannot hide: a delay that began before a window,
// or outlasts it, is charged to freshness for as much of it as lies outside,
// and a subject that never recovers is in the open after twice the settle time.
//
// # Two kinds of missing
//
// A trade beyond the newest visible one may just be on its way: it counts as
// behind, for the pause, for catching up and for the live lag. A hole before it
// has broken a guarantee already, whether it is filled later (disordered) or
// never (lost). Holes count as behind too, but they hold up neither catching up
// nor a window: one lost trade is one finding and one bad second, not a failure
// of every window that follows.
package audit
