// Command soak runs soak tests of a streamer and judges them: soak run smoke
// is the main job of this repository.
//
// It wires and nothing more: the story of a run is in soak/internal/runner,
// the judgement in soak/internal/judge, the page in reports. What it prints
// while a run lasts, how it takes ctrl-C, and its exit statuses are here.
package main
