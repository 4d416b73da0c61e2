// Package verify is what an MCP backend needs to check a countersigned request alone, and to pass its delegation on.
//
// Every request that Countersign lets through carries one Txn-Token that was made for it. [Verifier.Verify] is a plain
// function that checks it; [Verifier.Handler] does so in front of a [http.Handler], which finds the result with
// [FromContext]; [Transport] sends the received token with calls to the next server. Servers built with the official
// MCP SDK use package [countersign.dev/authz/verify/gosdk], because their tools do not run in the context of the HTTP
// request.
//
// What is checked, in this order, the first failure being the answer:
//
//   - there is exactly one Txn-Token;
//   - it is a genuine token of the profile (package [delegation]): canonical compact JWS of type txntoken+jwt, signed
//     with a key of a configured issuer, for the configured audience, issued and not expired, its task not over, its
//     chain of actors well-formed, and, where roots are required, not wider than the root token inside it;
//   - its presenter, act.sub, is this backend;
//   - it is bound to this server, to the exact bytes of the body, and to the method and tool that the body names.
//
// What is not checked is whether the call may happen: Countersign decided that, and has signed for it. What is revoked
// from then on no longer reaches the backend, and the token it has is for this one request and ends within a minute or
// so. Nor is the connection looked at. A backend that also demands that its only client is the gateway keeps others from wasting its
// time; they can not get in without a token for their very request.
//
// # Context tokens
//
// A request that came without a delegation has a token too. It tells which workload called, and acts for nobody:
// [Call.HasDelegation] is false, [Call.Subject] is empty, and there is nothing to pass on.
//
// # Dependencies
//
// Besides the standard library an importer gets go-jose, of go-spiffe what knows SPIFFE IDs and fetches keys over mTLS
// (no Workload API, and so no gRPC), the strict JSON reader go-json-experiment, and golang-lru for the cache of verified
// signatures. No Envoy, no Cedar, no MCP SDK, no YAML. A test keeps the list.
package verify
