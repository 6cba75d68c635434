// Package leak turns samples of a process into what can be said of its memory.
//
// Measure gives plain figures that a reviewer can redo with a calculator from
// samples.ndjson: how much it grew, how fast, how straight the line is. They do
// not tell whether a process leaks: one that is a few minutes old grows whatever
// it does. Judge answers that for a run of many hours, with an interval, and
// says when it cannot. PerEvent says in minutes what a rotation leaves behind,
// which no slope of a day shows.
package leak
