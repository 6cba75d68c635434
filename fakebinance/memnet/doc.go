// Package memnet is a network inside the process, for whole programs in
// virtual time.
//
// A goroutine that waits on a real socket keeps the clock of a
// testing/synctest bubble from moving. Here every wait is one that synctest
// knows, and deadlines follow the bubble's clock. Unlike net.Pipe each
// direction has a buffer, as a socket has: two ends that write to one another
// at the same instant (two pings, say) don't block each other.
//
// Connections can be made to fail as real ones do: reset, stalled in either
// direction, healed, or slow by a fixed latency.
//
// Do not use it to measure throughput, nor where the kernel's own behaviour is
// what is tested.
package memnet
