// Package leak turns samples of a process into plain figures about its memory:
// how much it grew, how fast, and how straight the line is.
//
// These are the numbers that a reviewer can redo with a calculator from
// samples.ndjson. They say nothing about whether a process leaks: a process a
// few minutes old grows whatever it does, and the score that dashboards show
// cannot see two megabytes an hour. Do not gate a short run on them.
package leak
