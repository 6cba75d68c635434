// Package soak is the vocabulary of a soak run and the directory that a run
// leaves behind.
//
// A [Plan] says what is to be done and by which limits it will be judged; a
// [Run] is the directory in which everything that happened is kept: events
// and samples as they come, the [Ledger] of published against delivered
// trades, and the [Verdict]. The packages below soak/internal produce these
// values, package reports reads them. Whoever wants to work on finished runs
// (compare them, plot them, collect them) needs this package and nothing
// else; it depends on the standard library alone.
//
// It does not run anything: that is soak/cmd/soak.
package soak
