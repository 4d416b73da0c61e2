// Package delegation implements the token that says on whose behalf a workload acts, for which task and until when:
// one compact JWS in the header field Txn-Token, profile MCP-TXN-1 of draft-ietf-oauth-transaction-tokens-11.
//
// A root issuer starts a chain. At every hop Countersign makes a new token from the one that was presented: it names
// the next workload as the only presenter, and carries the same subject, transaction, audience and task. Life, scope,
// limits on arguments and remaining depth can only shrink. [Verifier.Verify] checks a token in the order of the
// profile, one [denial.Reason] per rule. One function decides what narrower means, for tokens about to be signed and
// for tokens received.
//
// # What a chain proves
//
// With the root required, every token at depth 1 and more embeds the token that its chain began with, and is checked
// against it. Whoever stole the key of a hop issuer still needs a genuine root, and can not change subject, task or
// the first workload, nor gain scope or life beyond that root. What the key does give is the middle of the chain:
// which workloads lie between the first one and the presenter is the word of the hop issuer alone, and so is the
// presenter's right to the root. Only depth 1 proves its direct parent, by hash.
//
// # Context tokens
//
// A request without a delegation gets a context token: a hop token at depth 0 of at most 0 with an empty scope, whose
// subject is the calling workload. It tells the backend who calls and for which request, and grants nothing. No root
// anchors it, so its subject must be a workload, never a user, and its task is empty. It can not be countersigned.
//
// # Depth
//
// A token for a backend is one hop deeper than the token it was made from. So a root with del_max_depth 0 can not be
// used, and a token whose depth is its greatest depth lets its presenter call nobody.
//
// # What is refused although a specification allows it
//
// The profile is closed: a claim that it does not list is refused instead of ignored, since ignoring may mean to
// ignore a restriction (nbf, status, cnf.jkt). The same holds for the members of act, cnf, may_act, rctx and
// authorization_details. Only tctx may have further members; they are kept byte by byte.
package delegation
