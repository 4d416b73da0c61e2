// Package revoke knows what was taken back before it expired: tokens, transactions, tasks, users, workloads, signing
// keys, and everything that was issued before some time.
//
// Revoking a transaction (txn) or a task takes back all tokens derived from it, because both stay the same along a
// delegation chain. So does revoking what was issued before a time: a token counts as old as the root that it came from.
//
// # Sources
//
// Where revocations come from is a [Source]; package authz asks through its interface Revocations, and [Sources] makes
// one of many. There are three:
//
//   - [File], a deny-list file, which each replica reads for itself
//   - package redisfeed, a deny-list that the replicas of a fleet share
//   - package statuslist, the Token Status Lists of root issuers
//
// Another one, such as a receiver of pushed security events, either is a Source itself, or adds what it hears to the
// shared deny-list as entries. A source that cannot tell must return an error, which refuses the request.
package revoke
