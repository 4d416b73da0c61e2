// Package exchange is the token endpoint: it begins delegations. An agent trades a user's access token or ID token for
// a root token that only this agent may present (RFC 8693, as profiled by draft-ietf-oauth-transaction-tokens-11).
//
// The actor is the mTLS peer and nothing else. A request that brings an actor_token is refused: to accept one would let
// somebody splice together a chain that never happened. The user is who a configured identity provider says, see
// package oauth. What is asked for and what is given are two things: every item of the scope is a question to policy,
// Action::"delegate" with the agent as principal and the delegation as it would be in the context, whose method is
// "token/exchange". What policy refuses is left out and named in the answer, and when nothing is left there is no
// token.
//
// The token lives no longer than the endpoint's limit, the user's token and the task. [Exchange.Decide] makes the
// decision and one audit record about it; [Exchange.Handler] is its HTTP side.
package exchange
