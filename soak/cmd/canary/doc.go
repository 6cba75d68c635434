// Command canary is a small streamer that is wrong on purpose: once in a run
// it loses, alters, swaps or repeats one trade, or it falls behind a little
// more each second, or it leaves out a protection that a streamer needs.
// Without a flaw it is a plain, correct streamer.
//
// It exists to test the harness. A harness that has never convicted anyone
// proves nothing when it acquits: `soak canaries` runs the smoke plan against
// each flaw and demands that the check named for it, and no other delivery
// check, convicts it. It shares no code with the streamer but the schema, so
// a mistake common to both cannot hide, and it shows in a few hundred lines
// what a streamer has to do to be testable here.
//
// Do not use it to carry trades: it decodes slowly, reads one session, never
// rotates it, takes over from another copy with a cold start, and forgets a
// symbol that was silent for long when it restarts.
package main
