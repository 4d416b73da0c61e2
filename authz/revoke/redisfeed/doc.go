// Package redisfeed is the deny-list that the replicas of a fleet share, in a Valkey or Redis server (6.2 or newer).
//
// Every replica has a copy in memory, which answers; the server is never asked on the way of a request. A change is
// written once and read by every replica as it happens.
//
// # What is in the server
//
// Below the prefix of the store, and the word revocations:
//
//   - entries: a hash of the entries by ID
//   - expiry: a sorted set of the IDs by the time from which they do not count any more
//   - changes: a stream of the last 10,000 or so changes, numbered without gaps
//   - meta: the version, which is the number of the last change, and the generation
//
// Entries and changes are written by one script, so that they cannot differ. A replica that was cut off reads the
// changes that it missed, or all entries when these are no longer in the stream.
//
// # How old it may be
//
// After every look at the stream, twice a second when nothing happens, the replica compares versions. The copy is as old
// as the last time they were equal. When that is longer ago than the configured limit, by the monotonic clock or by the
// wall clock, nobody knows what was revoked meanwhile: the answer is an error, which refuses the request, or the last
// copy where the configuration prefers that.
//
// # When the server loses what it had
//
// A server may come back empty, from an old backup, or as a follower that missed the last changes. The revocations must
// not vanish with it. So a server without a generation is as good as none: nobody has vouched for what it holds. A
// replica that finds no generation, one lower than its own, or a lower version, takes the generation away, puts its copy
// back, and only then gives it the next generation. A replica that finds a higher generation adds what it holds and that
// server does not. An entry that was removed while a replica was cut off across such a loss comes back: what is in doubt
// stays revoked.
//
// A replica that starts has no copy. It waits until another one has put it back, and refuses requests until then. When
// there is none, at the very first start or after everything was lost at once, an operator has to decide that the
// list is empty: [Feed.Initialise].
//
// # Clocks
//
// Entries that expired are removed from the server an hour later, by its clock and that of the replica that removes
// them, whichever is behind. Whether an entry still counts is decided with the same clock as whether a token does.
package redisfeed
