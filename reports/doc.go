// Package reports turns the directory of a run into one page that a reviewer
// can judge it by: report.html.
//
// The page is a single file. It opens without a network, prints, and keeps its
// meaning in black and white, without scripts, in a dark theme and for a
// screen reader. Its first screen answers, in this order: what the outcome was
// and why, whether the run was fit to be judged, which limits were held with
// what margin, what the memory did while faults were injected, and how many
// trades were lost, duplicate, disordered or altered. What follows is the
// evidence, on one time axis.
//
// It reads a [soak.Run] and nothing else, so that a report can be made again
// from any finished run on any machine, and a partial run still gives a page:
// one that begins with what is missing. It decides nothing: outcomes come from
// verdict.json, and a figure that the run directory does not hold is shown as
// not known, never as zero.
//
// Whoever wants figures for a program should read verdict.json instead; this
// page may change its shape at any time.
package reports
