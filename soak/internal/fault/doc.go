// Package fault is the trouble that a soak run makes: which faults there are,
// what each is entitled to cause, and the seeded schedule that mixes them.
//
// There is one file a fault. It says what is done to the exchange and, as
// important, the disturbance that comes with it: how long trades may stay
// invisible and how many sessions may end. The judge counts only what exceeds
// the disturbance, so a figure here that is too generous hides a bad subject
// and one that is too tight convicts a good one; each says where it comes from.
//
// The package makes no decision about when a run is healthy enough for the
// next fault: that is the runner's. For a single test of a client, use
// fakebinance.Server.Begin directly.
package fault
