// Package judge turns the evidence of a run into a verdict.
//
// [Judge] is a pure function of [Evidence], so that a run can be judged again
// years later, by stricter limits, and in a unit test. Each criterion is one
// function: what it measured, and why. What a plan does with it (gate, report,
// not claimed) and by which figure is a [soak.Limit] of the plan; [Validate]
// refuses a plan whose limits could not be judged, before it runs.
//
// Three rules are above the criteria. A run that is not valid (too short, too
// few samples, an injection that did not take, a rig that was itself late)
// is inconclusive, never failed and never passed. What was not measured is
// inconclusive, never passed. And when the harness itself was in trouble, what
// it did not see proves nothing: only what it did see can fail the subject.
//
// A megabyte is 1,000,000 bytes, as in spec sheets and in the metric system;
// 400 MB are 400,000,000 bytes.
package judge
