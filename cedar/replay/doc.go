// Package replay puts recorded requests to another set of policies, and says what would change, as a plan before that set
// is rolled out.
//
// Every record of the audit log that tells what policy was asked is asked again, of the policies that are there and of
// those that are to come. Answers are compared in full: the decision, the deciding policies, those that could not be
// evaluated or were skipped, single use, and, where the record has the backend and the scope of a delegation, what of that
// the backend may pass on. What changes is counted in groups that have caller, user, target and both
// answers in common.
//
// A record does not have everything that policies could read: arguments only where a server is configured so, never the
// session, nor the query of a path. Such a record is compared only if no policy that covers the request can read what is
// missing; otherwise it is undecided, and counted as that. The same goes for what a backend may pass on by itself.
//
// What is not asked about is counted by why. A replay that compared nothing has found out nothing, which is not the same as
// that no answer changes.
//
// Logs may be torn, hostile or endless. Lines, groups and what is kept of each are bounded.
package replay
