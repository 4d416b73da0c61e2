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
// # Chains through several trust domains
//
// A chain keeps its audience, the trust domain that it began in, wherever it leads. So the Countersign of another trust
// domain verifies and signs tokens that are not for its own: [trust.Issuer] says issuer by issuer for which audiences, and
// which trust domains' workloads it may name. A hop issuer that only leads here needs no right to name workloads of ours,
// and then can not: whoever has its key is limited to the workloads before the border. A subject means something only
// together with the issuer of the root: two trust domains may both have an alice, and policy has to tell them apart.
//
// # Context tokens
//
// A request without a delegation gets a context token: a hop token at depth 0 of at most 0 with an empty scope, whose
// subject is the calling workload. It tells the backend who calls and for which request, and grants nothing. No root
// anchors it, so its subject must be a workload, never a user, and its task is empty. It can not be countersigned.
//
// # Access tokens
//
// A chain may begin with an OAuth access token (RFC 9068) at the first hop. That token is not the parent of the token
// for the backend. It can not be embedded as del_root: it is a bearer credential, good for as long as it lives, and
// every workload of the chain would get to see it. And a token at depth 1 that had only its hash as par_hash would have
// no root: where the root is required, the next hop would have to refuse it, or else believe a hop issuer about user and
// task, which is what the root is there to prevent.
//
// So it is converted first. [RootSigner] makes a root of our own from it: issued by our root issuer, for the user, with
// the peer that presented it as the only actor, the scope that it grants, and no life beyond its own. From there on all
// is as with any other root: Countersign embeds it as del_root, par_hash at depth 1 is its hash, and the next hop, for
// which our root issuer is one of those that it trusts, needs no rule of its own. The hash of the access token is in
// rctx.at_s256 of the root and, unaltered, of every token behind it, so that records of all hops lead back to it. One
// access token gives roots that differ in txn, since each request is a transaction of its own, and are the same in jti,
// which is that of the access token, so that revoking it ends all that began with it.
//
// Our root issuer has keys of its own. Whoever steals one that countersigns can begin nothing: a verifier finds keys by iss,
// and none of these is known under the name of the root issuer.
//
// # Subjects
//
// A subject is somebody only together with the root issuer that vouches for it. [Token.SubjectPrefix] is what the
// configuration puts in front of it, so that two issuers' alices are two; it comes from the issuer of the embedded root,
// whichever hop issuer signed the token. A root whose subject begins with the prefix of another root issuer is refused.
//
// # Depth
//
// A token for a backend is one hop deeper than the token it was made from. So a root with del_max_depth 0 can not be
// used, and a token whose depth is its greatest depth lets its presenter call nobody.
//
// # What is refused although a specification allows it
//
// The profile is closed: a claim that it does not list is refused instead of ignored, since ignoring may mean to
// ignore a restriction (nbf, cnf.jkt). The same holds for the members of act, cnf, may_act, rctx, status and
// authorization_details. Only tctx may have further members; they are kept byte by byte.
package delegation
