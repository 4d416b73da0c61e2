// Package explain says why policy answers one question as it does: which policies were asked, which part of their
// conditions was false and with which values, what was overridden, what nearly covers the question, and the smallest
// change of the request or the delegation after which it would be allowed.
//
// It says nothing that was not evaluated. An expression that Cedar does not look at, because what stands before it
// decides, is shown as such; a change is called checked only when the changed question was asked and allowed.
package explain
