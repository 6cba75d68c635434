// Package runner is the story of a soak run: Run, in runner.go, top to bottom.
// Beside it are the plans there are, what happens during an injection, and
// the watching that goes on all along.
//
// It exists so that one place says in which order things happen and what
// happens when something breaks. What is started, which faults there are, what
// is audited and how it is judged are other packages' business.
package runner
