// Package testbed starts, watches and stops what a soak run needs: an
// in-memory Kafka and schema registry, the fake exchange, and the subject as a
// process of its own.
//
// The subject is a separate operating-system process so that its memory, CPU
// time, threads and descriptors are its own and can be read from outside, and
// so that it can be stopped and killed as in real life. What it is told and
// what is asked of it is the contract in soak/README.md: environment variables
// in, three HTTP endpoints and a topic out. Anything that keeps the contract
// can be tested.
//
// Where several subjects and a real broker are wanted, the parts can be had one
// by one: a [Kafka] in memory, in containers or existing, a [Registry], and any
// number of subjects by [StartSubject].
//
// It decides nothing about a run: no phases, no faults, no limits. It is not
// meant for tests of single packages; those use fakebinance and kfake
// directly, without a process.
package testbed
